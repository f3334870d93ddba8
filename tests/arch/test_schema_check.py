"""The quick look at a document never says that it fits where the library says that it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.arch.trees import CONTRACTS, manifest, node
from tests.support.project import EXAMPLE
from x07py.contracts.schema_check import surely_fits
from x07py.contracts.schemas import load_schema

RULES = [
    {"kind": "deps_v1", "id": "r", "from": "a", "to": ["b"], "mode": "deny"},
    {"kind": "layers_v1", "id": "r", "layers": ["a"], "direction": "down"},
    {"kind": "deny_cycles_v1", "id": "r", "scope": "nodes"},
]
WHOLE = manifest(node("a", contracts={"smoke_entry": "f"}), node("b"), rules=RULES, contracts_v1=CONTRACTS)
ANY: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=False), st.text(max_size=4), st.just([])
)


def documents() -> list[Any]:
    paths = sorted(EXAMPLE.glob("arch/**/*.json"))
    return [WHOLE, *(json.loads(path.read_text()) for path in paths)]


def schema_of(document: dict[str, Any]) -> dict[str, Any]:
    return load_schema(document["schema_version"].partition("@")[0])


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a document with each key or index of it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in pairs for place in ((value, key), *places(inner))]


@pytest.mark.parametrize("index", range(len(documents())))
def test_documents_that_fit(index: int) -> None:
    document = documents()[index]
    assert Draft202012Validator(schema_of(document)).is_valid(document)
    assert surely_fits(document, schema_of(document))


@given(st.data())
def test_it_never_says_yes_alone(data: st.DataObject) -> None:
    document = json.loads(json.dumps(data.draw(st.sampled_from(documents()))))
    schema = schema_of(document)
    for _ in range(data.draw(st.integers(1, 2))):
        container, key = data.draw(st.sampled_from(places(document)))
        action = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "remove":
            del container[key]
        elif action == "add" and isinstance(container, dict):
            container["more"] = data.draw(ANY)
        else:
            container[key] = data.draw(ANY)
    assert surely_fits(document, schema) <= Draft202012Validator(schema).is_valid(document)


def test_what_it_does_not_know_is_left_to_the_library() -> None:
    assert not surely_fits(1, {"not": {"type": "string"}})
    assert not surely_fits(1.0, {"type": "integer"})
    assert not surely_fits(None, {"type": ["null", "string"]})
    assert not surely_fits(1, {"const": 1})
