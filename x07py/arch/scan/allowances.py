"""Comments that allow what a line reaches: ``# x07: allow clock, files -- reason``."""

from __future__ import annotations

import io
import re
from typing import TypeAlias

Allowance: TypeAlias = tuple[int, int, tuple[str, ...], str]
"""A comment's line, the line that it speaks of, what it allows there (sorted), and the reason, empty if it has none."""

_WORD = "x07:"
_COMMENT = re.compile(r"#\s*x07:\s*allow\b(?P<what>.*?)(?:\s--(?P<reason>.*))?$")


def allowances(text: str) -> tuple[Allowance, ...]:
    """Return the allowances of a module; those behind an open string or bracket are none.

    A comment behind code speaks of its own line, one that has a line to itself of the next line.

    Args:
        text: the module's source with ``\\n`` line ends.
    """
    if _WORD not in text:
        return ()
    import tokenize

    found: list[Allowance] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            match = _COMMENT.match(token.string) if token.type == tokenize.COMMENT else None
            if match is not None:
                line, column = token.start
                alone = not token.line[:column].strip()
                what = sorted({one.strip() for one in match["what"].split(",")} - {""})
                found.append((line, line + alone, tuple(what), (match["reason"] or "").strip()))
    except (SyntaxError, tokenize.TokenError):
        pass
    return tuple(found)


def allows(allowed: tuple[str, ...], capability: str) -> bool:
    """Tell whether a comment's words hold a capability; ``files`` stands for reading and for writing them."""
    return capability in allowed or (capability.startswith("files-") and "files" in allowed)
