"""TOML of a checkout."""

from __future__ import annotations

import re
import tomllib
from typing import Any

_MOST_PARTS = 100
_LONG_KEY = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{_MOST_PARTS}}}""", re.ASCII
)


def parse_toml(text: str) -> dict[str, Any]:
    """Return a TOML document; `tomllib` needs time and memory that grow as the square of a key's parts.

    Raises:
        ValueError: it is no TOML, or has a key of more than 100 parts.
        RecursionError: its values are nested too deeply.
    """
    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {_MOST_PARTS} parts")
    return tomllib.loads(text)
