"""Evaluating expressions to what they can be, with the calls and mentions on the way."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from x07py.effects.literals import Literals
from x07py.effects.operators import Operators
from x07py.effects.statements import Statements
from x07py.effects.values import (
    ANY,
    DATA,
    NOTHING,
    SAID,
    TOLD,
    UNKNOWN,
    Atom,
    Value,
    atoms,
    const,
    constants,
    elements,
    held,
    is_large,
    join,
    obj,
    text_of,
    uncounted,
)

if TYPE_CHECKING:
    from x07py.effects.state import Frame
    from x07py.effects.summary import Node

_TEXT = obj("builtins.str")
_DATA: Value = frozenset({DATA})
_OF_PLAIN: dict[Atom, Value] = {
    ("obj", "builtins.str"): _TEXT, SAID: TOLD, ("obj", "builtins.dict"): _DATA, DATA: _DATA,
}  # fmt: skip
"""What items are, of a text, of what was made of a word for the present, and of data."""
_ANNOTATED = {"typing.Annotated", "typing_extensions.Annotated"}


class Evaluate(Statements, Operators, Literals):
    """One method a kind of expression."""

    def value(self, frame: Frame, node: Node) -> Value:
        """Return what an expression can be, and note what evaluating it reaches."""
        return _EVALUATE[node[0]](self, frame, node)

    def quietly(self, frame: Frame, node: Node) -> Value:
        """Return what an expression can be where naming something does not count as reaching it."""
        saved, frame.point = frame.point, self.graph.add(frame.module.name, "", 0)
        try:
            return self.value(frame, node)
        finally:
            frame.point = saved

    def named_kind(self, frame: Frame, node: Node) -> Value:
        """Return what an annotation names."""
        if node[0] not in {"name", "attr"}:
            return NOTHING
        found = self.quietly(frame, node)
        if ANY in found and node[0] == "name" and frame.module.source is not None:
            found = self.typing_name(frame.module, node[2]) or found
        return NOTHING if ANY in found else found

    def _const(self, frame: Frame, node: Node) -> Value:
        kind = type(node[2]).__name__
        if kind == "int" and is_large(node[2]):
            return obj("builtins.int")
        return frozenset({("k", kind, node[2])})

    def _kind(self, frame: Frame, node: Node) -> Value:
        return obj(f"builtins.{node[2]}") if node[2] != "object" else UNKNOWN

    def _name(self, frame: Frame, node: Node) -> Value:
        return self.resolved(frame, node[1], self.look_up(frame, node[2]))

    def look_up(self, frame: Frame, name: str) -> Value:
        """Return what a name means in a frame."""
        if name in frame.names:
            return frame.names[name]
        function = frame.function
        if function is not None and name in function.locals:
            return UNKNOWN
        number = frame.outer
        while number:
            scope = self.scopes[number]
            assert scope is not None  # noqa: S101 (only number 0 has none)
            if name in scope.names:
                return scope.names[name]
            if name in self.function(scope.function).locals:
                return UNKNOWN
            number = scope.outer
        found = frame.module.names.get(name)
        if found is not None:
            return found
        if name == "__class__" and frame.owner is not None:
            return frozenset({frame.owner})
        if name == "__builtins__":
            return frozenset({("vars", "builtins")})
        if hasattr(builtins, name) or name == "reveal_type":
            value = getattr(builtins, name, None)
            return const(value) if isinstance(value, bool) else frozenset({("prim", f"builtins.{name}")})
        return UNKNOWN

    def resolved(self, frame: Frame, line: int, value: Value) -> Value:
        """Return a value with names filled in that were not bound yet when they were imported."""
        for atom in value:
            if atom[0] == "later":
                break
        else:
            return value
        found: list[Value] = []
        for atom in atoms(value):
            if atom[0] != "later":
                found.append(frozenset({atom}))
                continue
            module = self.modules[atom[1]]
            ready = atom[2] in module.names or module.done
            found.append(self.module_attribute(frame, line, atom[1], atom[2]) if ready else UNKNOWN)
        return join(*found)

    def _attr(self, frame: Frame, node: Node) -> Value:
        base = self.value(frame, node[2])
        found = self.attribute(frame, node[1], base, node[3])
        return self.resolved(frame, node[1], found)

    def _item(self, frame: Frame, node: Node) -> Value:
        base, index = self.value(frame, node[2]), self.value(frame, node[3])
        self.use(frame, node[1], base)
        found: list[Value] = []
        known = constants(index)
        for atom in atoms(base):
            kind = atom[0]
            if kind == "map":
                found.append(_of_map(atom, known))
            elif kind == "vars":
                found.append(self.variables(frame, node[1], atom[1], index))
            elif kind == "seq":
                if atom[3] == "?" and atom[1] != "set":
                    self.comes_out(frame, node[1], "an item of what has no fixed order")
                found.append(uncounted(frozenset({atom})) if node[3][0] == "slice" else _part(atom, known))
            elif kind == "k":
                found.append(_constant_item(atom[2], known))
            elif kind in {"cls", "prim"} and self.name_of(atom) in _ANNOTATED:
                found.append(frozenset({("noted", *map(held, _apart_first(index)))}))
            elif kind in {"inst", "cls"}:
                method = "__getitem__" if kind == "inst" else "__class_getitem__"
                got = self.magic(frame, node[1], frozenset({atom}), method, [index])
                if kind == "inst" and not got:
                    got = self.magic(frame, node[1], frozenset({atom}), "__missing__", [index])
                    kept = [_of_map(one, known) for one in self.items_of(atom)]
                    got = join(got, *kept, UNKNOWN) if kept else got
                found.append(got or (frozenset({atom}) if kind == "cls" else UNKNOWN))
            elif kind == "prim":
                named = text_of(index)
                found.append(
                    frozenset({("prim", f"{atom[1]}.{named}")}) if named and named.isidentifier() else frozenset({atom})
                )
            else:
                found.append(_OF_PLAIN.get(atom, UNKNOWN))
        return join(*found) if found else UNKNOWN

    def _slice(self, frame: Frame, node: Node) -> Value:
        for part in node[2]:
            self.value(frame, part)
        return UNKNOWN

    def _choose(self, frame: Frame, node: Node) -> Value:
        known = self.truth(self.value(frame, node[2]))
        if known is not None:
            return self.value(frame, node[3] if known else node[4])
        if frame.function is None:
            return join(self.value(frame, node[3]), self.value(frame, node[4]))
        before = frame.names
        found = []
        for holds, part in ((True, node[3]), (False, node[4])):
            frame.names = dict(before)
            self.narrow(frame, node[2], holds)
            with self.loosely():
                found.append(self.value(frame, part))
        frame.names = before
        return join(*found)

    def _lambda(self, frame: Frame, node: Node) -> Value:
        function = self.function(("fn", frame.module.name, node[2], 0))
        for default in function.defaults.values():
            self.value(frame, default)
        return frozenset({("fn", frame.module.name, node[2], frame.scope)})

    def _yield(self, frame: Frame, node: Node) -> Value:
        value = self.value(frame, node[2]) if node[2] is not None else const(None)
        self.leave_loop(frame, node[1], node[2])
        self.escape(frame, node[1], value, returned=True)
        if frame.gives_to_anybody:
            self.mention(frame, node[1], value, node[2])
        frame.yields.append(value)
        return UNKNOWN

    def _yieldfrom(self, frame: Frame, node: Node) -> Value:
        value = self.iterated(frame, node[1], self.value(frame, node[2]))
        inside, unordered = elements(value)
        if unordered:
            self.comes_out(frame, node[1], "yield from a set")
        frame.yields.append(inside)
        return UNKNOWN

    def _await(self, frame: Frame, node: Node) -> Value:
        value = self.value(frame, node[2])
        waited = frozenset(atom for atom in atoms(value) if atom[0] == "inst")
        result = self.magic(frame, node[1], waited, "__await__", []) if waited else NOTHING
        rest = value - waited
        return join(rest, UNKNOWN if result else waited)

    def _walrus(self, frame: Frame, node: Node) -> Value:
        value = self.value(frame, node[3])
        self.bind_name(frame, node[2], value)
        return value

    def _call(self, frame: Frame, node: Node) -> Value:
        return self.called(frame, node)


def _apart_first(index: Value) -> tuple[Value, Value]:
    """Return what stands first between the brackets of ``Annotated``, and the rest."""
    (atom,) = index if len(index) == 1 else (("?",),)
    parts = atom[4] if atom[0] == "seq" and len(atom) > 4 else (UNKNOWN, elements(index)[0])
    return parts[0], join(*parts[1:])


def _part(atom: Atom, index: list[Any] | None) -> Value:
    """Return an item of a list or tuple."""
    parts = atom[4] if len(atom) > 4 else ()
    if index and all(isinstance(one, int) and -len(parts) <= one < len(parts) for one in index):
        return join(*(parts[one] for one in index))
    whole: Value = atom[2]
    return whole


def _of_map(atom: Atom, known: list[Any] | None) -> Value:
    """Return what an item of a dict can be, by the constants that its key is one of."""
    pairs = dict(atom[4])
    picked = [pairs[key] for key in known or () if key in pairs] if pairs else []
    whole: Value = atom[2]
    return join(*picked) if picked else whole


def _constant_item(value: Any, index: list[Any] | None) -> Value:
    if isinstance(value, str):
        return _TEXT
    if isinstance(value, tuple):
        if index and len(index) == 1 and isinstance(index[0], int) and -len(value) <= index[0] < len(value):
            return const(value[index[0]])
        return join(*map(const, value)) if value else UNKNOWN
    return UNKNOWN


_EVALUATE = {
    "const": Evaluate._const, "kind": Evaluate._kind, "name": Evaluate._name, "attr": Evaluate._attr,
    "item": Evaluate._item, "slice": Evaluate._slice, "bin": Evaluate._bin, "un": Evaluate._un, "and": Evaluate._and,
    "or": Evaluate._or, "cmp": Evaluate._cmp, "choose": Evaluate._choose, "list": Evaluate._list,
    "tuple": Evaluate._tuple, "set": Evaluate._set, "dict": Evaluate._dict, "comp": Evaluate._comp,
    "text": Evaluate._text, "shown": Evaluate._shown, "lambda": Evaluate._lambda, "yield": Evaluate._yield,
    "yieldfrom": Evaluate._yieldfrom, "await": Evaluate._await, "walrus": Evaluate._walrus, "star": Evaluate._star,
    "call": Evaluate._call, "every": Evaluate._every,
}  # fmt: skip
