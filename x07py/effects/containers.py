"""Builtins that make containers and texts, and the methods of those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.effects.parts import Arguments, Named, Parts
from x07py.effects.summary import keeps_argument
from x07py.effects.texts import changed_text, filled
from x07py.effects.values import (
    IDENTITY,
    LOOSE,
    NONE,
    NOTHING,
    UNKNOWN,
    Atom,
    Value,
    atoms,
    const,
    constants,
    elements,
    is_unordered,
    join,
    length,
    mapping,
    obj,
    ordered,
    parts_of,
    seq,
)

if TYPE_CHECKING:
    from x07py.effects.state import Frame

_FILLS = {"__setitem__": 1, "setdefault": 1, "append": 0, "appendleft": 0}
"""Methods by which objects of classes that are made from dicts and lists take something in: place of that."""
_NUMBERS = {("obj", "builtins.int"), ("obj", "builtins.float"), ("obj", "builtins.bool")}
_TEXT_METHODS = {
    "join", "format", "lower", "upper", "strip", "lstrip", "rstrip", "replace", "title", "removeprefix", "removesuffix",
}  # fmt: skip


class Containers(Parts):
    """One method a function; each returns what the function gives."""

    def _made_set(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        inside = elements(self.iterated(frame, line, args[0]))[0] if args else NOTHING
        return seq("set", inside, "?")

    def _made_list(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if not args:
            return seq("list", NOTHING)
        inside, loose = elements(self.iterated(frame, line, args[0]))
        return seq("list", inside, "?" if loose else "")

    def _enumerate(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        loose = self._numbered(frame, line, args, "numbering")
        inside = [elements(self.iterated(frame, line, value))[0] for value in args[:1]]
        return seq("gen", parts_of(obj("builtins.int"), join(*inside) or UNKNOWN), "?" if loose else "")

    def _zip(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        loose = self._numbered(frame, line, args, "pairing")
        inside = [elements(self.iterated(frame, line, value))[0] for value in args]
        return seq("gen", parts_of(*inside) if inside and "*" not in kwargs else UNKNOWN, "?" if loose else "")

    def _numbered(self, frame: Frame, line: int, args: Arguments, what: str) -> bool:
        """Note that the members of a set are told by their place, and tell whether they are."""
        loose = any(map(is_unordered, args))
        if loose:
            self.comes_out(frame, line, f"{what} the members of a set")
        return loose

    def _len(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        for value in args:
            self.magic(frame, line, value, "__len__", [])
        known = length(args[0]) if len(args) == 1 else None
        return const(known) if known is not None else obj("builtins.int")

    def _iter(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        return self.iterated(frame, line, args[0]) if args else UNKNOWN

    def _next(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if not args:
            return UNKNOWN
        inside, loose = elements(args[0])
        if loose:
            self.comes_out(frame, line, "the first of a set")
        stepped = self.magic(frame, line, args[0], "__next__", [])
        return join(inside, stepped, *args[1:])

    def _sorted(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        self._by_key(frame, line, args, kwargs)
        return ordered(self.iterated(frame, line, args[0])) if args else UNKNOWN

    def _most(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        self._by_key(frame, line, args, kwargs)
        return elements(args[0])[0] if len(args) == 1 else join(*args) if args else UNKNOWN

    def _by_key(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> None:
        """Note that what a key makes equal stays in an order that nobody knows, and keys that differ in each run."""
        key = kwargs.get("key", NOTHING)
        if args and key and is_unordered(args[0]) and not self._tells_apart(key, args[0]):
            self.comes_out(frame, line, "ties of a keyed order over a set")
        if ("prim", "builtins.hash") in key or ("prim", "builtins.id") in key:
            self.comes_out(frame, line, "an order by hash or address")

    def _tells_apart(self, key: Value, given: Value) -> bool:
        """Tell whether a key holds what it is made for, so that no two keys of a set are equal."""
        pairs = all(atom[:2] == ("seq", "items") for atom in given)
        return all(atom[0] == "fn" and keeps_argument(self.function(atom), pairs=pairs) for atom in key)

    def _sum(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        """Return a number, or what adding objects gives."""
        inside = elements(self.iterated(frame, line, args[0]))[0] if args else NOTHING
        before = args[1] if len(args) > 1 else kwargs.get("start", const(0))
        if not any(atom[0] == "inst" for atom in (*before, *inside)):
            return obj("builtins.int")
        return join(before, self.binary(frame, line, "Add", before, inside))

    def _map(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        given = [elements(value)[0] for value in args[1:]]
        result = self.call_atoms(frame, line, args[0], given, {}) if args else UNKNOWN
        return seq("gen", result, "?" if any(is_unordered(value) for value in args[1:]) else "")

    def _filter(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if len(args) < 2:
            return UNKNOWN
        inside, loose = elements(args[1])
        self.call_atoms(frame, line, args[0], [inside], {})
        return seq("gen", inside, "?" if loose else "")

    def _made_dict(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if args:
            maps = frozenset(atom for atom in atoms(args[0]) if atom[0] == "map")
            return maps or mapping(UNKNOWN, UNKNOWN, "?" if is_unordered(args[0]) else "")
        if "*" in kwargs:
            return mapping(UNKNOWN, UNKNOWN)
        return mapping(join(*map(const, kwargs)), join(*kwargs.values()), "", tuple(kwargs.items()))

    def _default_dict(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value | None:
        """Return a dict whose values are what its factory gives; None where that is not known."""
        made = self.call_atoms(frame, line, args[0], [], {}) if len(args) == 1 and not args[0] & NONE else UNKNOWN
        return None if made & LOOSE else mapping(UNKNOWN, made)

    def _chained(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        """Return what goes through several things, one behind the other."""
        return self._one_by_one(frame, line, [*args, *([kwargs["*"]] if "*" in kwargs else [])])

    def _chained_from(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if not args:
            return UNKNOWN
        inside, loose = elements(self.iterated(frame, line, args[0]))
        found = self._one_by_one(frame, line, [inside])
        return seq("gen", elements(found)[0], "?") if loose else found

    def _one_by_one(self, frame: Frame, line: int, given: Arguments) -> Value:
        rows = [elements(self.iterated(frame, line, value)) for value in given]
        inside = join(*(row[0] for row in rows))
        return seq("gen", inside or UNKNOWN, "?" if any(row[1] for row in rows) else "")

    def _from_keys(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if not args:
            return UNKNOWN
        inside, loose = elements(args[0])
        return mapping(inside, join(*args[1:]) or const(None), "?" if loose else "")

    def _made_text(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        for value in args[:1]:
            self.shown(frame, line, value)
            for name in ("__str__", "__repr__") if frame.module.own or not frame.raising else ():
                if self.magic(frame, line, value, name, []):
                    break
            known = constants(value)
            if known and len(known) == 1:
                return const(str(known[0]))
        return obj("builtins.str")

    def _print(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        for value in args:
            self.shown(frame, line, value)
            self.magic(frame, line, value, "__str__", [])
        if frame.loops:
            self.comes_out(frame, line, "printing inside a loop over a set")
        return const(None)

    def _id(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        return IDENTITY

    def _hash(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value | None:
        name = frame.function.name.rpartition(".")[2] if frame.function is not None else ""
        if not frame.module.own or name == "__hash__" or not args or self._plain_hash(args[0]):
            return obj("builtins.int")
        self.end(frame, line, "order", "hash", "differs in each run for str and bytes; use hashlib")
        return obj("builtins.int")

    def _plain_hash(self, value: Value) -> bool:
        """Tell whether a hash is made of numbers alone, so that it is the same in each run."""

        def plain(one: object) -> bool:
            return all(map(plain, one)) if isinstance(one, tuple) else isinstance(one, int | float)

        return bool(value) and all(
            (atom[0] == "k" and plain(atom[2]))
            or atom in _NUMBERS
            or (atom[:2] == ("seq", "tuple") and self._plain_hash(atom[2]))
            or (atom[0] == "inst" and self._hashes_numbers(atom))
            for atom in value
        )

    def _hashes_numbers(self, this: Atom) -> bool:
        """Tell whether an object has the hash that a decorator writes, of fields that are numbers."""
        state = self.classes[this[1]]
        if not state.hashed or self.class_attribute(this[1], "__hash__") or len(state.order) > 2:
            return False
        names = [name for name in state.names if name in state.annotated]
        fields = [self.attributes.get((this, name)) or state.names[name] for name in names]
        return bool(names) and all(self._plain_hash(one) for one in fields)

    # methods of what has no source

    def method_of(self, frame: Frame, line: int, owner: str, name: str, this: Atom, args: Arguments) -> Value | None:
        """Return what a method of a known kind gives, or None for any other."""
        if this[0] == "k" and (computed := _constant_call(this[2], name, args)) is not None:
            return computed
        if owner == "builtins.str":
            return changed_text(this, name) or self._text_method(frame, line, name, this, args)
        if this[0] == "map":
            return self._map_method(name, this, args)
        if this[0] == "inst" and name in _FILLS and len(args) > _FILLS[name]:
            self.fill(this, args[0] if _FILLS[name] else UNKNOWN, args[_FILLS[name]])
        if this[0] == "inst" and (kept := self.items_of(this)):
            given = [self._map_method(name, one, args) for one in atoms(kept)]
            return join(*(one for one in given if one is not None), UNKNOWN) if None not in given else None
        if owner == "builtins.dict" and name in {"keys", "values", "items"}:
            return self._map_method(name, ("map", UNKNOWN, UNKNOWN, "", ()), args)
        if owner in {"builtins.set", "builtins.frozenset"} or (this[0] == "seq" and this[1] in {"set", "frozenset"}):
            return self._set_method(frame, line, name, this, args)
        if this[0] == "seq":
            if name in {"pop", "__getitem__", "popleft"}:
                self.escape(frame, line, frozenset({this}))
                inside: Value = this[2]
                return inside
            if name == "copy":
                return frozenset({this})
        return None

    def _text_method(self, frame: Frame, line: int, name: str, this: Atom, args: Arguments) -> Value | None:
        if name == "join":
            for value in args:
                inside, loose = elements(self.iterated(frame, line, value))
                if loose:
                    self.comes_out(frame, line, "joining a set")
                self.shown(frame, line, frozenset(a for a in inside if a == ("id",)))
        elif name == "format":
            for value in args:
                self.shown(frame, line, value)
            return filled(frozenset({this}))
        return obj("builtins.str") if name in {"join", *_TEXT_METHODS} else None

    @staticmethod
    def _map_method(name: str, this: Atom, args: Arguments) -> Value | None:
        _, keys, values, order, pairs = this
        if name in {"get", "pop", "setdefault", "__getitem__"}:
            known = constants(args[0]) if args else None
            table = dict(pairs)
            default = args[1] if len(args) > 1 else const(None)
            if known and table:
                return join(*(table.get(key, default) if _hashable(key) else UNKNOWN for key in known))
            return join(values, default)
        if name in {"keys", "__iter__"}:
            return seq("view", keys, order)
        if name == "values":
            return seq("view", values, order)
        if name == "items":
            return seq("items", parts_of(keys, values), order)
        return frozenset({this}) if name == "copy" else None

    def _set_method(self, frame: Frame, line: int, name: str, this: Atom, args: Arguments) -> Value | None:
        inside = this[2] if this[0] == "seq" else UNKNOWN
        if name == "pop":
            self.comes_out(frame, line, "an item popped from a set")
            return inside
        if name in {"union", "intersection", "difference", "symmetric_difference", "copy"}:
            return seq("set", join(inside, *(elements(value)[0] for value in args)), "?")
        return None


def _constant_call(this: Any, name: str, args: Arguments) -> Value | None:
    """Return what a method of a constant gives for constants, if it is one that only looks."""
    known = [constants(value) for value in args]
    if (
        name not in _LOOKING
        or not isinstance(this, str | bytes | tuple)
        or not all(one and len(one) == 1 for one in known)
    ):
        return None
    try:
        found = getattr(this, name)(*(one[0] for one in known if one))
    except (AttributeError, TypeError, ValueError):
        return None
    if isinstance(found, list):
        return seq("list", join(*map(const, found)))
    return const(found)


_LOOKING = {
    "startswith", "endswith", "replace", "lower", "upper", "strip", "lstrip", "rstrip", "split", "partition",
    "removeprefix", "removesuffix", "count", "find", "rfind", "index", "isidentifier", "isdigit", "encode", "casefold",
    "__contains__", "rpartition", "rsplit", "title", "capitalize",
}  # fmt: skip


def _hashable(key: Any) -> bool:
    return isinstance(key, str | int | bytes | tuple | float | type(None))
