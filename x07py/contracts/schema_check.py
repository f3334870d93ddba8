"""Whether a document fits its schema, without the library that says in which ways it does not.

That library takes longer to import than a whole check, and most documents fit. Only the keywords that the shipped
schemas use are known here; what is in doubt (another keyword, a number with a fraction) counts as not fitting, and the
library has the last word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
_PASSED = {"$schema", "default", "description", "title", "properties", "patternProperties", "additionalProperties"}
"""Remarks, and what is looked at when all else fits."""


class _DoubtError(Exception):
    """The library has to decide."""


def surely_fits(document: Any, schema: dict[str, Any]) -> bool:
    """Tell whether a document fits a schema for sure; time is linear in the document for each alternative."""
    try:
        return _fits(document, schema)
    except _DoubtError:
        return False


def _fits(document: Any, schema: dict[str, Any]) -> bool:
    if isinstance(document, float):
        raise _DoubtError
    for name, rule in schema.items():
        if name in _PASSED:
            continue
        if name not in _CHECKS or (name == "type" and str(rule) not in _TYPES):
            raise _DoubtError
        kind, check = _CHECKS[name]
        if (kind is None or type(document) is kind) and not check(document, rule):
            return False
    return type(document) is not dict or _members_fit(document, schema)


def _members_fit(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    patterns = schema.get("patternProperties", {})
    for name, value in document.items():
        rules = [rule for pattern, rule in patterns.items() if re.search(pattern, name)]
        rules += [known[name]] if name in known else []
        for rule in rules or [others]:
            if rule is False or (rule is not True and not _fits(value, rule)):
                return False
    return True


def _same(document: Any, constant: Any) -> bool:
    """Tell whether a value is a constant; of other constants than text, equality has corners."""
    if not isinstance(constant, str):
        raise _DoubtError
    return type(document) is str and document == constant


_CHECKS: dict[str, tuple[type | None, Callable[[Any, Any], bool]]] = {
    "type": (None, lambda document, rule: type(document) is _TYPES[rule]),
    "const": (None, _same),
    "enum": (None, lambda document, rule: any(_same(document, one) for one in rule)),
    "oneOf": (None, lambda document, rule: sum([_fits(document, one) for one in rule]) == 1),
    "required": (dict, lambda document, rule: document.keys() >= set(rule)),
    "items": (list, lambda document, rule: all(_fits(one, rule) for one in document)),
    "minItems": (list, lambda document, rule: len(document) >= rule),
    "maxItems": (list, lambda document, rule: len(document) <= rule),
    "minLength": (str, lambda document, rule: len(document) >= rule),
    "maxLength": (str, lambda document, rule: len(document) <= rule),
    "pattern": (str, lambda document, rule: re.search(rule, document) is not None),
    "minimum": (int, lambda document, rule: document >= rule),
    "maximum": (int, lambda document, rule: document <= rule),
}
"""For each keyword the type of value that it speaks of (None for all), and whether a value meets it."""
