"""Patterns of JSON Schemas: they find what ECMA 262 says, at a cost that grows as the text does."""

from __future__ import annotations

import contextlib
import json
import re
import string
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.files.test_expressions import slow_at
from x07py.errors import SchemaError
from x07py.serialization import Schema, parse
from x07py.serialization.patterns import PatternError, compile_pattern

DRAFTS = [
    "http://json-schema.org/draft-03/schema#",
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
]
ENDLESS = "^(a+)+$"
LONG = "a" * 5000 + "!"

_atoms = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", ".", r"\d", r"\w", r"\W", r"\s", "c", "_", r"\.", "[a-c1]", r"\x61"]
)
_counts = st.sampled_from(["", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?", "{0}"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    rows = st.lists(inner, min_size=1, max_size=3).map("".join)
    choices = st.lists(rows, min_size=1, max_size=3).map("|".join)
    return st.builds(lambda one, count: f"(?:{one}){count}", choices, _counts)


_edges = st.sampled_from(["", "", "^", "$", r"\b", r"\B"])
_pieces = st.recursive(st.builds(str.__add__, _atoms, _counts), _larger, max_leaves=6)
_patterns = st.lists(st.builds(lambda a, b, c: a + b + c, _edges, _pieces, _edges), min_size=1, max_size=3).map("".join)


@given(_patterns, st.text("aabbc1_ .\n", max_size=12))
@example("(?:a*)*", "")
@example(r"\b$", "")
@example("a$", "a\n")
@example(r"(?:a|ab)(?:c|bcd)$", "abcd")
def test_what_is_found_is_what_re_finds(pattern: str, text: str) -> None:
    assume(text or "\\B" not in pattern)  # before Python 3.14, \\B is not found in an empty text
    expected = re.search(pattern.replace("$", r"\Z"), text, re.ASCII) is not None
    assert compile_pattern(pattern).found_in(text) == expected


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        (r"^\d$", "7", "\u0663"),
        (r"^\s$", "\u00a0", "\u200b"),
        ("^.$", "\U0001f600", "\u2028"),
        (r"^\u0041\x42\cJ\0\/\-$", "AB\n\0/-", "AB"),
        (r"^\ud83d\ude00$", "\U0001f600", "\ude00"),
        (r"^\u{1F600}$", "\U0001f600", "u{1F600}"),
        (r"^[\b\]\-a-c\d]+$", "\b]-b5", "d"),
        (r"^\p{Lu}\P{L}\p{gc=Nd}$", "Ä-\u0663", "ä-3"),
        ("^(?<year>[0-9]{4})$", "2024", "20245"),
        ("^{.}]$", "{x}]", "x"),
        ("^$", "", "\n"),
        ("a{2,3}?b", "xaab", "ab"),
        ("^\ud800$", "\ud800", "\ud801"),
        ("[a&&b]", "&", "c"),
    ],
)
def test_ecma_262_is_meant(pattern: str, found: str, missed: str) -> None:
    assert (compile_pattern(pattern).found_in(found), compile_pattern(pattern).found_in(missed)) == (True, False)


REFUSED = {
    "^(?=a)": "a look-ahead at character 2: say it by a second pattern, with allOf and not",
    "(?!a)b": "a look-ahead",
    "(?<=a)b": "a look-behind",
    "(?<!a)b": "a look-behind",
    r"(a)\1": "a reference back at character 4: write out what may stand there",
    r"(?<n>a)\k<n>": "a reference back",
    "(?P<n>a)": "write (?<name>...)",
    "(?i)a": "as in [Aa]",
    "(?>a)": "another syntax",
    r"a\Z": "write $",
    "a++": "possessive",
    "a**": "a repetition of a repetition",
    "a{2}{3}": "a repetition of a repetition",
    "*a": "a repetition of nothing",
    "a{,3}": "write {0,...}",
    "a{3,2}": "less than its least",
    "^*": "a repetition of a place",
    "[]": "an empty class",
    "[a": "a class that does not end",
    "[b-a]": "a range in a class",
    r"[\w-z]": "a range in a class",
    "[[:alpha:]]": "a class by name",
    r"\p{Script=Greek}": "another property",
    r"\q": "which ECMA 262 does not have",
    "a\\": "a backslash at its end",
    "(a": "a group that does not end",
    "a)": "a closing parenthesis",
    "[" + r"\p{L}" * 3000 + "]": "more than 50000 ranges",
    "(" * 60: "groups in each other",
    "a" * 30_000: "a pattern of 30000 characters",
    "((a{100}){100}){100}": "more than 10000 steps",
    "(){999999}": "more than 10000 steps",
    "((){999}){999}": "more than 10000 steps",
}


@pytest.mark.parametrize("pattern", REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_searched_for_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(PatternError, match=re.escape(REFUSED[pattern])):
        compile_pattern(pattern)


@given(st.text(st.sampled_from("()[]{}*+?|^$\\.-,<>:=!abBdDpPuxk01" + string.ascii_letters), max_size=30))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    with contextlib.suppress(PatternError):
        compile_pattern(text).found_in("ab01" * 5)


@pytest.mark.parametrize(("pattern", "piece"), [(ENDLESS, "a"), (r"^(\w+\s?)*$", "a "), ("(.*)(.*)(.*)[^a]$", "a")])
def test_the_cost_grows_no_faster_than_the_text(pattern: str, piece: str) -> None:
    assert not slow_at(compile_pattern(pattern).found_in, piece, is_bytes=False)


def test_a_pattern_that_takes_long_is_stopped() -> None:
    pattern = compile_pattern("a.{900}b")
    assert pattern.found_in("a" * 901 + "b")
    with pytest.raises(PatternError, match="takes too long on a text of 20000 characters: bound the text by maxLength"):
        pattern.found_in("a" * 20_000)


def _fits(document: Any, value: Any) -> bool:
    schema = parse(Schema("json", json.dumps(document)))
    try:
        schema.encode(value)
    except SchemaError as error:
        assert error.code == 9597
        return False
    return True


def _places(draft: str) -> dict[str, tuple[Any, Any]]:
    """Return for each keyword that searches a schema, and a value that is never done with if `re` searches in it."""
    by_name: dict[str, Any] = {"patternProperties": {ENDLESS: {}}}
    places: dict[str, tuple[Any, Any]] = {
        "pattern": ({"pattern": ENDLESS}, LONG),
        "patternProperties": ({"patternProperties": {ENDLESS: {}, "": {"type": "string"}}}, {LONG: 1}),
        "additionalProperties": ({**by_name, "additionalProperties": False}, {LONG: 1}),
    }
    if "20" in draft:
        places["unevaluatedProperties"] = ({"allOf": [by_name], "unevaluatedProperties": False}, {LONG: 1})
    return places


@pytest.mark.parametrize("draft", DRAFTS)
def test_no_keyword_searches_without_end(draft: str) -> None:
    for schema, value in _places(draft).values():
        assert not _fits({"$schema": draft, **schema}, value)
        for inner in DRAFTS[-2:] if "allOf" in schema else DRAFTS:
            inside = {"properties": {"a": {"$schema": inner, **schema}}, "$schema": draft}
            assert not _fits(inside, {"a": value})


@pytest.mark.parametrize("draft", DRAFTS[-2:])
def test_what_is_unevaluated(draft: str) -> None:
    schema = {
        "$schema": draft,
        "$defs": {"x": {"patternProperties": {"^x": {}}}},
        "properties": {"a": {}},
        "allOf": [{"$ref": "#/$defs/x"}],
        "anyOf": [{"required": ["y"], "properties": {"y": {}}}, {"required": ["z"], "properties": {"z": {}}}, {}],
        "if": {"properties": {"a": {"const": 1}}, "required": ["a"]},
        "then": {"properties": {"t": {}}},
        "else": {"additionalProperties": {"type": "integer"}},
        "dependentSchemas": {"d": {"properties": {"d": {}, "e": {}}}},
        "unevaluatedProperties": {"type": "null"},
    }
    base = {"a": 1}
    for fits in ({"x1": 2}, {"y": 2}, {"t": 2}, {"d": 1, "e": 1}, {"other": None}, {"a": 2, "other": 5}):
        assert _fits(schema, base | fits), fits
    for misfit in ({"e": 1}, {"other": 2}, {"a": 2, "other": "b"}):
        assert not _fits(schema, base | misfit), misfit


@pytest.mark.parametrize("pattern", ["^(?!a)", r"(a)\1"])
def test_a_schema_with_what_is_not_searched_for_is_refused(pattern: str) -> None:
    schemas: list[dict[str, Any]] = [{"pattern": pattern}, {"items": {"patternProperties": {pattern: {}}}}]
    for schema in schemas:
        with pytest.raises(SchemaError, match=r"9598.*(?:look-ahead|reference back)"):
            parse(Schema("json", json.dumps(schema)))


@pytest.mark.parametrize("draft", DRAFTS)
def test_unique_items_are_compared_at_once(draft: str) -> None:
    schema = {"$schema": draft, "uniqueItems": True}
    rows: list[Any] = [{"a": n} if n % 2 else [n] for n in range(20_000)]
    for unique in (rows, [1, True, 0, False, "1", None, [1], [True], {"a": 1}, {"a": True}]):
        assert _fits(schema, unique)
        assert _fits({"$schema": draft, "enum": unique}, unique[0])
    for twice in ([1, 1.0], [{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}], [*rows, [0]]):
        assert not _fits(schema, twice)


def test_patterns_of_a_large_schema_are_read_at_once() -> None:
    patterns = [rf"[\p{{L}}\P{{Lu}}\p{{N}}{n}](a|b{n}){{99}}" for n in range(5_000)]
    assert _fits({"properties": {"a": {"patternProperties": {one: {} for one in patterns}}}}, {})
