"""What methods of dicts leave of what is known of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.effects.values import NOTHING, UNKNOWN, Atom, Value, const, constants, is_unordered, join

if TYPE_CHECKING:
    from x07py.effects.parts import Arguments, Named

FILLING = {"update", "setdefault", "pop", "popitem", "clear"}
"""Methods that change which keys a dict has."""


def changed(atom: Atom, name: str, args: Arguments, kwargs: Named) -> Atom:
    """Return what a value's atom is after such a method was called on it; what is no dict stays as it is.

    Args:
        atom: one thing that the receiver can be.
        name: of the method.
        args: of the call.
        kwargs: of the call.
    """
    if atom[0] != "map":
        return atom
    pairs = dict(atom[4])
    known = bool(pairs) and "*" not in kwargs
    keys = constants(args[0]) if args else None
    if known and name in {"pop", "setdefault"} and keys is not None and len(keys) == 1:
        if name == "pop":
            pairs.pop(keys[0], None)
        else:
            pairs.setdefault(keys[0], args[1] if len(args) > 1 else const(None))
        return _of(pairs, atom[3])
    if known and name == "update" and (more := _pairs(args)) is not None:
        return _of({**pairs, **more, **kwargs}, atom[3])
    if name == "update":
        order = "?" if args and is_unordered(args[0]) else atom[3]
        return "map", UNKNOWN, join(atom[2], UNKNOWN), order, ()
    return "map", atom[1] or UNKNOWN, join(atom[2], *args[1:2]), atom[3], ()


def _pairs(args: Arguments) -> dict[Any, Value] | None:
    """Return the keys and values of a call's only argument, or None if they are not known."""
    if not args:
        return {}
    if len(args) > 1 or len(args[0]) != 1:
        return None
    (atom,) = args[0]
    return dict(atom[4]) if atom[0] == "map" and atom[4] else None


def _of(pairs: dict[Any, Value], order: str) -> Atom:
    keys = join(*map(const, pairs)) if pairs else NOTHING
    return "map", keys, join(*pairs.values()), order, tuple(pairs.items())
