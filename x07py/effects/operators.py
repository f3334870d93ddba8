"""Operators, conditions and comparisons: computed where both sides are known, else what can come of them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from x07py.effects.parts import Parts
from x07py.effects.texts import filled, is_part, joined_text
from x07py.effects.values import (
    ANY,
    LOOSE,
    UNKNOWN,
    Value,
    atoms,
    boolean,
    const,
    constants,
    elements,
    is_large,
    is_unordered,
    join,
    mapping,
    obj,
    seq,
    uncounted,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.effects.state import Frame
    from x07py.effects.summary import Node

_TEXT = obj("builtins.str")
_NUMBERS = (int, float, str, tuple)


class Operators(Parts):
    """One method a kind of expression."""

    def _bin(self, frame: Frame, node: Node) -> Value:
        return self.binary(frame, node[1], node[2], self.value(frame, node[3]), self.value(frame, node[4]))

    def binary(self, frame: Frame, line: int, name: str, left: Value, right: Value) -> Value:
        """Return what an operator gives."""
        both = constants(left), constants(right)
        if name in _OPERATORS and both[0] and both[1] and len(both[0]) * len(both[1]) <= 16:
            return _computed(name, both[0], both[1])
        if name == "Mod" and any(a[:2] == ("k", "str") or a[:2] == ("obj", "builtins.str") for a in left):
            self.shown(frame, line, right)
            return filled(left)
        found: list[Value] = []
        for atom in atoms(left):
            if atom[0] == "inst":
                found.append(self.magic(frame, line, frozenset({atom}), _METHODS.get(name, ""), [right]) or UNKNOWN)
            elif atom[0] in {"seq", "map"} or (atom[0] == "k" and isinstance(atom[2], tuple)):
                found.append(self._merged(name, frozenset({atom}), right))
            elif atom[:2] in {("k", "str"), ("obj", "builtins.str")}:
                found.append(joined_text([frozenset({atom}), right]) if name == "Add" else _TEXT)
            elif atom == ("id",) or ("id",) in right:
                found.append(frozenset({("id",)}))
            elif atom in LOOSE and name == "Add" and is_part(right):
                ending = joined_text([UNKNOWN, right])
                found.append(ending if ending != _TEXT else UNKNOWN)
            else:
                found.append(_of_sets(name, right))
        for atom in atoms(right):
            if atom[0] == "inst":
                method = f"__r{_METHODS.get(name, '')[2:]}"
                found.append(self.magic(frame, line, frozenset({atom}), method, [left]))
        return join(*found) if found else UNKNOWN

    @staticmethod
    def _merged(name: str, left: Value, right: Value) -> Value:
        (atom,) = left
        order = "?" if is_unordered(left) or (is_unordered(right) and name != "Sub") else ""
        if name == "Mult":
            return uncounted(left)
        if atom[:2] in {("seq", "view"), ("seq", "items")} and name in _OF_SETS:
            return seq("set", join(elements(left)[0], elements(right)[0]), "?")
        inside = join(elements(left)[0], elements(right)[0])
        if atom[0] == "map":
            return mapping(inside, UNKNOWN, order)
        return seq(atom[1] if atom[0] == "seq" else "tuple", inside, order)

    def _un(self, frame: Frame, node: Node) -> Value:
        value = self.value(frame, node[3])
        if node[2] == "Not":
            known = self.truth(value)
            return boolean(None if known is None else not known)
        known_numbers = constants(value)
        if node[2] == "USub" and known_numbers and all(isinstance(one, int | float) for one in known_numbers):
            return join(*(const(-one) for one in known_numbers))
        return value

    def _and(self, frame: Frame, node: Node) -> Value:
        return self._either(frame, node[2], stops=False)

    def _or(self, frame: Frame, node: Node) -> Value:
        return self._either(frame, node[2], stops=True)

    def _either(self, frame: Frame, parts: tuple[Node, ...], *, stops: bool) -> Value:
        found: list[Value] = []
        before = dict(frame.names) if frame.function is not None else None
        for part in parts:
            with self.loosely():
                value = self.value(frame, part)
            known = self.truth(value)
            if known is stops:
                found.append(value)
                break
            if known is None or part is parts[-1]:
                kept = frozenset(a for a in value if self.truth(frozenset({a})) in {None, stops})
                found.append(value if part is parts[-1] else kept)
            if before is not None:
                self.narrow(frame, part, not stops)
        if before is not None:
            kept_names = {key: before.get(key, value) for key, value in frame.names.items()}
            frame.names = kept_names
        return join(*found)

    def _every(self, frame: Frame, node: Node) -> Value:
        """Work out ``all`` or ``any`` of what is written out, each of which is worked out."""
        stops = node[2] == "any"
        answers = {self.truth(self.value(frame, part)) for part in node[3]}
        if stops in answers:
            return boolean(stops)
        return boolean(None if None in answers else not stops)

    def _cmp(self, frame: Frame, node: Node) -> Value:
        left = self.value(frame, node[2])
        answer: bool | None = True
        for name, right_node in zip(node[3], node[4], strict=True):
            right = self.value(frame, right_node)
            self.use(frame, node[1], left)
            self.use(frame, node[1], right)
            for side, other in ((left, right), (right, left)):
                method = "__contains__" if name in {"In", "NotIn"} else _METHODS.get(name, "")
                if side is right or name not in {"In", "NotIn"}:
                    insts = frozenset(atom for atom in side if atom[0] == "inst")
                    if insts and method:
                        self.magic(frame, node[1], insts, method, [other])
            one = _compared(name, left, right)
            answer = False if one is False or answer is False else (None if one is None else answer)
            left = right
        return boolean(answer)


def _of_sets(name: str, right: Value) -> Value:
    """Return what an operator gives for something unknown and the right side: a set where that is a set or a view."""
    sets = name in _OF_SETS and bool(right) and all(a[:2] in _SETS for a in right)
    return seq("set", UNKNOWN, "?") if sets else UNKNOWN


def _computed(name: str, left: list[Any], right: list[Any]) -> Value:
    found = []
    for one in left:
        for other in right:
            if not isinstance(one, _NUMBERS) or not isinstance(other, _NUMBERS):
                return UNKNOWN
            if name == "Mult" and not (isinstance(one, int | float) and isinstance(other, int | float)):
                return UNKNOWN
            try:
                result = _OPERATORS[name](one, other)
            except (TypeError, ValueError, ArithmeticError):
                return UNKNOWN
            if is_large(result):
                return UNKNOWN
            found.append(const(result))
    return join(*found)


def _compared(name: str, left: Value, right: Value) -> bool | None:
    one, other = constants(left), constants(right)
    if name in {"Is", "IsNot"} and other == [None]:
        found = {None if atom == ANY else atom[:2] == ("k", "NoneType") for atom in left}
        answer = found.pop() if len(found) == 1 else None
        return answer if name == "Is" or answer is None else not answer
    if not one or not other or len(one) * len(other) > _MOST_COMPARED:
        return None
    try:
        answers = {bool(_COMPARE[name](left_one, right_one)) for left_one in one for right_one in other}
    except (TypeError, KeyError):
        return None
    return answers.pop() if len(answers) == 1 else None


_MOST_COMPARED = 16
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add, "Sub": operator.sub, "Mult": operator.mul, "BitAnd": operator.and_, "BitOr": operator.or_,
    "FloorDiv": operator.floordiv,
}  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "Eq": operator.eq, "NotEq": operator.ne, "Lt": operator.lt, "LtE": operator.le, "Gt": operator.gt,
    "GtE": operator.ge, "Is": operator.eq, "IsNot": operator.ne, "In": lambda a, b: a in b,
    "NotIn": lambda a, b: a not in b,
}  # fmt: skip
_OF_SETS = {"BitAnd", "BitOr", "BitXor", "Sub"}
_SETS = {
    ("seq", "set"),
    ("seq", "frozenset"),
    ("seq", "view"),
    ("seq", "items"),
    ("obj", "builtins.set"),
    ("obj", "builtins.frozenset"),
}
_METHODS = {
    "Add": "__add__", "Sub": "__sub__", "Mult": "__mul__", "Div": "__truediv__", "FloorDiv": "__floordiv__",
    "Mod": "__mod__", "Pow": "__pow__", "LShift": "__lshift__", "RShift": "__rshift__", "BitOr": "__or__",
    "BitAnd": "__and__", "BitXor": "__xor__", "MatMult": "__matmul__", "Eq": "__eq__", "NotEq": "__ne__",
    "Lt": "__lt__", "LtE": "__le__", "Gt": "__gt__", "GtE": "__ge__",
}  # fmt: skip
