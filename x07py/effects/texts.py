"""Texts of which the beginning or the end is known, as names of methods that are put together are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from x07py.effects.values import NOTHING, Atom, Value, constants, join, obj

if TYPE_CHECKING:
    from collections.abc import Iterable

_TEXT = obj("builtins.str")
_PART = re.compile(r"[A-Za-z_]\w{0,40}", re.ASCII)
"""What is kept of a text: it can be part of a name."""
_MOST = 4
_HOLE = re.compile(r"%[sdr]|\{\w*\}")


def known_text(begins: str, ends: str) -> Value:
    """Return a text that begins and ends so, if that can be part of a name; else any text."""
    begins, ends = (part if _PART.fullmatch(part) else "" for part in (begins, ends))
    return frozenset({("obj", "builtins.str", begins, ends)}) if begins or ends else _TEXT


def ends_of(value: Value) -> list[tuple[str, str]] | None:
    """Return how a text can begin and end; None if it need not be a text, or if there are many."""
    found: list[tuple[str, str]] = []
    for atom in value:
        if atom[:2] == ("k", "str"):
            found.append((atom[2], atom[2]))
        elif atom[:2] == ("obj", "builtins.str"):
            found.append((atom[2], atom[3]) if len(atom) > 2 else ("", ""))
        else:
            found.append(("", ""))
    return sorted(set(found)) if 0 < len(found) <= _MOST else None


def joined_text(parts: Iterable[Value]) -> Value:
    """Return the text of several parts, one behind the other, as far as its beginning and its end are known."""
    given = [ends_of(one) for one in parts]
    first, last = (given[0], given[-1]) if given else (None, None)
    begins = sorted({one for one, _ in first or [("", "")]})
    ends = sorted({one for _, one in last or [("", "")]})
    if len(begins) * len(ends) > _MOST:
        return _TEXT
    return join(*(known_text(one, other) for one in begins for other in ends))


def filled(form: Value) -> Value:
    """Return what a constant form gives that ``%`` or ``format`` fills with what is not known."""
    forms = constants(form)
    if not forms or len(forms) > _MOST or not all(isinstance(one, str) for one in forms):
        return _TEXT
    found = []
    for one in forms:
        parts = _HOLE.split(one)
        plain = len(parts) > 1 and "%" not in parts[0] + parts[-1] and "{" not in parts[0] + parts[-1]
        found.append(known_text(parts[0], parts[-1]) if plain else _TEXT)
    return join(*found)


def changed_text(this: Atom, name: str) -> Value | None:
    """Return what a method of a text of which an end is known gives, if it changes each letter by itself."""
    if len(this) < 4 or this[:2] != ("obj", "builtins.str") or name not in {"lower", "upper"}:
        return None
    begins, ends = (getattr(part, name)() for part in this[2:])
    return known_text(begins, ends)


def fits(name: str, value: Value) -> bool:
    """Tell whether a text can be a name of which at least one end is known."""
    for atom in value:
        if atom[:2] == ("k", "str") and atom[2] == name:
            return True
        if atom[:2] == ("obj", "builtins.str") and len(atom) > 2:
            _, _, begins, ends = atom
            if len(name) >= len(begins) + len(ends) and name.startswith(begins) and name.endswith(ends):
                return True
    return False


def is_part(value: Value) -> bool:
    """Tell whether a value is nothing but texts that are known, or of which an end is."""
    return value != NOTHING and all(
        atom[:2] == ("k", "str") or (atom[:2] == ("obj", "builtins.str") and len(atom) > 2) for atom in value
    )
