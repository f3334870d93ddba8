"""The one reading of JSON that others may have made: nested so deep that nothing overflows, here or later."""

from __future__ import annotations

import json
from typing import Any

DEPTH = 200
"""How deep lists and objects may be nested; what walks through them takes a few frames of the stack a level."""
_TOO_DEEP = f"it is nested more than {DEPTH} deep"


def load_json(text: str | bytes | bytearray, **options: Any) -> Any:
    """Return what JSON states, as `json.loads` does.

    Args:
        text: the JSON; bytes are UTF-8, UTF-16 or UTF-32.
        options: those of `json.loads`.

    Raises:
        ValueError: it is no JSON, or is nested deeper than `DEPTH`.
    """
    try:
        document = json.loads(text, **options)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    brackets = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if text.count(brackets[0]) + text.count(brackets[1]) > DEPTH and _is_deeper(document):  # type: ignore[arg-type]
        raise ValueError(_TOO_DEEP)
    return document


def _is_deeper(document: Any) -> bool:
    level = [document]
    for _ in range(DEPTH + 1):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.values()
            elif isinstance(one, list):
                below += one
        if not below:
            return False
        level = below
    return True
