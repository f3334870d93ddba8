"""Sets of characters as sorted ranges of code points."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]
"""First and last code points, sorted, with something left out between two of them."""
_LAST = 0x10FFFF


def united(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return ranges sorted and joined where they touch."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


@lru_cache(maxsize=128)
def others(ranges: Ranges) -> Ranges:
    """Return what ranges leave out."""
    edges = [-1, *chain.from_iterable(ranges), _LAST + 1]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return tuple((last + 1, first - 1) for last, first in gaps if last + 1 <= first - 1)


def of(text: str) -> Ranges:
    """Return the characters of a text."""
    return united((ord(one), ord(one)) for one in text)


DIGITS: Ranges = ((0x30, 0x39),)
WORDS: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACES = united([(0x09, 0x0D), *of(" \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"), (0x2000, 0x200A)])
"""``\\s`` of ECMA 262: white space and ends of lines."""
ANY_OF_LINE = others(of("\n\r\u2028\u2029"))


@cache
def category(name: str) -> Ranges | None:
    """Return the characters of a general category (``L``, ``Lu``), None if there is no such category."""
    return united(chain.from_iterable(one for key, one in _categories().items() if key.startswith(name))) or None


@cache
def _categories() -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    names = [unicodedata.category(chr(one)) for one in range(_LAST + 1)]
    starts = [0, *(place + 1 for place, (one, after) in enumerate(pairwise(names)) if one != after), _LAST + 1]
    for first, after in pairwise(starts):
        found.setdefault(names[first], []).append((first, after - 1))
    return found
