"""Every property of every schema says what it means: editors show it, and the site's page of files is made of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.project import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS = sorted((REPOSITORY / "schemas").glob("*.schema.json"))


def silent(schema: Any, place: str = "") -> Iterator[str]:
    """Yield the place of each property that says nothing; a reference is described where it leads."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        for name, rule in properties.items() if isinstance(properties, dict) else ():
            if isinstance(rule, dict) and "$ref" not in rule and not str(rule.get("description", "")).endswith("."):
                yield f"{place}/{name}"
        for name, part in schema.items():
            yield from silent(part, f"{place}/{name}")
    elif isinstance(schema, list):
        for part in schema:
            yield from silent(part, place)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name.removesuffix(".schema.json"))
def test_every_property_is_described(path: Any) -> None:
    assert list(silent(json.loads(path.read_text(encoding="utf-8")))) == []


def test_there_are_schemas() -> None:
    assert len(SCHEMAS) > 40
    assert list(silent({"properties": {"a": {"properties": {"b": {}}}}})) == ["/a", "/properties/a/b"]
