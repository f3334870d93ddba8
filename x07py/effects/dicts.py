"""What methods of dicts leave of what is known of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.effects.values import FRESH, NOTHING, UNKNOWN, Atom, Value, const, constants, is_unordered, join

if TYPE_CHECKING:
    from x07py.effects.parts import Arguments, Named
    from x07py.effects.state import Frame
    from x07py.effects.summary import Node

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
    known = (bool(pairs) or not atom[1]) and "*" not in kwargs
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
        order = "?" if args and is_unordered(args[0]) else "" if atom[3] == FRESH else atom[3]
        return "map", UNKNOWN, join(atom[2], UNKNOWN), order, ()
    return "map", atom[1] or UNKNOWN, join(atom[2], *args[1:2]), "" if atom[3] == FRESH else atom[3], ()


def is_fresh(frame: Frame, node: Node) -> bool:
    """Tell whether an expression goes through a dict that a call gave as an empty one, and that nobody filled since.

    Args:
        frame: where the expression stands.
        node: the expression: a variable of the function, or a view of it.
    """
    if node[0] == "call" and node[2][0] == "attr" and node[2][3] in {"items", "keys", "values"}:
        node = node[2][2]
    function = frame.function
    if node[0] != "name" or function is None or node[2] not in function.locals or node[2] in function.params:
        return False
    value = frame.names.get(node[2], NOTHING)
    return bool(value) and all(atom[0] == "map" and atom[3] == FRESH for atom in value)


def _pairs(args: Arguments) -> dict[Any, Value] | None:
    """Return the keys and values of a call's only argument, or None if they are not known."""
    if not args:
        return {}
    if len(args) > 1 or len(args[0]) != 1:
        return None
    (atom,) = args[0]
    return dict(atom[4]) if atom[0] == "map" and (atom[4] or not atom[1]) else None


def _of(pairs: dict[Any, Value], order: str) -> Atom:
    keys = join(*map(const, pairs)) if pairs else NOTHING
    order = "" if pairs and order == FRESH else order
    return "map", keys, join(*pairs.values()), order, tuple(pairs.items())
