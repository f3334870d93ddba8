"""Order and identity as properties of values: they count where they come out, not where they arise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.effects.graph import End
from x07py.effects.parts import Parts
from x07py.effects.primitives import real
from x07py.effects.values import NOTHING, Atom, Value, has_identity, inside_of, is_set, is_unordered

if TYPE_CHECKING:
    from x07py.effects.parts import Named
    from x07py.effects.state import Frame
    from x07py.effects.summary import Node

_ORDER = "the order of a set differs in each run; use sorted(...)"
_ADDRESS = "comes from an address, other in each run; use a key of your own"
_SHOW_NOTHING = {"abc.ABCMeta", "_py_abc.ABCMeta"}
"""Metaclasses that leave the text of objects as it is."""
_TEXTS = ("__repr__", "__str__", "__format__")
_METHODS = {"fn", "prop", "static", "clsm", "cls"}
_SILENT = {"__hash__", "__eq__", "__ne__", "__contains__"}


class Order(Parts):
    """What makes a set's order or an object's address part of a result."""

    shared: dict[tuple[Atom, str], Value]
    texts: set[int]
    """Points of libraries in which something of the project's is made a text."""
    handed: list[tuple[int, End, int]]
    """Calls of libraries that were given such things: in which point, what it would be, and the point of the callee."""

    def comes_out(self, frame: Frame, line: int, what: str) -> None:
        """Note that an order that nobody knows becomes part of a result; only the project's code counts."""
        if frame.module.own:
            self.end(frame, line, "order", what, _ORDER)

    def escape(self, frame: Frame, line: int, value: Value, *, returned: bool = False) -> None:
        """Note what a value that leaves the function carries with it."""
        if not frame.module.own:
            return
        parts = inside_of(value) if returned else value
        if any(is_unordered(one) and not is_set(one) for one in (frozenset({atom}) for atom in parts)):
            self.comes_out(frame, line, "a sequence made of a set")
        name = frame.function.name.rpartition(".")[2] if frame.function is not None else ""
        if returned and has_identity(value) and name not in _SILENT:
            self.end(frame, line, "identity", "id", _ADDRESS)

    def shown(self, frame: Frame, line: int, value: Value) -> None:
        """Note what a value shows as text; what a library makes a text of counts where the project takes the text."""
        if not frame.module.own:
            if not frame.raising and any(map(self._own_address, value)):
                self.texts.add(frame.point)
            return
        for atom in self._parts_of_text(value):
            if is_unordered(frozenset({atom})):
                self.comes_out(frame, line, "a set as text")
            if atom == ("id",):
                self.end(frame, line, "identity", "id", _ADDRESS)
            elif self.has_address(atom):
                name = self._kind_of(atom)
                self.end(
                    frame,
                    line,
                    "identity",
                    f"text of {name}",
                    f"{name} has no text of its own, so what is shown {_ADDRESS}",
                )

    def _parts_of_text(self, value: Value) -> list[Atom]:
        """Return what a text of a value shows: it, what it holds, and the fields of objects whose text lists them."""
        found, waiting = dict.fromkeys(inside_of(value)), list(inside_of(value))
        while waiting:
            one = waiting.pop()
            for field in self._fields_shown(one) if one[0] == "inst" else ():
                for inner in inside_of(field):
                    if inner not in found:
                        found[inner] = None
                        waiting.append(inner)
        return list(found)

    def _fields_shown(self, this: Atom) -> list[Value]:
        """Return the values of an object's fields, if a decorator wrote its text, which lists them."""
        state = self.classes[this[1]]
        if not state.shown or any(self.class_attribute(this[1], name) for name in _TEXTS):
            return []
        known = [self.classes[one] for one in state.order if one in self.classes and self.classes[one].generated]
        names = {name for one in known for name in one.names if not name.startswith("__")}
        shown = sorted(names - {name for one in known for name in one.unseen})
        return [self._field(this, name) for name in shown]

    def _field(self, this: Atom, name: str) -> Value:
        """Return what a field of an object was set to, or is annotated as; nothing for a method."""
        default = self.class_attribute(this[1], name)
        shared = self.shared.get((this[1], name), NOTHING) if this[2] is None else NOTHING
        found = self.attributes.get((this, name)) or shared or default
        annotated = name in self.classes[self._owner(this[1], name)].annotated
        return found if annotated else found - frozenset(atom for atom in default if atom[0] in _METHODS)

    def _own_address(self, atom: Atom) -> bool:
        """Tell whether something of the project's shows its address as text."""
        made = atom[1] if atom[0] in {"inst", "bound"} else atom
        return made[0] in {"fn", "cls"} and self.modules[made[1]].own and self.has_address(atom)

    def text_of_own(self, frame: Frame, line: int, callee: Atom, point: int, given: Named, made: Value) -> None:
        """Note a call that makes a text in a library and is given something of the project's that shows its address."""
        if not frame.module.own or self.modules[callee[1]].own or not any(map(self._is_text, made)):
            return
        shown = [atom for value in given.values() for atom in inside_of(value) if self._own_address(atom)]
        if shown:
            name = self._kind_of(min(shown, key=repr))
            reason = f"{name} has no text of its own, so what is shown {_ADDRESS}"
            self.handed.append((frame.point, End(line, "identity", f"text of {name}", reason), point))

    def _is_text(self, atom: Atom) -> bool:
        if atom[0] == "inst":
            return ("prim", "builtins.str") in self.classes[atom[1]].order
        return bool(atom[:2] == ("obj", "builtins.str"))

    def has_address(self, atom: Atom) -> bool:
        """Tell whether something shows its address as text."""
        if atom[0] == "inst":
            abstract = atom[2] is None and bool(self.classes[atom[1]].meta)  # what it is made of has a text, or may
            return not abstract and self._default_text(atom[1])
        if atom[0] == "obj":
            return getattr(real(atom[1]), "__repr__", None) is object.__repr__
        return atom[0] in {"fn", "part"} or (atom[0] == "bound" and atom[2] is not None) or atom[:2] == ("seq", "gen")

    def _kind_of(self, atom: Atom) -> str:
        if atom[0] == "inst":
            return self.name_of(atom[1]).rpartition(".")[2]
        return {"obj": str(atom[1]).rpartition(".")[2], "seq": "a generator"}.get(atom[0], "a function")

    def _default_text(self, atom: Atom) -> bool:
        state = self.classes[atom]
        plain = all(self.name_of(one) in _SHOW_NOTHING for one in state.meta)
        if not state.closed or state.shown or not plain:
            return False
        if any(one[0] == "prim" and one[1] != "builtins.object" for one in state.order):
            return False
        known = [self.classes[one].names for one in state.order if one[0] == "cls"]
        return not any(name in names for names in known for name in _TEXTS)

    def leave_loop(self, frame: Frame, line: int, node: Node | None) -> None:
        """Note that a loop over a set gives something out while it runs."""
        if frame.loops and node is not None and node[0] != "const":
            self.comes_out(frame, line, "a result from inside a loop over a set")
