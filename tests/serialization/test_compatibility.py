"""Which versions of a schema read which others: the tables of the specifications, and for JSON Schema what is true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.serialization.messages import file, message, schema
from x07py.errors import SchemaError
from x07py.serialization import LEVELS, Schema, UnfinishedError, incompatibilities, misfits

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
PROMOTED = {
    ("long", "int"),
    *(("float", one) for one in ("int", "long")),
    *(("double", one) for one in ("int", "long", "float")),
    ("string", "bytes"),
    ("bytes", "string"),
}
"""Reader and writer: https://avro.apache.org/docs/1.12.0/specification/#schema-resolution"""


def avro(document: Any, *references: tuple[str, Schema]) -> Schema:
    return Schema("avro", json.dumps(document), references)


def record(*fields: tuple[Any, ...], name: str = "R", **more: Any) -> dict[str, Any]:
    """A record; a field is its name, type and perhaps its default and aliases."""
    keys = ("name", "type", "default", "aliases")
    return {"type": "record", "name": name, "fields": [dict(zip(keys, one, strict=False)) for one in fields], **more}


@pytest.mark.parametrize("reader", PRIMITIVES)
def test_avro_promotes_primitive_types(reader: str) -> None:
    read = {writer for writer in PRIMITIVES if not incompatibilities(avro(reader), avro(writer))}
    assert read == {reader, *(writer for one, writer in PROMOTED if one == reader)}


A, B = ("a", "int"), ("b", "int")
FIXED = {"type": "fixed", "name": "F", "size": 4}
ENUM = {"type": "enum", "name": "E", "symbols": ["X", "Y"]}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
TREE = record(("below", {"type": "array", "items": "R"}))
AVRO: dict[str, tuple[Any, Any, str]] = {
    "fields in another order": (record(A, B), record(B, A), ""),
    "a field only the writer has": (record(A), record(A, B), ""),
    "a field only the reader has": (record(A, B), record(A), "default"),
    "one with a default": (record(A, ("b", "int", 0)), record(A), ""),
    "a field by its alias": (record(("c", "int", 0, ["a"])), record(A), ""),
    "a field promoted": (record(("a", "long")), record(A), ""),
    "and not back": (record(A), record(("a", "long")), "type mismatch"),
    "a record of another name": (record(A), record(A, name="S"), "name"),
    "of another namespace": (record(A, namespace="x"), record(A, namespace="y"), ""),
    "by its alias": (record(A, aliases=["S"]), record(A, name="S"), ""),
    "by its alias in a namespace": (record(A, namespace="x", aliases=["S"]), record(A, name="S", namespace="x"), ""),
    "an array": ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}, ""),
    "an array of others": ({"type": "array", "items": "int"}, {"type": "array", "items": "string"}, "mismatch"),
    "a map": ({"type": "map", "values": "double"}, {"type": "map", "values": "float"}, ""),
    "a map is no record": ({"type": "map", "values": "int"}, record(A), "mismatch"),
    "fixed": (FIXED, FIXED, ""),
    "fixed of another size": (FIXED, {**FIXED, "size": 5}, "size"),
    "fixed of another name": (FIXED, {**FIXED, "name": "G"}, "name"),
    "enum with more symbols": ({**ENUM, "symbols": ["X", "Y", "Z"]}, ENUM, ""),
    "enum with fewer": (ENUM, {**ENUM, "symbols": ["X", "Y", "Z"]}, "symbols"),
    "enum with fewer and a default": ({**ENUM, "default": "X"}, {**ENUM, "symbols": ["X", "Y", "Z"]}, ""),
    "a union of more": (["null", "int", "string"], ["null", "int"], ""),
    "a union of less": (["null", "int"], ["null", "int", "string"], "union"),
    "a union of promoted": (["null", "long"], ["null", "int"], ""),
    "into a union": (["null", "int"], "int", ""),
    "out of a union": ("int", ["null", "int"], "mismatch"),
    "out of a union of one": ("long", ["int"], ""),
    "recursion": (TREE, TREE, ""),
    "recursion that differs": (record(("below", {"type": "array", "items": "R"}), A), TREE, "default"),
    "decimals": (DECIMAL, DECIMAL, ""),
    "decimals of another scale": (DECIMAL, {**DECIMAL, "scale": 3}, "decimals"),
    "decimals in a record": (record(("a", DECIMAL)), record(("a", {**DECIMAL, "precision": 8})), "decimals"),
    "a decimal and bytes": (DECIMAL, "bytes", ""),
    "a logical type of others": ({"type": "string", "logicalType": "mine"}, "string", ""),
}


@pytest.mark.parametrize(("reader", "writer", "why"), AVRO.values(), ids=AVRO)
def test_avro(reader: Any, writer: Any, why: str) -> None:
    found = incompatibilities(avro(reader), avro(writer))
    assert bool(found) == bool(why)
    assert not found or why in " ".join(found)


def test_avro_types_of_another_subject() -> None:
    cart = {"type": "array", "items": "R"}
    older, newer = avro(record(A)), avro(record(A, B))
    assert incompatibilities(avro(cart, ("R", newer)), avro(cart, ("R", older)))
    assert not incompatibilities(avro(cart, ("R", older)), avro(cart, ("R", newer)))


WHOLE_NUMBERS = tuple(f"{sign}{size}" for sign in ("int", "uint", "sint", "fixed", "sfixed") for size in (32, 64))
SCALARS = (*WHOLE_NUMBERS, "bool", "double", "float", "string", "bytes")
ALIKE = (
    {"int32", "int64", "uint32", "uint64", "bool"},
    {"sint32", "sint64"},
    {"fixed32", "sfixed32"},
    {"fixed64", "sfixed64"},
    {"string", "bytes"},
)
"""https://protobuf.dev/programming-guides/proto3/#updating"""


@pytest.mark.parametrize("reader", SCALARS)
def test_protobuf_types_of_one_encoding(reader: str) -> None:
    one = schema(file(message("M", ("a", 1, reader))))
    read = {kind for kind in SCALARS if not incompatibilities(one, schema(file(message("M", ("a", 1, kind)))))}
    assert read == next((kinds for kinds in ALIKE if reader in kinds), {reader})


ONE, TWO = message("M", ("a", 1, "string")), message("M", ("a", 1, "string"), ("b", 2, "int32"))
APART = message("M", ("a", 1, "string"), ("b", 2, "string"), oneofs=("c",))
EITHER = message("M", ("a", 1, "string", "c"), ("b", 2, "string", "c"), oneofs=("c",))
NEEDED = message("M", ("a", 1, "string", "required"))
PROTOBUF: dict[str, tuple[Any, Any, str]] = {
    "a field more": (TWO, ONE, ""),
    "a field less": (ONE, TWO, ""),
    "another name": (message("M", ("z", 1, "string")), ONE, ""),
    "another number": (message("M", ("a", 3, "string")), ONE, ""),
    "a number of another type": (message("M", ("z", 1, "int32")), ONE, "number 1 was string"),
    "another message": (message("M", ("a", 1, ".shop.A")), message("M", ("a", 1, ".shop.B")), "message .shop.B"),
    "repeated text": (message("M", ("a", 1, "string", "repeated")), ONE, ""),
    "repeated numbers": (
        message("M", ("a", 1, "int32", "repeated")),
        message("M", ("a", 1, "int32")),
        "repeated numbers",
    ),
    "a required field more": (message("M", ("n", 9, "int32", "required")), message("M"), "older messages lack"),
    "a required field less": (message("M"), NEEDED, "required field is gone"),
    "required now": (NEEDED, ONE, "required now"),
    "required no more": (ONE, NEEDED, ""),
    "a message less": (message("N"), ONE, "message shop.M is gone"),
    "a nested one less": (message("M"), message("M", nested=(message("N"),)), "shop.M.N is gone"),
    "one field into a oneof": (message("M", ("a", 1, "string", "c"), oneofs=("c",)), ONE, ""),
    "two fields": (EITHER, APART, "of one oneof"),
    "out of a oneof": (APART, EITHER, ""),
}


@pytest.mark.parametrize(("reader", "writer", "why"), PROTOBUF.values(), ids=PROTOBUF)
def test_protobuf(reader: Any, writer: Any, why: str) -> None:
    found = incompatibilities(*(schema(file(one, syntax="proto2")) for one in (reader, writer)))
    assert bool(found) == bool(why)
    assert not found or why in " ".join(found)


def test_protobuf_of_an_imported_file() -> None:
    made = file(message("Bill", ("sum", 1, ".shop.Money")), imports=("money.proto",))
    money = [file(message("Money", ("cents", 1, kind)), name="money.proto") for kind in ("string", "int64")]
    found = incompatibilities(*(schema(made, ("money.proto", schema(one))) for one in money))
    assert "shop.Money.cents: number 1 was int64 and is string" in found


def json_schema(document: Any) -> Schema:
    return Schema("json", json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **document}))


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


TEXT, WHOLE, NUMBER, NONE = ({"type": one} for one in ("string", "integer", "number", "null"))
LIST_OR_END = {"type": ["object", "null"], "properties": {"next": {"$ref": "#/$defs/l"}}}
LIST = {"$defs": {"l": LIST_OR_END}, "$ref": "#/$defs/l"}
CAT = {**closed(kind={"const": "cat"}, lives=WHOLE), "required": ["kind"]}
DOG = {**closed(kind={"const": "dog"}), "required": ["kind"]}
JSON: dict[str, tuple[Any, Any, str]] = {
    "the same": (closed(a=TEXT), closed(a=TEXT), ""),
    "a type more": ({"type": ["string", "null"]}, TEXT, ""),
    "a type less": (TEXT, {"type": ["string", "null"]}, "may be null"),
    "a number": (NUMBER, WHOLE, ""),
    "an integer": (WHOLE, NUMBER, "may be integer or number"),
    "a property more": (closed(a=TEXT, b=TEXT), closed(a=TEXT), ""),
    "a property less": (closed(a=TEXT), closed(a=TEXT, b=TEXT), "$.b"),
    "a property more in an open object": ({"properties": {"b": TEXT}}, {"type": "object"}, "anything may stand there"),
    "a property less in an open object": ({"type": "object"}, {"type": "object", "properties": {"b": TEXT}}, ""),
    "required now": ({**closed(a=TEXT), "required": ["a"]}, closed(a=TEXT), "a is required"),
    "required no more": (closed(a=TEXT), {**closed(a=TEXT), "required": ["a"]}, ""),
    "opened": ({"properties": {"a": TEXT}}, closed(a=TEXT), ""),
    "closed": (closed(a=TEXT), {"type": "object", "properties": {"a": TEXT}}, "$.*"),
    "enum of more": ({"enum": ["a", "b"]}, {"enum": ["a"]}, ""),
    "enum of less": ({"enum": ["a"]}, {"enum": ["a", "b"]}, "enum"),
    "true is not 1": ({"enum": [1]}, {"enum": [True]}, "enum"),
    "const in a pattern": ({"type": "string", "pattern": "^a"}, {"const": "ab"}, ""),
    "const out of a pattern": ({"pattern": "^a"}, {"const": "b"}, "pattern"),
    "a bound wider": ({"minimum": 1, "maxLength": 9}, {"minimum": 2, "maxLength": 8}, ""),
    "a bound narrower": ({"type": "integer", "minimum": 3}, {"type": "integer", "minimum": 2}, "minimum"),
    "exclusive": ({"exclusiveMinimum": 2}, {"minimum": 2}, "exclusiveMinimum"),
    "from exclusive": ({"maximum": 2}, {"exclusiveMaximum": 2}, ""),
    "multiples": ({"type": "integer", "multipleOf": 2}, {"type": "integer", "multipleOf": 4}, ""),
    "a pattern of names": (
        {"patternProperties": {"^a_[a-z]+$": NUMBER}},
        {"properties": {"a_x": WHOLE}, "additionalProperties": False},
        "",
    ),
    "a pattern of names narrower": ({"patternProperties": {"^a_": WHOLE}}, {"properties": {"a_x": NUMBER}}, "$.a_x"),
    "a pattern that takes long in Python": (
        {"patternProperties": {"(a+)+$": NUMBER}},
        {"properties": {"a" * 4000 + "b": {"type": "string"}}, "additionalProperties": WHOLE},
        "",
    ),
    "another pattern": ({"pattern": "a"}, {"pattern": "b"}, "pattern"),
    "items": ({"items": NUMBER}, {"items": WHOLE, "minItems": 1}, ""),
    "items narrower": ({"items": WHOLE}, {"items": NUMBER}, "$[*]"),
    "first items": ({"prefixItems": [NUMBER], "items": TEXT}, {"prefixItems": [WHOLE, TEXT], "items": TEXT}, ""),
    "first items narrower": ({"items": TEXT}, {"prefixItems": [WHOLE], "items": TEXT}, "$[0]"),
    "a case more": ({"anyOf": [TEXT, NONE]}, {"anyOf": [TEXT]}, ""),
    "a case less": ({"anyOf": [TEXT]}, {"anyOf": [TEXT, NONE]}, "$"),
    "one of more": ({"oneOf": [TEXT, NONE]}, {"oneOf": [TEXT]}, ""),
    "one of two that both fit": ({"oneOf": [WHOLE, NUMBER]}, WHOLE, "oneOf"),
    "one of kinds": ({"oneOf": [CAT, DOG]}, {"oneOf": [CAT]}, ""),
    "one of fewer kinds": ({"oneOf": [CAT]}, {"oneOf": [CAT, DOG]}, "$"),
    "all of more": ({"allOf": [TEXT]}, {"allOf": [TEXT, {"maxLength": 3}]}, ""),
    "recursion": (LIST, LIST, ""),
    "recursion narrower": (LIST, {"type": ["object", "null"]}, "$.next"),
    "not, as it was": ({"not": TEXT}, {"not": TEXT}, ""),
    "not, changed": ({"not": TEXT}, {"not": NONE}, "not"),
    "remarks": ({"title": "b", "format": "date", "x-mine": 1}, {"title": "a"}, ""),
    "nothing is written": (TEXT, {"not": {}, "enum": []}, ""),
}


@pytest.mark.parametrize(("reader", "writer", "why"), JSON.values(), ids=JSON)
def test_json(reader: Any, writer: Any, why: str) -> None:
    found = incompatibilities(json_schema(reader), json_schema(writer))
    assert bool(found) == bool(why)
    assert not found or why in " ".join(found)


VALUES: list[Any] = [None, True, False, -1, 0, 1, 2, 3, 1.5, "", "a", "ab", "b", [], [1], ["a"], [1, "a"], [1, 1], {}]
VALUES += [{"a": one} for one in VALUES[:13]] + [{"a": 1, "b": "a"}, {"b": None}, {"a": {"a": 1}}, [[1]], {"a": [1]}]
_leaf = st.one_of(
    st.sampled_from([{}, True, False, TEXT, WHOLE, NUMBER, NONE, {"type": ["string", "null"]}, {"type": "object"}]),
    st.lists(st.sampled_from(VALUES[:19]), max_size=3).map(lambda values: {"enum": values}),
    st.tuples(st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), st.integers(-1, 3)).map(
        lambda pair: {pair[0]: pair[1]}
    ),
    st.tuples(st.sampled_from(["minLength", "maxLength", "minItems", "maxItems"]), st.integers(0, 2)).map(
        lambda pair: {pair[0]: pair[1]}
    ),
    st.sampled_from([{"required": ["a"]}, {"pattern": "a"}, {"uniqueItems": True}, {"multipleOf": 2}, {"const": 1}]),
)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    return st.one_of(
        st.fixed_dictionaries({"properties": named}, optional={"additionalProperties": inner}),
        st.fixed_dictionaries({"patternProperties": st.dictionaries(st.sampled_from(["a", ".", "^b"]), inner)}),
        st.fixed_dictionaries({"items": inner}, optional={"prefixItems": some}),
        st.sampled_from(["anyOf", "oneOf", "allOf"]).flatmap(lambda word: some.map(lambda cases: {word: cases})),
        inner.map(lambda one: {"not": one}),
    )


_schemas = st.recursive(_leaf, _deeper, max_leaves=5).map(lambda one: one if isinstance(one, dict) else {"not": {}})


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(_schemas, min_size=1, max_size=3), st.lists(_schemas, min_size=1, max_size=2))
def test_what_is_shown_of_json_is_true(writer: list[Any], reader: list[Any]) -> None:
    """A reader of which all is shown takes each value that the writer's schema takes."""
    ours, theirs = {"allOf": reader}, {"allOf": [*writer, *reader[:1]]}
    if not incompatibilities(json_schema(ours), json_schema(theirs)):
        takes, writes = Draft202012Validator(ours), Draft202012Validator(theirs)
        assert [value for value in VALUES if writes.is_valid(value) and not takes.is_valid(value)] == []


def test_a_row_of_versions_is_held_to_its_level() -> None:
    kinds = {1: avro("int"), 2: avro("long"), 3: avro("double")}
    found = {level: {(one.reader, one.writer) for one in misfits(level, kinds)} for level in LEVELS}
    assert found == {
        "backward": set(),
        "backward_transitive": set(),
        "forward": {(1, 2), (2, 3)},
        "forward_transitive": {(1, 2), (1, 3), (2, 3)},
        "full": {(1, 2), (2, 3)},
        "full_transitive": {(1, 2), (1, 3), (2, 3)},
        "none": set(),
    }
    gone = {1: avro(record(A)), 2: avro(record()), 3: avro(record(("a", "string", "")))}
    assert not list(misfits("backward", gone))
    assert [(one.reader, one.writer) for one in misfits("backward_transitive", gone)] == [(3, 1)]


def test_a_subject_keeps_its_kind() -> None:
    assert incompatibilities(avro("string"), json_schema(TEXT)) == ["the one is json and the other avro"]


def test_avro_of_very_many_types_is_not_compared_without_end() -> None:
    chain = [record(("n", f"R{n - 1}" if n else "int"), name=f"R{n}") for n in range(400)]
    [reason] = incompatibilities(avro(chain), avro(chain))
    assert reason.startswith("the schemas are too large to be compared: they have more than 50,000 pairs of types")
    assert incompatibilities(avro(chain[:60]), avro(chain[:60])) == []
    wide = avro(record(*((f"f{number}", "int") for number in range(5_000))))
    assert "too large" in incompatibilities(wide, wide)[0]
    wider = avro(record(*((f"f{number}", "int") for number in range(10_001))))
    with pytest.raises(SchemaError, match="a record of more than 10,000 fields"):
        incompatibilities(wider, wider)


def test_json_of_very_many_patterns_is_not_compared_without_end() -> None:
    named = json_schema({"properties": {f"{number}ab": {} for number in range(1500)}, "additionalProperties": False})
    patterns: dict[str, Any] = {f"^{number}(a|b)*$": {} for number in range(1500)}
    other = json_schema({"patternProperties": patterns, "additionalProperties": False})
    for pair in ((named, other), (other, named)):
        assert incompatibilities(*pair) == ["the schemas are too large to be compared"]


def test_comparisons_of_many_versions_end_when_there_is_no_time() -> None:
    kinds = {number: avro("int") for number in range(100)}
    with pytest.raises(UnfinishedError) as caught:
        list(misfits("full_transitive", kinds, lambda: True))
    assert (caught.value.made, caught.value.wanted) == (1, 9900)
    assert list(misfits("full_transitive", kinds)) == []
