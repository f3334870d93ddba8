"""One self-contained page about a cassette, or two side by side: time line, list, search, every field decoded.

The page draws only the rows that are visible, and the time line on a canvas, so scrolling costs the same for every
cassette; the file grows with the decoded text. A table that holds all rows lost: the browser lays out every one.
"""

from __future__ import annotations

import difflib
import html
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from x07py.rr.report import describe_entry

if TYPE_CHECKING:
    from x07py.rr.cassette import Cassette
    from x07py.rr.entry import Entry

_ACKS = ("ack", "nack", "reject", "commit")
_SHOWN = 100


def page(name: str, cassette: Cassette, other_name: str = "", other: Cassette | None = None) -> str:
    """Return the page.

    Args:
        name: what the cassette is called.
        cassette: the cassette; the older one if there are two.
        other_name: what the other one is called.
        other: a cassette to show beside the first, aligned by operation, request and answer.
    """
    data = {
        "name": name,
        "otherName": other_name,
        "entries": rows_of(cassette),
        "other": rows_of(other) if other else [],
        "pairs": pairs_of(cassette, other) if other else None,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    template = resources.files(__package__).joinpath("view.html").read_text(encoding="utf-8")
    head, _, tail = template.partition("@DATA@")
    title = html.escape(f"{name} and {other_name}" if other else name)
    return head.replace("@TITLE@", title) + text + tail


def rows_of(cassette: Cassette) -> list[dict[str, Any]]:
    """Return what page and terminal show of each entry: number, op, name, type, lane, text, facts, parts."""
    return [_row(describe_entry(number, entry)) for number, entry in enumerate(cassette.entries)]


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what the page shows of an entry as `describe_entry` describes it."""
    response = entry["response"]
    message = next((part for part in (_envelope(response), entry["request"]) if _is_envelope(part)), None)
    name = entry["op"].removesuffix("_v1").rpartition(".")[2]
    facts = {key: entry[key] for key in ("kind", "key", "scope", "err", "latency_ticks", "req_sha256") if entry[key]}
    parts = _message_parts(message) if message else [["request", _as_fields(entry["request"])]]
    if not message or entry["err"]:
        parts.append(["error" if entry["err"] else "response", _as_fields(response)])
    if entry["meta"]:
        parts.append(["metadata", _as_fields(entry["meta"])])
    return {
        "number": entry["number"],
        "op": entry["op"],
        "name": name.removesuffix("_env"),
        "type": _type(name, response, failed=bool(entry["err"])),
        "lane": entry["scope"] or (message["topic"] if message else ""),
        "text": _summary(message, response, entry),
        "facts": facts,
        "parts": parts,
    }


def _message_parts(message: dict[str, Any]) -> list[list[Any]]:
    fields = {name: value for name, value in message.items() if name != "headers"}
    return [["envelope", fields], *([["headers", message["headers"]]] if message["headers"] else [])]


def _envelope(response: Any) -> Any:
    return response.get("envelope") if isinstance(response, dict) else None


def _is_envelope(part: Any) -> bool:
    return isinstance(part, dict) and "topic" in part and "headers" in part


def _as_fields(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"text": value}


def _type(name: str, response: Any, *, failed: bool) -> str:
    if failed:
        return "error"
    operation = response.get("operation") if isinstance(response, dict) else None
    if operation in ("publish", "deliver"):
        return str(operation)
    return "ack" if name.startswith(_ACKS) else "other"


def _summary(message: dict[str, Any] | None, response: Any, entry: dict[str, Any]) -> str:
    if message is None:
        shown = response if entry["err"] else entry["request"]
        return _short(shown)
    key = f"{_short(message['key'])} " if message["key"] else ""
    return f"{key}{_short(message['value'])}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def pairs_of(old: Cassette, new: Cassette) -> list[tuple[int | None, int | None, bool]]:
    """Return the numbers of entries that stand beside each other, and whether they are alike."""
    before, after = ([_identity(entry) for entry in one.entries] for one in (old, new))
    pairs: list[tuple[int | None, int | None, bool]] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for step in range(max(i2 - i1, j2 - j1)):
            left, right = i1 + step, j1 + step
            pairs.append((left if left < i2 else None, right if right < j2 else None, tag == "equal"))
    return pairs


def _identity(entry: Entry) -> tuple[object, ...]:
    return (entry.kind, entry.op, entry.key, entry.scope, entry.err, entry.req, entry.resp)
