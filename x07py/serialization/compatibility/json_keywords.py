"""What single keywords of JSON Schema say: which types they speak of, and which bound follows from which."""

from __future__ import annotations

import json
from typing import Any

NUMBERS = frozenset({"integer", "number"})
"""``number`` means one with a fraction here, so that an integer is a type beside it."""
TYPES: frozenset[str] = frozenset({"array", "boolean", "null", "object", "string"}) | NUMBERS
IGNORED = {
    *("$schema", "$id", "id", "$comment", "$anchor", "$defs", "definitions", "title", "description", "default"),
    *("examples", "format", "readOnly", "writeOnly", "deprecated", "contentEncoding", "contentMediaType"),
    *("contentSchema", "$ref", "allOf"),
}
"""Remarks, and what is followed before keywords are looked at."""
_OBJECT, _ARRAY, _TEXT = frozenset({"object"}), frozenset({"array"}), frozenset({"string"})
SPEAKS_OF: dict[str, frozenset[str]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), NUMBERS),
    **dict.fromkeys(("minLength", "maxLength", "pattern"), _TEXT),
    **dict.fromkeys(("items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"), _ARRAY),
    **dict.fromkeys(("contains", "minContains", "maxContains", "unevaluatedItems"), _ARRAY),
    **dict.fromkeys(("properties", "patternProperties", "additionalProperties", "required"), _OBJECT),
    **dict.fromkeys(("minProperties", "maxProperties", "propertyNames", "dependencies"), _OBJECT),
    **dict.fromkeys(("dependentRequired", "dependentSchemas", "unevaluatedProperties"), _OBJECT),
}
PLAIN = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"} | {
    *("pattern", "minItems", "maxItems", "uniqueItems", "required", "minProperties", "maxProperties")
}
"""Keywords that hold no schema, so that a value can be tried on one of them alone."""
_GROUPS = (("contains", "minContains", "maxContains"), ("if", "then", "else"))
"""Keywords of which the first says nothing without the others, and these nothing without it."""
_LEAST = {"minLength", "minItems", "minProperties"}
_MOST = {"maxLength", "maxItems", "maxProperties"}


def words(value: Any) -> str:
    """Return JSON with its keys in order, which is the same for what is the same."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def refers(value: Any) -> bool:
    """Tell whether a reference stands in a schema, which may lead to something else in another file."""
    text = words(value)
    return any(f'"{one}"' in text for one in ("$ref", "$dynamicRef", "$recursiveRef"))


def named_types(types: Any) -> frozenset[str]:
    """Return the types that the keyword ``type`` allows."""
    names = {types} if isinstance(types, str) else set(types)
    return frozenset(names | NUMBERS if "number" in names else names)


def types_of(value: Any) -> frozenset[str]:
    """Return the types that a value may count as."""
    if isinstance(value, float):
        return NUMBERS if value.is_integer() else frozenset({"number"})
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object", type(None): "null"}
    return frozenset({kinds[type(value)]})


def group_of(keyword: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a keyword means together with: its group, of ``unevaluated...`` the whole schema without remarks."""
    if keyword.startswith("unevaluated"):
        return {name: rule for name, rule in schema.items() if name not in IGNORED or name in {"$ref", "allOf"}}
    group = next((one for one in _GROUPS if keyword in one), (keyword,))
    return {name: schema[name] for name in group if name in schema} if group[0] in schema else {}


def bound_follows(keyword: str, bound: Any, older: dict[str, Any]) -> bool:
    """Tell whether a keyword without schemas follows from those of another schema."""
    if keyword in older and words(older[keyword]) == words(bound):
        return True
    match keyword:
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            return _edge_follows(keyword, bound, older)
        case "multipleOf":
            step = older.get("multipleOf", 1 if older.get("type") == "integer" else None)
            return isinstance(step, int) and isinstance(bound, int) and not step % bound
        case "uniqueItems":
            return bound is False
        case "minProperties":
            return bool(max(older.get(keyword, 0), len(set(older.get("required", ())))) >= bound)
    if keyword in _LEAST:
        return bool(older.get(keyword, 0) >= bound)
    return keyword in _MOST and keyword in older and bool(older[keyword] <= bound)


def _edge_follows(keyword: str, bound: Any, older: dict[str, Any]) -> bool:
    """An edge of draft 4, whose exclusive edges are true or false beside it, has to stay as it is."""
    lower = keyword in {"minimum", "exclusiveMinimum"}
    closed = older.get("minimum" if lower else "maximum")
    opened = older.get("exclusiveMinimum" if lower else "exclusiveMaximum")
    if any(isinstance(one, bool) for one in (bound, closed, opened)):
        return False
    sign = 1 if lower else -1
    if opened is not None and sign * opened >= sign * bound:
        return True
    if closed is None:
        return False
    beyond = sign * (closed - bound)
    return bool(beyond > 0 or (beyond == 0 and not keyword.startswith("exclusive")))
