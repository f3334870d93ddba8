"""Versions (SemVer 2.0) and ranges of them.

`packaging` knows Python's own versions, which order and spell pre-releases otherwise; the libraries for SemVer have no
caret or tilde ranges. So this is ours, and small.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from x07py.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Callable

Key = tuple[int, int, int, tuple[Any, ...]]
"""Sorts like SemVer precedence; the last part is ``(1,)`` for a release and starts with 0 for a pre-release."""

_NUMBER = r"(0|[1-9]\d{0,17})"
_PRE = r"(?:0|[1-9]\d{0,17}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_SUFFIX = rf"(?:-({_PRE}(?:\.{_PRE})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
_FULL = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}{_SUFFIX}", re.ASCII)
_BOUND = rf"{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER}{_SUFFIX})?"
_PART = re.compile(rf"\s*(>=|<=|==|>|<|=|\^|~)?\s*(\*|{_BOUND})(?:\s*,|\s|$)", re.ASCII)
_RELEASE = (1,)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One version; compares by SemVer precedence, then by its text so that the order is total."""

    key: Key
    text: str

    @property
    def prerelease(self) -> bool:
        """Whether it is a pre-release."""
        return self.key[3] != _RELEASE


@dataclass(frozen=True, slots=True)
class Range:
    """A set of versions: all comparators hold.

    Args:
        text: as the user wrote it, without space around it.
        comparators: operator and bound.
        prerelease: whether a bound is itself a pre-release, which is how pre-releases are asked for.
    """

    text: str
    comparators: tuple[tuple[str, Key], ...] = field(compare=False)
    prerelease: bool = field(compare=False)

    @property
    def exact(self) -> bool:
        """Whether one version alone is meant."""
        return len(self.comparators) == 1 and self.comparators[0][0] == "="

    def contains(self, version: Version, *, prereleases: bool = False) -> bool:
        """Tell whether `version` is in the range; a pre-release is only if the range or the caller asks for them."""
        key = version.key
        if key[3] != _RELEASE and not (prereleases or self.prerelease):
            return False
        return all(_OPERATORS[sign](key, bound) for sign, bound in self.comparators)


@lru_cache(maxsize=65536)
def parse_version(text: str) -> Version:
    """Return the version that `text` states in full.

    Raises:
        PackageError: ``X07PKG_SPEC_INVALID``.
    """
    match = _FULL.fullmatch(text)
    if match is None or len(text) > 64:
        raise PackageError(
            "X07PKG_SPEC_INVALID",
            f"{text!r} is not a version",
            hint="a version is MAJOR.MINOR.PATCH, for example 0.2.0",
        )
    return Version(_key(match.group(1), match.group(2), match.group(3), match.group(4)), text)


def _key(major: str, minor: str | None, patch: str | None, pre: str | None) -> Key:
    tail: tuple[Any, ...] = _RELEASE
    if pre is not None:
        tail = (0, *((0, int(part)) if part.isdigit() else (1, part) for part in pre.split(".")))
    return int(major), int(minor or 0), int(patch or 0), tail


@lru_cache(maxsize=65536)
def parse_range(text: str) -> Range:
    """Return the range that `text` states: comparators with ``, `` or space between, ``^``, ``~`` or ``*``.

    A version without an operator is an exact pin. After an operator, parts of a version that are left out count as 0.

    Raises:
        PackageError: ``X07PKG_SPEC_INVALID``.
    """
    stripped = text.strip()
    rules: list[tuple[str, Key]] = []
    asked = False
    place = 0
    while place < len(stripped):
        match = _PART.match(stripped, place)
        if match is None:
            raise _not_a_range(text)
        sign, body, major, minor, patch, pre = match.groups()
        if body != "*":
            if sign in {None, "=", "=="} and patch is None:
                raise _not_a_range(text)
            asked = asked or pre is not None
            rules += _rules(sign or "=", _key(major, minor, patch, pre), 1 + (minor is not None) + (patch is not None))
        elif sign is not None:
            raise _not_a_range(text)
        place = match.end()
    if not stripped or stripped.endswith(","):
        raise _not_a_range(text)
    return Range(stripped, tuple(rules), asked)


def _rules(sign: str, key: Key, parts: int) -> list[tuple[str, Key]]:
    major, minor, patch, _ = key
    if sign == "^":
        if major or parts == 1:
            upper = (major + 1, 0, 0)
        elif minor or parts == 2:
            upper = (0, minor + 1, 0)
        else:
            upper = (0, 0, patch + 1)
    elif sign == "~":
        upper = (major + 1, 0, 0) if parts == 1 else (major, minor + 1, 0)
    else:
        return [("=" if sign == "==" else sign, key)]
    return [(">=", key), ("<", (*upper, (0,)))]


def _not_a_range(text: str) -> PackageError:
    return PackageError(
        "X07PKG_SPEC_INVALID",
        f"{text!r} is neither a version nor a range",
        hint="write 0.2.0, '>=0.2,<0.3', '^0.2' or '~0.2.1'",
    )
