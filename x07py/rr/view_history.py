"""What the page shows of a history that an exploration has kept: the lives of the program, faults, and what it did."""

from __future__ import annotations

from typing import Any

from x07py.files import load_json
from x07py.printing import escaped

_OPS = "x07.explore."
FINDING = "finding"
_TYPES = {"acked": "ack", "committed": "ack", "nacked": "nack", "not committed": "nack", "aborted": "nack"}


def shown_of_history(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what of a row is shown otherwise than for other entries; nothing if no exploration has written it.

    Args:
        entry: as `describe_entry` describes it.
    """
    meta = entry["meta"] if isinstance(entry["meta"], dict) else {}
    process = meta.get("process")
    if not entry["op"].startswith(_OPS):
        return {"outcome": f"by {escaped(process)}"} if isinstance(process, str) else {}
    if not isinstance(process, str):
        finding = _text(entry["response"])
        parts = [["history", {"what is wrong": finding}], ["schedule", _fields(entry["request"])]]
        return {
            "name": FINDING,
            "type": "error",
            "lane": FINDING,
            "place": "",
            "value": finding,
            "text": finding,
            "parts": parts,
        }
    request = _fields(entry["request"])
    process, what, facts = escaped(process), escaped(str(request.get("what", ""))), request.get("facts")
    told = escaped(str(_fields(entry["response"]).get("told", "")))
    kind = entry["op"].removeprefix(_OPS).removesuffix("_v1")
    of_fault = facts if kind == "fault" and isinstance(facts, list) and len(facts) > 1 else ["", ""]
    said = told.removeprefix("!   ").removeprefix(f"{process} ") or what
    return {
        "name": what,
        "type": kind if kind in {"life", "fault"} else _TYPES.get(what, "other"),
        "lane": process,
        "place": process,
        "spot": escaped(str(of_fault[0])),
        "key": escaped(str(of_fault[1])),
        "value": said,
        "text": said,
        "parts": [["history", {"what happened": told or f"{process} {what}"}], ["facts", request]],
    }


def _text(part: Any) -> str:
    if isinstance(part, dict):
        part = part.get("text", "")
    return escaped(part if isinstance(part, str) else str(part))


def _fields(part: Any) -> dict[str, Any]:
    """Return the object that a text holds; what is none is shown as it is."""
    if isinstance(part, dict) and "text" not in part:
        return part
    try:
        found = load_json(_text(part))
    except ValueError:
        return {"text": _text(part)}
    return found if isinstance(found, dict) else {"text": _text(part)}
