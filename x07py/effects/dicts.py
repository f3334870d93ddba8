"""What methods of dicts leave of what is known of their keys."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from x07py.effects.values import NOTHING, UNKNOWN, Atom, Value, atoms, const, constants, is_large, is_unordered, join

if TYPE_CHECKING:
    from x07py.effects.parts import Arguments, Named

FILLING = {"update", "setdefault", "pop", "popitem", "clear"}
"""Methods that change which keys a dict has."""
_MOST_PAIRS = 100


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
    known = (bool(pairs) or not (atom[1] or atom[2])) and "*" not in kwargs
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
        taken = [one[2] for value in args[:1] for one in value if one[0] == "map"]
        return "map", UNKNOWN, join(atom[2], *taken, *kwargs.values(), UNKNOWN), order, ()
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


def either(before: Atom, after: Atom) -> Atom:
    """Return a dict that can be what it was before a change, or after it, since others may have it in between."""
    if before[0] != "map" or after[0] != "map":
        return after
    old, new = dict(before[4]), dict(after[4])
    if new and (old or not (before[1] or before[2])):
        return _of({key: join(old.get(key, NOTHING), new.get(key, NOTHING)) for key in {**old, **new}}, after[3])
    return "map", join(before[1], after[1]), join(before[2], after[2]), after[3], ()


def one_of(value: Value) -> Atom:
    """Return one dict that can be whatever dict a value can be."""
    maps = [atom for atom in atoms(value) if atom[0] == "map"]
    return reduce(either, maps) if maps else ("map", NOTHING, NOTHING, "", ())


def with_item(atom: Atom, key: Value, value: Value, *, last: bool, loose: bool) -> Atom:
    """Return what a list or dict is after an item was set; what is neither stays as it is.

    Args:
        atom: one thing that the container can be.
        key: of the item.
        value: of the item.
        last: whether the item surely is that from now on, and not what it was before.
        loose: whether items come in an order that nobody knows.
    """
    if atom[0] == "seq" and atom[1] == "list":
        return ("seq", "list", join(atom[2], value), atom[3])
    if atom[0] != "map":
        return atom
    pairs, known = dict(atom[4]), constants(key)
    exact = bool(pairs) or not (atom[1] or atom[2])
    if exact and not loose and known and len(known) == 1 and len(pairs) < _MOST_PAIRS:
        pairs[known[0]] = value if last else join(pairs.get(known[0], NOTHING), value)
        if not is_large(tuple(pairs.items())):
            return _of(pairs, atom[3])
    keys, values = join(atom[1], key), join(atom[2], value)
    return ("map", keys, values, "?" if loose else atom[3], ())
