"""What contracts need not say: what files of x07py's own formats leave out is as the ``default`` in their schema.

Files of the reference's formats have to say everything, and nothing is filled in for them.
"""

from __future__ import annotations

import re
from typing import Any

from x07py.contracts.schemas import is_shipped, load_schema

OWN = "x07py.arch."
"""How the names of x07py's own formats begin."""
POLICY_ID = "msg_rr_v1"
"""The record/replay policy that is meant where none is named; without an index of policies it is built in."""
_TOPICS, _POLICIES = "x07py.arch.msg.index", "x07py.arch.rr.index"
_BUDGET = re.compile(r"msg_([a-z0-9_]+)_v1")
_FULL = {
    "alloc_bytes": 67_108_864,
    "alloc_calls": 200_000,
    "fuel": 0,
    "memcpy_bytes": 268_435_456,
    "mode": "result_err_v1",
    "realloc_calls": 60_000,
    "sched_ticks": 2_000_000,
}
_HALF = {"alloc_bytes": 33_554_432, "alloc_calls": 100_000, "memcpy_bytes": 134_217_728, "realloc_calls": 30_000}
CORE_BUDGET = "msg_core_v1"


def built_in_budget(budget_id: str) -> dict[str, Any] | None:
    """Return a budget that a project without an index of budgets has, None for an id that is not built in.

    There is ``msg_core_v1``, and ``msg_KIND_v1`` for connections of each kind.
    """
    kind = _BUDGET.fullmatch(budget_id)
    if kind is None:
        return None
    smaller: dict[str, Any] = {**_HALF, "sched_ticks": 500_000} if budget_id == CORE_BUDGET else {}
    return {**_FULL, **smaller, "label": f"msg.{kind[1]}.v1"}


def policy_index(*ids: str) -> dict[str, Any]:
    """Return an index of policies that are as the built-in one."""
    return filled({"schema_version": f"{_POLICIES}@0.1.0", "policies": [{"id": name} for name in ids]})


def policy_document(policy_id: str) -> dict[str, Any]:
    """Return the policy that is meant by an id alone."""
    return filled({"schema_version": "x07py.arch.rr.policy@0.1.0", "id": policy_id})


def sanitizer_document(sanitizer_id: str) -> dict[str, Any]:
    """Return the sanitizer that is meant by an id alone."""
    return filled({"schema_version": "x07py.arch.rr.sanitize@0.1.0", "id": sanitizer_id})


def filled(document: dict[str, Any]) -> dict[str, Any]:
    """Return a contract with what it leaves out; one of the reference's formats as it is.

    The editor's ``$schema`` is no part of what it says. What does not fit the schema is left for the reader to refuse.
    """
    name = _format(document)
    if name is None:
        return document
    found: dict[str, Any] = _fill(document, load_schema(name))
    found.pop("$schema", None)
    for place, rows in found.items() if name == _TOPICS else ():
        if place != "topics" and isinstance(rows, list):
            found[place] = [
                {"rr_policy_id": found["rr_policy_id"], **row} if isinstance(row, dict) else row for row in rows
            ]
    return found


def shortest(document: dict[str, Any]) -> dict[str, Any]:
    """Return a contract without what is meant anyway; time is linear in it."""
    name = _format(document)
    found: dict[str, Any] = document if name is None else _cut(document, load_schema(name))
    return found


def every_field(section: dict[str, Any]) -> dict[str, Any]:
    """Return ``contracts_v1`` of a manifest with every field, as the reference's manifest has to have it."""
    found: dict[str, Any] = _fill(section, load_schema("x07py.arch.manifest")["properties"]["contracts_v1"])
    return found


def _format(document: dict[str, Any]) -> str | None:
    name = str(document.get("schema_version", "")).partition("@")[0]
    return name if name.startswith(OWN) and is_shipped(name) else None


def _fill(value: Any, schema: dict[str, Any]) -> Any:
    if isinstance(value, list) and "items" in schema:
        return [_fill(one, schema["items"]) for one in value]
    if not isinstance(value, dict):
        return value
    found = dict(value)
    for name, rule in schema.get("properties", {}).items():
        if name in value:
            found[name] = _fill(value[name], rule)
        elif "default" in rule:
            from copy import deepcopy

            found[name] = _fill(deepcopy(rule["default"]), rule)
    for pattern, rule in schema.get("patternProperties", {}).items():
        for name in value.keys() - schema.get("properties", {}).keys():
            found[name] = _fill(value[name], rule) if re.search(pattern, name) else value[name]
    return found


def _cut(value: Any, schema: dict[str, Any]) -> Any:
    if isinstance(value, list) and "items" in schema:
        return [_cut(one, schema["items"]) for one in value]
    if not isinstance(value, dict):
        return value
    rules = schema.get("properties", {})
    found = {name: _cut(one, rules.get(name, {})) for name, one in value.items()}
    return {name: one for name, one in found.items() if one != rules.get(name, {}).get("default", _NOTHING)}


_NOTHING = object()
