"""Patterns in JSON Schemas, which come from a checkout: only those that cost little are searched for."""

from __future__ import annotations

import re

_ATOM = r"(?:[^\\.\[\](){}*+?^$|]|\\[dDwWsS\W]|\.|\[\^?[^\\\[\]]+\])"
_PLAIN = re.compile(rf"\^?(?:{_ATOM}(?:[*+?]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})?+)*+\$?")
_REPEATING = "*+?{"
_MOST_REPEATING = 2
_LONGEST_NAME, _LONGEST_PATTERN = 200, 1000


class UnshownError(Exception):
    """What cannot be shown, with the place in the document."""


def fits(pattern: str, name: str) -> bool:
    """Tell whether a pattern is found in the name of a property, or in a text.

    Raises:
        UnshownError: the pattern is none that is searched for: it has groups, alternatives, or more than two
            repetitions, of which a few are enough for a search that does not end; or the text is longer than 200.
    """
    is_plain = len(pattern) <= _LONGEST_PATTERN and _PLAIN.fullmatch(pattern) is not None
    if is_plain and sum(map(pattern.count, _REPEATING)) <= _MOST_REPEATING and len(name) <= _LONGEST_NAME:
        try:
            return re.search(pattern, name) is not None
        except re.error:
            pass
    raise UnshownError(f"names and values are not compared with the pattern {pattern[:60]!r}")
