"""What the shape of an Avro schema lets a message do to who reads it: nest without end, and count without bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DEEPEST = 100
_Named = Mapping[str, Any]


def nests(named: _Named) -> bool:
    """Tell whether values may be nested deeper than 100 types: one refers to itself, or so many to one another.

    Args:
        named: the definitions of a schema that fastavro parsed, by name.
    """
    known: dict[str, int] = {}
    try:
        return any(_depth(name, named, known) > DEEPEST for name in named)
    except RecursionError:
        return True


def _depth(name: str, named: _Named, known: dict[str, int]) -> int:
    if name not in known:
        known[name] = DEEPEST  # for whoever comes here again: it refers to itself
        known[name] = 1 + max((_depth(one, named, known) for one in _mentioned(named[name], named)), default=0)
    return known[name]


def has_empty_items(parsed: Any, named: _Named) -> bool:
    """Tell whether an array's items take no bytes, so that a message of a few bytes has any number of them."""
    known: dict[str, bool] = {}
    todo = [parsed, *named.values()]
    while todo:
        schema = todo.pop()
        if isinstance(schema, dict) and schema["type"] == "array" and _is_empty(schema["items"], named, known):
            return True
        todo += [one for one in _below(schema) if _name(one, named) is None]
    return False


def nested_deeper(value: Any, most: int) -> bool:
    """Tell whether dictionaries and lists stand in one another more than `most` times."""
    level = [value]
    for _ in range(most + 1):
        level = list({id(one): one for outer in level for one in _inside(outer)}.values())
        if not level:
            return False
    return True


def _inside(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray) else ()


def _below(schema: Any) -> list[Any]:
    """Return the types of which a type is made."""
    if isinstance(schema, list):
        return schema
    if not isinstance(schema, dict):
        return []
    kind = schema["type"]
    if kind in ("record", "error"):
        return [field["type"] for field in schema["fields"]]
    return [schema[{"array": "items", "map": "values"}[kind]]] if kind in ("array", "map") else [kind]


def _name(schema: Any, named: _Named) -> str | None:
    name = schema.get("name") if isinstance(schema, dict) else schema
    return name if isinstance(name, str) and name in named else None


def _mentioned(schema: Any, named: _Named) -> list[str]:
    found, todo = set(), _below(schema)[:]
    while todo:
        one = todo.pop()
        name = _name(one, named)
        if name is None:
            todo += _below(one)
        else:
            found.add(name)
    return sorted(found)


def _is_empty(schema: Any, named: _Named, known: dict[str, bool]) -> bool:
    name = _name(schema, named)
    if name is not None:
        if name not in known:
            known[name] = True
            known[name] = _takes_nothing(named[name], named, known)
        return known[name]
    return _takes_nothing(schema, named, known)


def _takes_nothing(schema: Any, named: _Named, known: dict[str, bool]) -> bool:
    if not isinstance(schema, dict):
        return bool(schema == "null")
    if schema["type"] == "fixed":
        return bool(schema["size"] == 0)
    if schema["type"] in ("array", "map", "enum"):
        return False
    return all(_is_empty(one, named, known) for one in _below(schema))
