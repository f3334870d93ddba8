"""Schemas of a checkout that break libraries, or that searches through them would not end for."""

from __future__ import annotations

import json
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


def test_a_pattern_is_not_searched_for_in_values_without_end() -> None:
    found = incompatibilities(json_schema({"pattern": "(a+)+$"}), json_schema({"enum": ["a" * 40 + "b"]}))
    assert "not compared with the pattern" in found[0]


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
