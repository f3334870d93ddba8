"""Lists, dicts, comprehensions and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.effects.parts import Parts
from x07py.effects.texts import is_part, joined_text
from x07py.effects.values import (
    UNKNOWN,
    Value,
    const,
    constants,
    elements,
    is_large,
    is_unordered,
    join,
    mapping,
    obj,
    parts_of,
    seq,
)

if TYPE_CHECKING:
    from x07py.effects.state import Frame
    from x07py.effects.summary import Node

_TEXT = obj("builtins.str")
_MOST_PAIRS = 400
_LONGEST_TUPLE = 12


class Literals(Parts):
    """One method a kind of expression."""

    def _list(self, frame: Frame, node: Node) -> Value:
        values = self._elements(frame, node)
        order = (
            "?" if any(is_unordered(v) for v, part in zip(values, node[2], strict=True) if part[0] == "star") else ""
        )
        return seq(node[0], join(*(self._inner(v, part) for v, part in zip(values, node[2], strict=True))), order)

    def _tuple(self, frame: Frame, node: Node) -> Value:
        values = self._elements(frame, node)
        if len(values) <= _LONGEST_TUPLE and all(len(value) == 1 for value in values):
            atoms = [next(iter(value)) for value in values]
            known = tuple(atom[2] for atom in atoms if atom[0] == "k")
            if len(known) == len(atoms) and not is_large(known):
                return const(known)
        order = (
            "?" if any(is_unordered(v) for v, part in zip(values, node[2], strict=True) if part[0] == "star") else ""
        )
        if len(values) <= _LONGEST_TUPLE and all(part[0] != "star" for part in node[2]):
            return parts_of(*values)
        return seq("tuple", join(*(self._inner(v, part) for v, part in zip(values, node[2], strict=True))), order)

    def _set(self, frame: Frame, node: Node) -> Value:
        values = self._elements(frame, node)
        return seq("set", join(*(self._inner(v, part) for v, part in zip(values, node[2], strict=True))), "?")

    @staticmethod
    def _inner(value: Value, part: Node) -> Value:
        return elements(value)[0] if part[0] == "star" else value

    def _elements(self, frame: Frame, node: Node) -> list[Value]:
        values = []
        for part in node[2]:
            value = self.value(frame, part)
            self.mention(frame, part[1], value, part, plain=True)
            values.append(value)
        return values

    def _star(self, frame: Frame, node: Node) -> Value:
        value = self.value(frame, node[2])
        self.use(frame, node[1], value)
        return value

    def _dict(self, frame: Frame, node: Node) -> Value:
        keys: list[Value] = []
        values: list[Value] = []
        pairs: dict[Any, Value] = {}
        plain, order = True, ""
        for key, part in zip(node[2], node[3], strict=True):
            value = self.value(frame, part)
            self.mention(frame, part[1], value, part, plain=True)
            if key is None:
                spread = next(iter(value))[4] if len(value) == 1 and next(iter(value))[0] == "map" else ()
                plain = plain and bool(spread)
                pairs |= dict(spread)
                order = "?" if is_unordered(value) else order
                maps = [atom for atom in value if atom[0] == "map"]
                keys += [atom[1] for atom in maps] or [UNKNOWN]
                values += [atom[2] for atom in maps] or [UNKNOWN]
                continue
            name = self.value(frame, key)
            keys.append(name)
            values.append(value)
            known = constants(name)
            if known and len(known) == 1:
                pairs[known[0]] = value
            else:
                plain = False
        kept = tuple(pairs.items()) if plain and len(pairs) <= _MOST_PAIRS else ()
        kept = () if is_large(kept) else kept
        return mapping(join(*keys), join(*values), order, kept)

    def _comp(self, frame: Frame, node: Node) -> Value:
        _, line, kind, parts, generators = node
        before = frame.names
        frame.names = dict(before)
        unordered = False
        for target, iterable, conditions in generators:
            value = self.iterated(frame, line, self.value(frame, iterable))
            inside, loose = elements(value)
            unordered = unordered or loose
            self.bind(frame, target, inside)
            for condition in conditions:
                self.value(frame, condition)
                self.narrow(frame, condition, holds=True)
        with self.loosely():
            found = [self.value(frame, part) for part in parts]
        for part, value in zip(parts, found, strict=True):
            self.mention(frame, line, value, part, plain=not frame.judged)
        frame.names = before
        order = "?" if unordered or kind == "set" else ""
        return mapping(found[0], found[1], order) if kind == "dict" else seq(kind, found[0], order)

    def _text(self, frame: Frame, node: Node) -> Value:
        values = [self.value(frame, part) for part in node[2]]
        known = [constants(value) for value in values]
        count = 1
        for one in known:
            count *= len(one) if one else 99
        if count > 16:
            return joined_text(values)
        texts = [""]
        for one in known:
            texts = [text + str(part) for text in texts for part in one or ()]
        return _TEXT if is_large(tuple(texts)) else join(*map(const, texts))

    def _shown(self, frame: Frame, node: Node) -> Value:
        value = self.value(frame, node[2][0])
        self.use(frame, node[1], value)
        self.shown(frame, node[1], value)
        for part in node[2][1:]:
            self.by_locale(frame, node[1], self.value(frame, part))
        return value if len(node[2]) == 1 and (constants(value) or is_part(value)) else _TEXT
