"""Requirements on versions, as PEP 440 has them; a plain version is a pin, ``*`` any version."""

from __future__ import annotations

import re
from typing import NamedTuple

from x07py.errors import PackageError

NAME = re.compile(r"[a-z][a-z0-9_-]{0,127}")
"""What a package name looks like, whole string."""
ANY = "*"
_PLAIN = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})*")
_PLAIN_RANGE = re.compile(r"(>=|<)\s*([0-9]{1,18}(?:\.[0-9]{1,18})*)(?![\w.*+!-])")
"""The most usual ranges: the lock's check answers them without the 20 ms that importing `packaging` takes."""
_PIN = re.compile(r"[0-9][A-Za-z0-9.+!_-]*")


class Need(NamedTuple):
    """What one package asks of another: its name and a requirement on its version."""

    name: str
    requirement: str


def parse_spec(text: str) -> Need:
    """Return what ``NAME``, ``NAME@VERSION`` or ``NAME@RANGE`` asks for; the requirement is ``*`` for a bare name.

    Raises:
        PackageError: ``X07PKG_SPEC_INVALID``.
    """
    name, at, wanted = text.strip().partition("@")
    requirement = wanted.strip() if at else ANY
    if not (NAME.fullmatch(name) or re.fullmatch(r"[a-z][a-z0-9_.-]*", name)) or specifiers(requirement) is None:
        raise PackageError(
            "X07PKG_SPEC_INVALID",
            f"{text!r} is neither a package nor a package with a version or a range",
            hint="write NAME, NAME@0.2.0 or 'NAME@>=0.2,<0.3'",
        )
    return Need(name, requirement)


def specifiers(requirement: str) -> str | None:
    """Return a requirement as PEP 440 specifiers, empty for any version; None if it is none."""
    if requirement == ANY:
        return ""
    if _PLAIN.fullmatch(requirement):
        return f"=={requirement}"
    if _PIN.fullmatch(requirement):
        text = f"=={requirement}"
    else:
        parts = re.sub(r"(?<![<>=!~])=(?!=)", "==", requirement).replace(",", " ").split()
        text = ",".join(parts)
    return text if text and (_plain_bounds(text) or _parses(text)) else None


def _plain_bounds(requirement: str) -> list[tuple[str, str]]:
    """Return the signs and numbers of a range that holds nothing else; none for any other requirement."""
    return [] if _PLAIN_RANGE.sub("", requirement).strip(", ") else _PLAIN_RANGE.findall(requirement)


def _in_order(sign: str, version: str, bound: str) -> bool:
    one, other = ([int(number) for number in text.split(".")] for text in (version, bound))
    width = max(len(one), len(other))
    one, other = ([*numbers, *[0] * (width - len(numbers))] for numbers in (one, other))
    return one >= other if sign == ">=" else one < other


def _parses(text: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return bool(str(SpecifierSet(text)))
    except InvalidSpecifier:
        return False


def admits(requirement: str, version: str) -> bool:
    """Tell whether a version meets a requirement; a pre-release does where it is asked for or is all that is there."""
    if requirement in {ANY, version}:
        return True
    if _PLAIN.fullmatch(version) and (bounds := _plain_bounds(requirement)):
        return all(_in_order(sign, version, bound) for sign, bound in bounds)
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    text = specifiers(requirement)
    try:
        return text is not None and SpecifierSet(text).contains(version, prereleases=True)
    except InvalidVersion:
        return False
