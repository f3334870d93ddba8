"""What a condition leaves possible of a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.effects.parts import Parts
from x07py.effects.texts import known_text
from x07py.effects.values import ANY, LOOSE, SAID, constants, join, obj, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.effects.state import Frame
    from x07py.effects.summary import Node

_OBJECT = obj("builtins.object")
"""What stands for "not given" in many signatures."""
_TEXT = ("obj", "builtins.str")
_ENDS = {"startswith", "endswith"}


class Narrowing(Parts):
    """Names in a branch."""

    def narrow(self, frame: Frame, test: Node, holds: bool) -> None:
        """Keep of a name what a condition leaves possible."""
        kind = test[0]
        if kind == "un" and test[2] == "Not":
            self.narrow(frame, test[3], not holds)
        elif kind == ("and" if holds else "or"):
            for part in test[2]:
                self.narrow(frame, part, holds)
        elif kind == "name":
            self._keep(frame, test[2], lambda one: self.truth(frozenset({one})) in {None, holds})
        elif kind == "cmp" and test[3] in {("Is",), ("IsNot",)} and test[2][0] == "name":
            other = self.quietly(frame, test[4][0])
            same = (test[3] == ("Is",)) == holds
            if constants(other) == [None]:
                self._keep(frame, test[2][2], lambda one: one == ANY or (one[:2] == ("k", "NoneType")) == same)
            elif other == _OBJECT:
                self._keep(frame, test[2][2], lambda one: one in LOOSE or (one in other) == same)
        elif kind == "call" and test[2][0] == "name" and test[2][2] == "isinstance" and len(test[3]) == 2:
            self._narrow_kind(frame, test[3], holds=holds)
        elif kind == "call" and holds and test[2][0] == "attr" and test[2][3] in _ENDS and test[2][2][0] == "name":
            self._narrow_text(frame, test[2][2][2], test[2][3], test[3])

    def _narrow_text(self, frame: Frame, name: str, method: str, given: tuple[Node, ...]) -> None:
        """Keep of an unknown text how it begins or ends."""
        known = text_of(self.quietly(frame, given[0])) if len(given) == 1 else None
        if known and name in frame.names and frame.names[name] <= LOOSE | {_TEXT}:
            frame.names[name] = known_text(known, "") if method == "startswith" else known_text("", known)

    def _narrow_kind(self, frame: Frame, given: tuple[Node, ...], *, holds: bool) -> None:
        if given[0][0] != "name" or given[0][2] not in frame.names:
            return
        kinds = self.quietly(frame, given[1])
        name = given[0][2]
        self._keep(frame, name, lambda one: one in LOOSE or self.is_kind(one, kinds) in {None, holds})
        value = frame.names[name]
        above = frozenset(one for one in value if one not in LOOSE and self.is_kind(one, kinds) is None)
        if holds and (value <= LOOSE or above):
            made = [self.instance_of(kind) for kind in self.kinds(kinds)]
            if made and all(made):
                frame.names[name] = join(*made, (value & {SAID}) if value <= LOOSE else value - above)

    def _keep(self, frame: Frame, name: str, test: Callable[[tuple[object, ...]], bool]) -> None:
        value = frame.names.get(name)
        if value:
            kept = frozenset(filter(test, value))
            if kept:
                frame.names[name] = kept
