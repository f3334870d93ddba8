"""Patterns of JSON Schemas: regular expressions of ECMA 262 that others wrote, at a cost that grows as the text does.

Python's `re` takes for ever over ``^(a+)+$`` and reads another language. Libraries that search in linear time (RE2, the
regex crate of Rust) read others again, in which ``\\s``, ``\\u0041`` and ``[a&&b]`` mean something else or nothing, so
that a reader of ECMA 262 has to stand before them. Behind it, a search is little code.
"""

from __future__ import annotations

from functools import lru_cache

from x07py.serialization.patterns.automaton import Pattern
from x07py.serialization.patterns.syntax import PatternError, parse

__all__ = ["Pattern", "PatternError", "compile_pattern", "parse"]


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> Pattern:
    """Return a pattern made ready to be searched for; time and memory are bounded.

    Raises:
        PatternError: it is no regular expression of ECMA 262, is too large, or has what no search in linear time can
            find: references back, look-ahead, look-behind.
    """
    return Pattern(text, parse(text))
