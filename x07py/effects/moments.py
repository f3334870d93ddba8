"""Moments with a zone: a `datetime` that was given one does not ask this machine for its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.effects.parts import Parts
from x07py.effects.values import ANY, GIVEN, NONE, NOTHING, UNKNOWN, Value, atoms, join, text_of

if TYPE_CHECKING:
    from x07py.effects.parts import Arguments, Named
    from x07py.effects.values import Atom

_CLASS = "datetime.datetime"
_SOURCE = "_pydatetime."
"""The module that holds the class from Python 3.12 on."""
_ZONED = "zoned"
"""Stands for the variant of an object whose zone is given."""
_AT = {"fromtimestamp": 1, "now": 0, "astimezone": 0, "replace": 7, "combine": 2, "": 7}
"""Which argument the zone is, by method; the empty name is the class itself."""
_NAMES = {"fromtimestamp": "tz", "now": "tz", "astimezone": "tz"}


class Moments(Parts):
    """Tells moments with a zone from those without."""

    def zoned(self, name: str, this: Atom | None, args: Arguments, kwargs: Named) -> Value | None:
        """Return what a method of a moment gives without asking for the machine's zone, or None for any other call."""
        if _public(name) == f"{_CLASS}.astimezone" and _is_zoned(this) and _zone("astimezone", args, kwargs):
            return frozenset({this}) if this is not None else None
        return None

    def given_zone(self, name: str, this: Atom | None, args: Arguments, kwargs: Named, made: Value) -> Value:
        """Return a call's result, which is a moment with a zone if the call was given one.

        Args:
            name: full name of what was called.
            this: the object that it was called on.
            args: without that object.
            kwargs: by name.
            made: what the call gives by its source.
        """
        name = _public(name)
        if not name.startswith(_CLASS):
            return made
        method = name.removeprefix(_CLASS).removeprefix(".")
        zone = GIVEN
        if method in {"__add__", "__sub__", "__radd__"}:
            keeps = _is_zoned(this)
        elif method == "strptime":
            keeps = len(args) > 1 and "%z" in (text_of(args[1]) or "")
        elif method not in _AT or "*" in kwargs:
            keeps = False
        else:
            named, zone = _zone(method, args, kwargs), _given(method, args, kwargs) or NOTHING
            keeps = named if named is not None else method == "replace" and _is_zoned(this)
        if not keeps:
            return made
        found: set[Atom] = set()
        for atom in atoms(made):
            is_moment = atom[0] == "inst" and _public(self.name_of(atom[1])) == _CLASS
            found.add(("inst", atom[1], _ZONED) if is_moment else atom)
            if is_moment:
                key = ("inst", atom[1], _ZONED), "_tzinfo"
                self.attributes[key] = join(self.attributes.get(key, NOTHING), zone)
        return frozenset(atom for atom in found if atom[0] == "inst") or made


def _public(name: str) -> str:
    return f"datetime.{name.removeprefix(_SOURCE)}" if name.startswith(_SOURCE) else name


def _is_zoned(this: Atom | None) -> bool:
    return this is not None and this[0] == "inst" and this[2] == _ZONED


def _zone(method: str, args: Arguments, kwargs: Named) -> bool | None:
    """Tell whether a call is given a zone; None if it says nothing of zones."""
    value = _given(method, args, kwargs)
    if value is None:
        return None
    return bool(value) and ANY not in value and not value & NONE and value != UNKNOWN


def _given(method: str, args: Arguments, kwargs: Named) -> Value | None:
    at = _AT[method]
    return args[at] if at < len(args) else kwargs.get(_NAMES.get(method, "tzinfo"))
