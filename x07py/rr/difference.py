"""How two requests differ, field by field, in words that a person can act on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from x07py.errors import EnvelopeError
from x07py.files import load_json
from x07py.msg import Envelope
from x07py.printing import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SHOWN = 120
_BEFORE = 30
_MOST_FIELDS = 12
_MOST_DEPTH = 50


def describe_difference(recorded: bytes, asked: bytes, *, leave_out: Callable[[str], bool] = lambda _: False) -> str:
    """Return one line for each field in which two requests differ: ``-`` what was recorded, ``+`` what was asked for.

    Requests that are envelopes are compared by topic, key, value and header, JSON values field by field; others as
    bytes. Of a long value the part that differs is shown.

    Args:
        recorded: the older request.
        asked: the newer one.
        leave_out: whether a header of this name is left out.
    """
    try:
        old, new = Envelope.decode(recorded), Envelope.decode(asked)
    except EnvelopeError:
        return _lines("request", recorded, asked)
    parts = [_lines(name, getattr(old, name), getattr(new, name)) for name in ("topic", "key")]
    parts += _value_lines(old.value, new.value)
    for name in sorted(old.headers.keys() | new.headers.keys()):
        if not leave_out(name):
            parts.append(_lines(f"header {escaped(name)}", old.headers.get(name), new.headers.get(name)))
    return "\n".join(part for part in parts if part)


def _value_lines(old: bytes, new: bytes) -> list[str]:
    if old == new:
        return []
    before, after = _json(old), _json(new)
    if before is None or after is None:
        return [_lines("value", old, new)]
    fields = list(json_differences(before[0], after[0]))
    if not fields:
        return [_lines("value", old, new)]
    shown = [_lines(f"value {escaped(path)}", _text(one), _text(other)) for path, one, other in fields[:_MOST_FIELDS]]
    return [*shown, *([f"  and {len(fields) - _MOST_FIELDS} more fields"] if len(fields) > _MOST_FIELDS else [])]


def json_differences(old: Any, new: Any, path: str = "$", depth: int = 0) -> Iterator[tuple[str, Any, Any]]:
    """Yield path (RFC 9535), old and new value for each place in which two JSON values differ; absent ones are None."""
    if depth < _MOST_DEPTH and isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            step = f".{name}" if name.isidentifier() else f"[{json.dumps(name, ensure_ascii=False)}]"
            yield from json_differences(old.get(name), new.get(name), path + step, depth + 1)
    elif depth < _MOST_DEPTH and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from json_differences(one, other, f"{path}[{number}]", depth + 1)
    elif old != new or type(old) is not type(new):
        yield path, old, new


def _json(data: bytes) -> tuple[Any] | None:
    try:
        return (load_json(data),)
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _lines(name: str, old: bytes | str | None, new: bytes | str | None) -> str:
    if old == new:
        return ""
    before, after = _printable(old), _printable(new)
    start = _first_difference(before, after)
    return f"  {name}\n    - {_part(before, start, old)}\n    + {_part(after, start, new)}"


def _printable(value: bytes | str | None) -> str:
    if value is None:
        return "(absent)"
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _first_difference(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _part(text: str, start: int, value: bytes | str | None) -> str:
    """Return the part of a long text around the place where it begins to differ."""
    if len(text) <= _SHOWN:
        return text
    first = max(0, min(start - _BEFORE, len(text) - _SHOWN))
    unit = "bytes" if isinstance(value, bytes) else "characters"
    size = f" ({len(value)} {unit})" if value is not None else ""
    return f"{'…' if first else ''}{text[first : first + _SHOWN]}{'…' if first + _SHOWN < len(text) else ''}{size}"
