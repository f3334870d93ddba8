"""Lines that a program's author can add where a mismatch looks like a clock, an identifier, a counter or a process."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from x07py.files import load_json
from x07py.rr.difference import json_differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.msg import Envelope

_IDENTIFIER = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[0-9A-Fa-f]{16,}")
_TOKEN = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_=-]{16,}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?|\d\d:\d\d:\d\d.*|\w{3}, \d\d \w{3} \d{4} .*")
_COUNTING = re.compile(
    r"(.*[_-])?(n|no|nr|num|number|seq|sequence|counter|pid|id|attempt|version|index)", re.IGNORECASE
)
_TICKS = ((1e9, 4e9), (1e12, 4e12), (1e15, 4e15), (1e18, 4e18))
"""Seconds, milliseconds, microseconds and nanoseconds of the years 2001 to 2096."""


def lines_to_add(recorded: Envelope, asked: Envelope) -> list[str]:
    """Return what to add to the marker or the call of `use_cassette` so that facts of the run may differ.

    Args:
        recorded: the recorded message.
        asked: the program's, with recorded content where that may differ already.
    """
    rules: dict[str, list[str]] = {}
    reasons: dict[str, list[str]] = {}
    for name, place, reason in _found(recorded, asked):
        if place not in rules.setdefault(name, []):
            rules[name].append(place)
            reasons.setdefault(name, []).append(f"{place} looks like {reason}")
    flags = {"ignore_fields": "--ignore-field", "ignore_headers": "--ignore-header", "capture": "--capture"}
    return [
        f"add {name}={json.dumps(places, ensure_ascii=False)}  ({', '.join(reasons[name])}; "
        f"with rr exec: {' '.join(f'{flags[name]} {_quoted(place)}' for place in places)})"
        for name, places in rules.items()
    ]


def _found(recorded: Envelope, asked: Envelope) -> Iterator[tuple[str, str, str]]:
    """Yield the argument, the place and the reason of everything that looks like a fact of the run."""
    before, after = _json(recorded.value), _json(asked.value)
    if before is not None and after is not None:
        for path, old, new in json_differences(before[0], after[0]):
            reason = _reason(old, new, path.rpartition(".")[2])
            if reason == "an identifier":
                yield "capture", path, reason
            elif reason:
                yield "ignore_fields", path, reason
    if recorded.key != asked.key:
        reason = _reason(recorded.key.decode("utf-8", "replace"), asked.key.decode("utf-8", "replace"), "key")
        if reason:
            yield "capture", "key", reason
    for name, text in recorded.headers.items():
        if name in asked.headers and asked.headers[name] != text:
            reason = _reason(text, asked.headers[name], name)
            if reason == "an identifier":
                yield "capture", f"headers.{name}", reason
            else:
                yield "ignore_headers", name, reason or "a header that is another in every run"


def _reason(old: Any, new: Any, name: str) -> str:
    """Return what two values look like, or nothing."""
    if isinstance(old, str) and isinstance(new, str):
        return _reason_of_texts(old, new)
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (old, new))
    if not numbers:
        return ""
    if any(low <= old < high and low <= new < high for low, high in _TICKS):
        return "a time"
    if new == os.getpid():
        return "a process id"
    return "a counter" if isinstance(old, int) and isinstance(new, int) and _COUNTING.fullmatch(name) else ""


def _reason_of_texts(old: str, new: str) -> str:
    if _TIME.fullmatch(old) and _TIME.fullmatch(new):
        return "a time"
    if old.isdecimal() and new.isdecimal() and any(low <= int(old) < high for low, high in _TICKS):
        return "a time"
    if _IDENTIFIER.fullmatch(old) and _IDENTIFIER.fullmatch(new):
        return "an identifier"
    if len(old) == len(new) and _TOKEN.fullmatch(old) and _TOKEN.fullmatch(new):
        return "an identifier"
    if str(os.getpid()) in re.findall(r"\d+", new) and re.sub(r"\d+", "0", old) == re.sub(r"\d+", "0", new):
        return "a process id"
    if _IDENTIFIER.search(old) and _IDENTIFIER.sub("", old) == _IDENTIFIER.sub("", new):
        return "an identifier"
    return ""


def _quoted(place: str) -> str:
    return place if re.fullmatch(r"[\w.-]+", place) else "'" + place.replace("'", "'\\''") + "'"


def _json(value: bytes) -> tuple[Any] | None:
    try:
        return (load_json(value),)
    except (ValueError, RecursionError):
        return None
