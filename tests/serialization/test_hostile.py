"""Schemas of a checkout that break libraries, or that searches through them would not end for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from x07py.errors import SchemaError
from x07py.serialization import Schema, incompatibilities, parse

DRAFT4 = "http://json-schema.org/draft-04/schema#"
LATEST = "https://json-schema.org/draft/2020-12/schema"


def json_schema(document: Any, *references: tuple[str, Any]) -> Schema:
    return Schema("json", json.dumps(document), tuple((name, json_schema(one)) for name, one in references))


@pytest.mark.parametrize("draft", [DRAFT4, "http://json-schema.org/draft-07/schema#", LATEST])
@pytest.mark.parametrize("name", ["id", "$id", "$ref", "default", "$schema"])
def test_properties_are_called_as_they_like(draft: str, name: str) -> None:
    one = json_schema({"$schema": draft, "type": "object", "properties": {name: {"type": "string"}}})
    assert parse(one).decode(parse(one).encode({name: "a"}), parse(one)) == {name: "a"}
    with pytest.raises(SchemaError, match="9597"):
        parse(one).encode({name: 1})
    two = json_schema({"$schema": draft, "type": "object", "properties": {name: {"type": ["string", "null"]}}})
    assert (incompatibilities(two, one), bool(incompatibilities(one, two))) == ([], True)


NOWHERE = {"$ref": "http://x/y"}


@pytest.mark.parametrize(
    "unusable",
    [
        json_schema({"$schema": 5}),
        json_schema({"$schema": DRAFT4, "patternProperties": {"(": {}}}),
        json_schema({"$schema": DRAFT4, "items": {"pattern": "("}}),
        json_schema({"properties": {"default": NOWHERE}}),
        json_schema({"$ref": "#/x", "x": {"not": NOWHERE}}),
        json_schema({"$ref": "#/default", "default": 5}),
        json_schema({"$ref": "http://[/"}),
        json_schema({}, ("a.json", {"type": "none"})),
        json_schema({}, ("a.json", {"properties": {"enum": NOWHERE}})),
        json_schema({}, ("a.json", {"$schema": 5})),
        json_schema({"properties": {"a": {"$schema": DRAFT4, "required": True}}}),
    ],
)
def test_what_is_no_schema_is_told(unusable: Schema) -> None:
    for refused in (lambda: parse(unusable), lambda: incompatibilities(unusable, json_schema({}))):
        with pytest.raises(SchemaError, match="9598"):
            refused()


def in_steps(word: str, last: Any) -> dict[str, Any]:
    """A schema that comes to `last` by 2 to the power of 60 ways."""
    steps = {f"a{n}": {word: [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
    return {"$schema": LATEST, "$ref": "#/$defs/a0", "$defs": {**steps, "a60": last}}


@pytest.mark.parametrize("word", ["anyOf", "oneOf", "allOf"])
def test_ways_that_meet_again_are_looked_at_once(word: str) -> None:
    wider = json_schema({"$schema": LATEST, "type": ["string", "null"]})
    assert not incompatibilities(wider, json_schema(in_steps(word, {"type": "string"})))
    assert incompatibilities(json_schema(in_steps(word, {"type": "string"})), wider)


def test_references_that_meet_again_are_looked_at_once() -> None:
    one = Schema("json", '{"type": "string"}')
    for number in range(60):
        one = Schema("json", "{}", ((f"left{number}", one), (f"right{number}", one)))
    assert parse(one).encode("a") == b'"a"'


def test_a_pattern_is_searched_for_in_values_at_once() -> None:
    values = json_schema({"enum": ["a" * 40_000 + "b"]})
    assert "pattern" in incompatibilities(json_schema({"pattern": "^(a+)+$"}), values)[0]
    assert not incompatibilities(json_schema({"pattern": "^(a+)+b$"}), values)


B = {"type": "string"}
NODE = {"$dynamicRef": "#n"}


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        (
            {"properties": {"a": B}, "unevaluatedProperties": False},
            {"properties": {"a": B, "b": B}, "unevaluatedProperties": False},
        ),
        ({"prefixItems": [B], "unevaluatedItems": False}, {"prefixItems": [B, B], "unevaluatedItems": False}),
        (
            {**NODE, "$defs": {"n": {"$dynamicAnchor": "n", "type": "string"}}},
            {**NODE, "$defs": {"n": {"$dynamicAnchor": "n", "type": ["string", "null"]}}},
        ),
        ({"type": "array", "contains": B}, {"type": "array", "contains": B, "minContains": 0}),
        ({"contains": B, "maxContains": 2}, {"allOf": [{"contains": B}, {"contains": {}, "maxContains": 2}]}),
        (
            {"if": B, "then": {"minLength": 2}},
            {"allOf": [{"if": B}, {"if": {"type": "null"}, "then": {"minLength": 2}}]},
        ),
        ({"type": "integer"}, {"$schema": DRAFT4, "const": 1}),
        ({"if": B, "then": False}, {"$schema": "http://json-schema.org/draft-06/schema#", "if": B, "then": False}),
    ],
)
def test_what_says_something_only_together_stays_together(reader: dict[str, Any], writer: dict[str, Any]) -> None:
    assert incompatibilities(json_schema({"$schema": LATEST, **reader}), json_schema({"$schema": LATEST, **writer}))


def test_what_stays_whole_is_read() -> None:
    kept = {
        "properties": {"a": B},
        "unevaluatedProperties": False,
        "contains": B,
        "minContains": 0,
        "if": B,
        "then": {},
    }
    older, newer = ({"$schema": LATEST, **kept, "title": title} for title in ("older", "newer"))
    assert not incompatibilities(json_schema(newer), json_schema(older))


def avro(document: Any) -> Any:
    return parse(Schema("avro", json.dumps(document)))


def record(name: str, *kinds: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": one} for n, one in enumerate(kinds)]}


@pytest.mark.parametrize("document", [record("N", ["null", "N"]), record("N", ["null", record("M", "N")])])
def test_avro_that_nests_without_end_is_told(document: Any) -> None:
    nested = avro(document)
    with pytest.raises(SchemaError, match="9597"):
        nested.decode(b"\x02" * 400_000 + b"\0", nested)
    value: Any = None
    for _ in range(400_000):
        value = {"f0": value}
    with pytest.raises(SchemaError, match=r"9597.*nested deeper than 100"):
        nested.encode(value)


def test_avro_that_nests_as_people_nest_comes_back() -> None:
    nested = avro(record("N", ["null", "N"]))
    value: Any = {"f0": None}
    for _ in range(90):
        value = {"f0": value}
    assert nested.decode(nested.encode(value), nested) == value


@pytest.mark.parametrize(
    "items",
    ["null", record("E"), record("E", "null", record("I", {"type": "fixed", "name": "F", "size": 0}))],
)
def test_avro_counts_no_items_without_bytes(items: Any) -> None:
    for outer in ({"type": "array", "items": items}, record("O", ["null", {"type": "array", "items": items}])):
        with pytest.raises(SchemaError, match=r"9598.*take no bytes"):
            avro(outer)
    assert avro({"type": "map", "values": items})
    assert avro(["null", {"type": "array", "items": ["null", items] if items != "null" else ["null", "int"]}])


def test_avro_bytes_alone_come_back() -> None:
    decimal = avro({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2})
    assert decimal.decode(decimal.encode(Decimal("12.34")), decimal) == Decimal("12.34")
    bare, text = avro("bytes"), avro("string")
    for value in (b"\x02ab", bytearray(b"\x02ab"), memoryview(b"\x02ab")):
        assert (bare.encode(value), bare.decode(bare.encode(value), bare)) == (b"\x02ab", b"\x02ab")
    assert text.decode(bare.encode(b"ab"), bare) == "ab"
    with pytest.raises(SchemaError, match=r"9597.*this is int"):
        bare.encode(5)
