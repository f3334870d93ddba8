"""What is put into lists and dicts, wherever they are kept: in names, module globals, attributes, other dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.effects.dicts import one_of, with_item
from x07py.effects.parts import Parts
from x07py.effects.values import NOTHING, UNKNOWN, Atom, Value, constants, join

if TYPE_CHECKING:
    from x07py.effects.state import Frame
    from x07py.effects.summary import Node

ITEMS = "[]"
"""The attribute under which an object keeps what was put into it."""
_GETS = {"setdefault", "get"}


def names_item(node: Node) -> bool:
    """Tell whether an expression calls a method that gives an item of a dict."""
    return node[0] == "call" and node[2][0] == "attr" and node[2][3] in _GETS and bool(node[3])


class Stores(Parts):
    """Keeps what a container became where it came from."""

    shared: dict[tuple[Atom, str], Value]
    origins: dict[tuple[str, str], tuple[str, str]]
    """Where containers come from that modules import by name, by the module and name that they have there."""
    second_names: dict[tuple[str, str], dict[tuple[str, str], None]]
    """Second names of such containers, by where they come from."""

    def set_item(self, frame: Frame, target: Node, value: Value) -> None:
        """Give an item a value."""
        _, line, base, index = target
        container, key = self.value(frame, base), self.value(frame, index)
        self.escape(frame, line, value)
        last = base[0] == "name" and base[2] in frame.names
        after = frozenset(with_item(atom, key, value, last=last, loose=bool(frame.loops)) for atom in container)
        self.keep(frame, base, container, after)
        for atom in container:
            if atom[0] == "inst" and not self.class_attribute(atom[1], "__setitem__"):
                self.fill(atom, key, value)
        self.magic(frame, line, container, "__setitem__", [key if constants(key) else UNKNOWN, value])

    def fill(self, this: Atom, key: Value, value: Value) -> None:
        """Note an item of an object of a class that is made from a dict or list."""
        own, shared = (this, ITEMS), (this[1], ITEMS)
        others = self.shared.get(shared, NOTHING)
        after = with_item(one_of(self.items_of(this)), key, value, last=False, loose=False)
        if own in self.attributes:
            self.attributes[own] = NOTHING  # what comes now holds all of it
        self.set_on_object(own, frozenset({after}), surely=False)
        self.shared[shared] = frozenset({one_of(join(others, frozenset({after})))})

    def items_of(self, this: Atom) -> Value:
        """Return the dict that holds what was put into an object of a class that is made from a dict or list."""
        found = self.attributes.get((this, ITEMS), NOTHING)
        if this[2] is None:
            found = join(found, self.shared.get((this[1], ITEMS), NOTHING))
        return frozenset({one_of(found)}) if found else NOTHING

    def keep(self, frame: Frame, node: Node, before: Value, after: Value) -> None:
        """Note that a container became another one.

        Args:
            frame: where it stands.
            node: the expression that gave the container.
            before: what that was.
            after: what it is now.
        """
        if after == before:
            return
        kind = node[0]
        if kind == "name":
            first = frame.second.pop(node[2], None)
            self._keep_name(frame, node[2], before, after)
            if first is not None:
                self.keep(frame, first, before, after)
                frame.second[node[2]] = first
        elif kind == "attr":
            self._keep_attribute(self.quietly(frame, node[2]), node[3], before, after)
        elif kind == "item" or names_item(node):
            base, index = (node[2], node[3]) if kind == "item" else (node[2][2], node[3][0])
            outer, key = self.quietly(frame, base), self.quietly(frame, index)
            grown = frozenset(with_item(atom, key, after, last=False, loose=False) for atom in outer)
            self.keep(frame, base, outer, grown)

    def _keep_name(self, frame: Frame, name: str, before: Value, after: Value) -> None:
        function = frame.function
        if name in frame.names or function is None or name in function.locals:
            self.bind_name(frame, name, after)
            if function is None and frame.body is None:
                self._keep_global(frame.module.name, name, before, after)
            return
        number = frame.outer
        while number:
            scope = self.scopes[number]
            assert scope is not None  # noqa: S101 (only number 0 has none)
            if name in scope.names:
                scope.names[name] = join(scope.names[name] - before, after)
                return
            number = scope.outer
        if name in frame.module.names:
            self._keep_global(frame.module.name, name, before, after)

    def import_table(self, frame: Frame, name: str, value: Value, origin: tuple[str, str]) -> None:
        """Note that a module's name is a second one for a container of another module, by module and name."""
        own = frame.module.name, name
        if frame.function is None and frame.body is None and any(atom[0] in {"seq", "map"} for atom in value):
            first = self.origins[own] = self.origins.get(origin, origin)
            self.second_names.setdefault(first, {})[own] = None

    def _keep_global(self, module: str, name: str, before: Value, after: Value) -> None:
        """Let a name of a module, and all second names of the same container, be what that became."""
        first = self.origins.get((module, name), (module, name))
        for one in {(module, name): None, first: None, **self.second_names.get(first, {})}:
            names = self.modules[one[0]].names
            names[one[1]] = join(names.get(one[1], NOTHING) - before, after)

    def _keep_attribute(self, base: Value, name: str, before: Value, after: Value) -> None:
        """Let an attribute be what its container became, which holds all that it held before."""
        for atom in base:
            owners = [(atom, name)]
            if atom[0] == "inst" and (atom, name) not in self.attributes:
                owners = [(one, name) for one in self.classes[atom[1]].order if one in self.classes]
                owners = [(one, name) for one, _ in owners if name in self.classes[one].names][:1] or [(atom, name)]
            for one, _ in owners:
                if one[0] == "cls" and one in self.classes and name in self.classes[one].names:
                    names = self.classes[one].names
                    names[name] = join(names[name] - before, after)
                elif one[0] == "mod" and one[1] in self.modules:
                    self._keep_global(one[1], name, before, after)
                elif one[0] == "inst":
                    held = self.attributes.get((one, name), NOTHING)
                    if held & before:
                        self.attributes[one, name] = held - before
                    self.set_attribute(frozenset({one}), name, after)
