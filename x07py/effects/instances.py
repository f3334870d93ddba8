"""Objects that are made: by a metaclass, ``__new__``, ``__init__``, or a constructor that a decorator writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.effects.parts import Parts
from x07py.effects.primitives import real
from x07py.effects.values import NOTHING, UNKNOWN, Atom, Value, atoms, join

if TYPE_CHECKING:
    from x07py.effects.state import ClassState, Frame

_MOST_VARIANTS = 16
_UNPICKLER = "_pickle.Unpickler"
_FILLED_BY = ("__setstate__", "__setitem__", "append", "extend", "add")
"""Methods by which a pickle fills the objects that it makes."""
_METHODS = {"fn", "prop", "static", "clsm", "cls"}


def is_field(state: ClassState, name: str) -> bool:
    """Tell whether a name of a class's body is a field, for what writes the constructor, and no method."""
    if name.startswith("__"):
        return False
    return name in state.annotated or not any(atom[0] in _METHODS for atom in state.names.get(name, ()))


class Instances(Parts):
    """What calling a class does."""

    def instantiate(self, frame: Frame, line: int, atom: Atom, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Make an object: the metaclass's ``__call__``, ``__new__``, ``__init__``, or a base without source."""
        state = self.classes[atom]
        for meta in atoms(state.meta):
            for found in atoms(self.class_attribute(meta, "__call__")):
                if found[0] == "fn":
                    self.invoke(frame, line, found, [frozenset({atom}), *args], {**kwargs}, meta)
        made = self._new_objects(frame, line, atom, args, kwargs)
        this = next((one for one in atoms(made) if one[1] == atom), ("inst", atom, None))
        found_init = self.class_attribute(atom, "__init__")
        owner = self._owner(atom, "__init__")
        for found in found_init:
            if found[0] == "fn":
                self._unseeded(frame, line, found, [NOTHING, *args], kwargs)
                for one in atoms(made):
                    if one[1] == atom:
                        self.tallied(frame, line, f"{self.name_of(owner)}.__init__", one, args)
                        with self.made(one):
                            self.invoke(frame, line, found, [frozenset({one}), *args], kwargs, owner)
        if not found_init:
            base = next((one for one in state.order if one[0] == "prim" and one[1] != "builtins.object"), None)
            if base is not None and not self.finds_classes(frame, line, atom, this):
                self.primitive(frame, line, base[1], args, kwargs)
            if not self.class_attribute(atom, "__new__") and state.generated:
                with self.made(this):
                    self._fields(frame, line, state.atom, this, args, kwargs)
        return made

    def finds_classes(self, frame: Frame, line: int, atom: Atom, this: Atom) -> bool:
        """Tell whether a class of unpicklers finds by itself what pickles name, and that only ever is data's classes.

        What it finds is called as a pickle may call it. A function, or a class whose objects can be called, would let
        the pickle call anything from there.
        """
        if ("prim", _UNPICKLER) not in self.classes[atom].order:
            return False
        found = self.class_attribute(atom, "find_class")
        owner = self._owner(atom, "find_class")
        made = [
            self.invoke(frame, line, one, [frozenset({this})], {"*": UNKNOWN}, owner)
            for one in atoms(found)
            if one[0] == "fn"
        ]
        safe = len(made) == len(found) > 0
        for kind in atoms(join(*made)):
            safe = safe and self._holds_data(kind)
            objects = self.call_atoms(frame, line, frozenset({kind}), [], {"*": UNKNOWN})
            for name in _FILLED_BY:
                self.magic(frame, line, objects, name, [UNKNOWN])
        return safe

    def _holds_data(self, kind: Atom) -> bool:
        """Tell whether something is a class whose objects cannot be called."""
        if kind[0] == "cls":
            return self.classes[kind].closed and not self.class_attribute(kind, "__call__")
        thing = real(kind[1]) if kind[0] == "prim" else None
        return isinstance(thing, type) and not any("__call__" in vars(one) for one in thing.__mro__)

    def _new_objects(self, frame: Frame, line: int, atom: Atom, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Return what ``__new__`` gives, or an object that is told from those made of other arguments."""
        plain: Value = frozenset({("inst", atom, self.variant(atom, args, kwargs))})
        found: list[Value] = []
        for one in atoms(self.class_attribute(atom, "__new__")):
            if one[0] == "static":
                owner = self._owner(atom, "__new__")
                given = self.invoke(frame, line, one[1], [frozenset({atom}), *args], kwargs, owner)
                made = frozenset(each for each in given if each[0] in {"inst", "obj"})
                found.append(made if any(each[1] == atom for each in made) else join(plain, made))
        return join(*found) if found else plain

    def _fields(
        self, frame: Frame, line: int, atom: Atom, this: Atom, args: list[Value], kwargs: dict[str, Value]
    ) -> None:
        """Set the fields of a dataclass from what its constructor is given, or from their defaults and factories."""
        state = self.classes[atom]
        state.made = True
        bases = [
            self.classes[one] for one in reversed(state.order) if one in self.classes and self.classes[one].generated
        ]
        names = list(dict.fromkeys(name for base in bases for name in base.names if is_field(base, name)))
        given = {name: value for name, value in [*zip(names, args, strict=False), *kwargs.items()] if name != "*"}
        factories = {name: row for base in bases for name, row in base.factories.items()}
        for name in names:
            value = given.get(name)
            if value is None:
                value = self.class_attribute(atom, name)
                if name in factories:
                    value = self.call_atoms(frame, line, factories[name][1], [], {})
                elif name in self._bare(bases) and "*" not in kwargs:
                    continue
                if "*" in kwargs:
                    value = join(value, UNKNOWN)
            self.set_attribute(frozenset({this}), name, value, surely="*" not in kwargs)
        for hook in atoms(self.class_attribute(atom, "__post_init__")):
            if hook[0] == "fn":
                self.invoke(frame, line, hook, [frozenset({this})], {"*": UNKNOWN}, atom)

    @staticmethod
    def _bare(bases: list[ClassState]) -> set[str]:
        return {name for base in bases for name in base.bare}

    def variant(self, atom: Atom, args: list[Value], kwargs: dict[str, Value]) -> int | None:
        known = self.variants.setdefault(atom, {})
        key = tuple(args), tuple(sorted(kwargs.items()))
        if key not in known and len(known) >= _MOST_VARIANTS:
            return None
        return known.setdefault(key, len(known))

    variants: dict[Atom, dict[Any, int]]
