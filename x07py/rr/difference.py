"""How two requests differ, field by field, in words that a person can act on."""

from __future__ import annotations

from x07py.errors import EnvelopeError
from x07py.msg import Envelope

_SHOWN = 120


def describe_difference(recorded: bytes, asked: bytes) -> str:
    """Return one line for each field in which two requests differ: ``-`` what was recorded, ``+`` what was asked for.

    Requests that are envelopes are compared by topic, key, value and header; others as bytes.
    """
    try:
        old, new = Envelope.decode(recorded), Envelope.decode(asked)
    except EnvelopeError:
        return _lines("request", _show(recorded), _show(asked))
    parts = [
        _lines(name, _show(getattr(old, name)), _show(getattr(new, name)))
        for name in ("topic", "key", "value")
        if getattr(old, name) != getattr(new, name)
    ]
    for name in sorted(old.headers.keys() | new.headers.keys()):
        before, after = old.headers.get(name), new.headers.get(name)
        if before != after:
            parts.append(_lines(f"header {name}", _show(before), _show(after)))
    return "\n".join(parts)


def _lines(name: str, old: str, new: str) -> str:
    return f"  {name}\n    - {old}\n    + {new}"


def _show(value: bytes | str | None) -> str:
    if value is None:
        return "(absent)"
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    printable = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: _SHOWN + 1])
    return printable if len(text) <= _SHOWN else f"{printable[:_SHOWN]}... ({len(value)} bytes)"
