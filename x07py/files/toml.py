"""TOML of a checkout."""

from __future__ import annotations

import re
from typing import Any

_MOST_PARTS = 100
_LONG_KEY = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{_MOST_PARTS}}}""", re.ASCII
)
_ROW = re.compile(r"[^\n]*\n|[^\n]+")


def parse_toml(text: str) -> dict[str, Any]:
    """Return a TOML document; `tomllib` needs time and memory that grow as the square of a key's parts.

    Raises:
        ValueError: it is no TOML, or has a key of more than 100 parts.
        RecursionError: its values are nested too deeply.
    """
    import tomllib

    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {_MOST_PARTS} parts")
    return tomllib.loads(text)


def line_end(text: str) -> str:
    r"""Return what most lines of a text end with, ``\n`` or ``\r\n``."""
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def with_line_ends_of(before: str, after: str) -> str:
    """Return the text `after` with every line that `before` lacks ending as those of `before` do."""
    from difflib import SequenceMatcher

    end, old, new = line_end(before), _ROW.findall(before), _ROW.findall(after)
    rows = []
    for code, _, _, start, stop in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        changed = new[start:stop] if code != "equal" else []
        rows += [row.rstrip("\r\n") + end if row.endswith("\n") else row for row in changed] or new[start:stop]
    return "".join(rows)
