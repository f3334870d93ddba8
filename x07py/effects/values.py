"""What an expression can be, as far as effects ask: a set of atoms, each a small tuple.

========================================== ==========================================================================
``("?",)``, ``("!",)``                       anything; anything but None, which is what a parameter is taken for
``("k", type, value)``                     a constant
``("mod", name)``, ``("vars", name)``      a module; its ``__dict__``
``("fn", module, number, scope)``          a function with the scope that it was made in (0: the module)
``("cls", module, number, scope)``         a class
``("inst", class, variant)``               an object of it; objects made from different arguments are told apart
``("prim", name)``                         something without Python source, by its full name
``("obj", name)``                          an object of such a class
``("obj", "builtins.str", begins, ends)``  a text of which the beginning or the end is known
``("bound", function, object)``            a method of an object or a class
``("meth", class, name, object)``          a method of an object without source
``("part", function, args, kwargs)``       a partial application
``("getter", text)`` ``("caller", text, …)``  what takes an attribute of its argument; what calls a method of it
``("prop", fn)`` ``("static", …)`` ``("clsm", …)``   what decorators make of a function in a class body
``("noted", kind, notes)``                 ``Annotated[kind, notes]``
``("super", class, object)``               ``super()``
``("seq", kind, elements, order)``         list, tuple, set, view, items, generator; order ``?``: unknown, ``#3``: three
``("seq", "tuple", elements, order, parts)``  a tuple of which each part is known
``("map", keys, values, order, pairs)``    a dict; pairs where all keys are constants
``("data",)``                              what a plain dict has that was handed in: data, no object of a library
``("id",)``                                a number that comes from an address
``("said",)``                              something that code without source made of a word for the present moment
========================================== ==========================================================================
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Atom: TypeAlias = tuple[Any, ...]
Value: TypeAlias = frozenset[Atom]

ANY: Atom = ("?",)
SOME: Atom = ("!",)
UNKNOWN: Value = frozenset({ANY})
GIVEN: Value = frozenset({SOME})
SAID: Atom = ("said",)
DATA: Atom = ("data",)
LOOSE = frozenset({ANY, SOME, SAID, DATA})
TOLD: Value = frozenset({ANY, SAID})
NOTHING: Value = frozenset()
NONE: Value = frozenset({("k", "NoneType", None)})
IDENTITY: Value = frozenset({("id",)})
COUNTED = "#"
"""What starts the order of a tuple whose length is known."""
_MOST = 10
_DEEPEST, _DEEPEST_HELD = 3, 6


@lru_cache(maxsize=1 << 16)
def atoms(value: Value) -> tuple[Atom, ...]:
    """Return the atoms of a value in an order that is the same in each run."""
    return tuple(value) if len(value) < 2 else tuple(sorted(value, key=repr))


_MOST_PARTS = 10_000


def const(value: object) -> Value:
    """Return a constant as a value."""
    return frozenset({("k", type(value).__name__, value)})


def is_large(value: object) -> bool:
    """Tell whether a constant, or what is known of a container, is too large to be kept: what is put into itself again
    and again doubles each time, and so does the time to compare it. At most 10,000 parts are looked at."""
    left, waiting = _MOST_PARTS, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str | bytes):
            left -= 1 + len(one) // 100
        elif isinstance(one, int) and one.bit_length() > _MOST_PARTS:
            return True
        else:
            left -= 1
        if left < 0:
            return True
        if isinstance(one, tuple | frozenset):
            waiting += one
    return False


def boolean(known: bool | None) -> Value:
    """Return a truth value; None if either can be."""
    return frozenset({("obj", "builtins.bool")}) if known is None else const(known)


def obj(name: str) -> Value:
    """Return an object of a class without source, by the class's full name."""
    return frozenset({("obj", name)})


def seq(kind: str, elements: Value, order: str = "") -> Value:
    """Return a container; order ``?`` means that nobody knows it."""
    return frozenset({("seq", kind, _shallow(elements), order)})


def parts_of(*parts: Value) -> Value:
    """Return a tuple of which each part is known."""
    kept = tuple(map(_shallow, parts))
    return frozenset({("seq", "tuple", join(*kept), f"{COUNTED}{len(kept)}", kept)})


def join(*values: Value) -> Value:
    """Return what can be any of the values; a set of many atoms becomes unknown, with its callables kept."""
    if len(values) == 1:
        return values[0] if len(values[0]) <= _MOST else _widened(values[0])
    found: Value = NOTHING.union(*values)
    return found if len(found) <= _MOST else _widened(found)


def _widened(found: Value) -> Value:
    kept = [atom for atom in found if atom[0] in {"fn", "bound", "prim", "meth", "cls", "mod", "said"}]
    return frozenset(sorted(kept, key=repr)[:60]) | UNKNOWN


def _depth(value: Value, inside: Callable[[Atom], list[Value]]) -> int:
    return max((1 + max((_depth(one, inside) for one in inside(atom)), default=0) for atom in value), default=0)


def _inner(atom: Atom) -> list[Value]:
    if atom[0] == "seq":
        return [atom[2]]
    return [atom[1], atom[2]] if atom[0] == "map" else []


def _held(atom: Atom) -> list[Value]:
    """Return every value that an atom holds, those too that going through it does not give."""
    if atom[0] == "noted":
        return [atom[1], atom[2]]
    if atom[0] in {"part", "caller"}:
        return [atom[1], *atom[2], *(value for _, value in atom[3])]
    return _inner(atom)


def _bounded(value: Value, inside: Callable[[Atom], list[Value]], most: int) -> Value:
    return value if _depth(value, inside) < most else frozenset(a if not inside(a) else ANY for a in value)


@lru_cache(maxsize=1 << 16)
def _shallow(value: Value) -> Value:
    return _bounded(value, _inner, _DEEPEST)


def held(value: Value) -> Value:
    """Return a value for a callable or an annotation to hold: what is nested too deep in it is not known."""
    return _bounded(value, _held, _DEEPEST_HELD)


def mapping(keys: Value, values: Value, order: str = "", pairs: tuple[Any, ...] = ()) -> Value:
    """Return a dict."""
    return frozenset({("map", _shallow(keys), _shallow(values), order, pairs)})


def constants(value: Value) -> list[Any] | None:
    """Return the constants that a value is one of, or None if it can be anything else."""
    if not value or any(atom[0] != "k" for atom in value):
        return None
    return sorted((atom[2] for atom in value), key=repr)


def text_of(value: Value) -> str | None:
    """Return the one text that a value is, or None."""
    found = constants(value)
    return found[0] if found and len(found) == 1 and isinstance(found[0], str) else None


def plain_truth(atom: Atom) -> bool | None:
    """Tell whether an atom that is no object of a class with source counts as true, or None if it can be both."""
    kind = atom[0]
    if kind == "k":
        return bool(atom[2])
    if kind in {"mod", "fn", "cls", "bound", "meth", "part"}:
        return True
    return True if kind == "obj" and atom[1] in _ALWAYS_TRUE else None


_ALWAYS_TRUE = {"_io.BytesIO", "_io.StringIO", "_io.TextIOWrapper", "_io.BufferedReader"}


def elements(value: Value) -> tuple[Value, bool]:
    """Return what going through a value gives, and whether the order of that is unknown."""
    found: list[Value] = []
    unordered = False
    for atom in atoms(value):
        if atom[0] == "seq":
            found.append(atom[2])
            unordered = unordered or atom[3] == "?"
        elif atom[0] == "map":
            found.append(atom[1])
            unordered = unordered or atom[3] == "?"
        elif atom[0] == "k" and isinstance(atom[2], tuple):
            found += [const(one) for one in atom[2]]
        elif atom[0] == "k" and isinstance(atom[2], str):
            found.append(obj("builtins.str") if atom[2] else NOTHING)
        else:
            found.append(TOLD if atom == SAID else UNKNOWN)
            unordered = unordered or atom in _SETS
    return join(*found) if found or is_empty(value) else UNKNOWN, unordered


def is_empty(value: Value) -> bool:
    """Tell whether a value is surely an empty tuple or text, which nobody can fill."""
    return bool(value) and all(atom[:2] in {("k", "tuple"), ("k", "str")} and not atom[2] for atom in value)


_SETS = {("obj", "builtins.set"), ("obj", "builtins.frozenset")}


def is_unordered(value: Value) -> bool:
    """Tell whether a value can be something whose order nobody knows."""
    return any((a[0] in {"seq", "map"} and a[3] == "?") or a in _SETS for a in value)


def inside_of(value: Value) -> Iterator[Atom]:
    """Yield the atoms of a value and of all that it holds."""
    for atom in atoms(value):
        yield atom
        for inner in _inner(atom):
            yield from inside_of(inner)
        if atom[0] == "map":
            for _, one in atom[4]:
                yield from inside_of(one)


def is_set(value: Value) -> bool:
    """Tell whether a value is a set or a dict, which may come out as it is."""
    return all(
        (a[0] == "seq" and a[1] in {"set", "frozenset", "view", "items"}) or a[0] == "map" or a in _SETS for a in value
    )


def ordered(value: Value) -> Value:
    """Return a value as a list in a known order."""
    return seq("list", elements(value)[0])


def uncounted(value: Value) -> Value:
    """Return a value without what is known of its length."""
    return frozenset((*atom[:3], "") if atom[0] == "seq" and atom[3].startswith(COUNTED) else atom for atom in value)


def known_parts(value: Value) -> tuple[Value, ...] | None:
    """Return the parts of a tuple, or None if they are not told from each other."""
    if len(value) != 1:
        return None
    (atom,) = value
    if atom[0] == "k" and isinstance(atom[2], tuple):
        return tuple(map(const, atom[2]))
    return atom[4] if atom[0] == "seq" and len(atom) > 4 else None


def length(value: Value) -> int | None:
    """Return how long a text or tuple is, or None if that is not known."""
    found = {_length(atom) for atom in value}
    return found.pop() if len(found) == 1 else None


def _length(atom: Atom) -> int | None:
    if atom[0] == "k":
        return len(atom[2]) if isinstance(atom[2], str | bytes | tuple) else None
    counted = atom[0] == "seq" and atom[1] == "tuple" and atom[3].startswith(COUNTED)
    return int(atom[3].removeprefix(COUNTED)) if counted else None


@lru_cache(maxsize=1 << 14)
def says_now(value: Value) -> bool:
    """Tell whether a value is, holds, or was made of a word that libraries take for the present moment.

    Keys of dicts are names, and say nothing.
    """
    return any(map(_says_now, value))


def _says_now(atom: Atom) -> bool:
    kind = atom[0]
    if kind == "k":
        parts = atom[2] if isinstance(atom[2], tuple) else (atom[2],)
        return any(isinstance(one, str) and one.casefold() in _PRESENT for one in parts)
    if kind == "seq":
        return says_now(atom[2])
    return says_now(atom[2]) or any(says_now(one) for _, one in atom[4]) if kind == "map" else atom == SAID


_PRESENT = {"now", "today"}


def has_identity(value: Value) -> bool:
    """Tell whether a value can come from an address."""
    return any(a == ("id",) or (a[0] in {"seq", "map"} and ("id",) in a[2]) for a in value)
