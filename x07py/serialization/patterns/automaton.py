"""A search that tries all ways through a pattern at once (Thompson), and remembers where it was (a lazy DFA)."""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

from x07py.serialization.patterns.characters import WORDS, Ranges
from x07py.serialization.patterns.syntax import Chars, Choice, Edge, Node, PatternError, Repeat, Row

if TYPE_CHECKING:
    from collections.abc import Iterable

_START, _OTHER, _WORD, _END = range(4)
"""What stands beside a place: an end of the text, a character, a character of a word."""
_MOST_STEPS, _STEPS_OF_CHARACTER = 2_000_000, 50
_first = itemgetter(0)
_MOST_KEPT = 100_000
"""Places in a pattern that its states hold together before they are forgotten."""


class _State:
    """The places in a pattern at which a search may be, and where each kind of character leads, with its steps."""

    __slots__ = ("before", "moves", "places")

    def __init__(self, places: frozenset[int], before: int) -> None:
        self.places, self.before = places, before
        self.moves: dict[int, tuple[_State, int]] = {}


_FOUND, _LOST = _State(frozenset(), _OTHER), _State(frozenset(), _OTHER)
"""Where a search ends: whatever comes then, the pattern is found, or is not."""


class Pattern:
    """A pattern that can be searched for."""

    def __init__(self, text: str, node: Node) -> None:
        self.text = text
        self._ops: list[Ranges | str | None] = [None]
        """What a place asks for: a character of a set, an edge, or nothing. The first is the end."""
        self._next: list[tuple[int, ...]] = [()]
        self._ranges: dict[int, Ranges] = {}
        self._entry = self._add(node, 0)
        self._edges = any(one in ("b", "B") for one in self._ops)
        sets = list(dict.fromkeys(one for one in self._ops if isinstance(one, tuple)))
        ranges = chain.from_iterable([*sets, *([WORDS] if self._edges else [])])
        self._bounds = sorted({bound for first, last in ranges for bound in (first, last + 1)})
        self._kinds = [bisect_right(self._bounds, one) for one in range(128)]
        self._states: dict[tuple[frozenset[int], int], _State] = {}
        self._kept = 0
        self._again = frozenset([self._entry]) if self._may_begin_later() else frozenset()

    def _place(self, op: Ranges | str | None, following: Iterable[int]) -> int:
        self._ops.append(op)
        self._next.append(tuple(following))
        return len(self._ops) - 1

    def _add(self, node: Node, after: int) -> int:
        """Add what a node asks for before the place `after`, and return where it begins."""
        match node:
            case Chars():
                ranges = self._ranges[id(node)] = self._ranges.get(id(node)) or node.ranges()
                return self._place(ranges, [after])
            case Edge(kind):
                return self._place(kind, [after])
            case Row(parts):
                for one in reversed(parts):
                    after = self._add(one, after)
                return after
            case Choice(parts):
                return self._place(None, [self._add(one, after) for one in parts])
            case Repeat(part, least, most):
                return self._add_repeat(part, least, most, after)

    def _add_repeat(self, part: Node, least: int, most: int | None, after: int) -> int:
        if most is None:
            loop = self._place(None, ())
            start = self._add(part, loop)
            self._next[loop] = (start, after)
            entry, least = (start, least - 1) if least else (loop, 0)
        else:
            entry = after
            for _ in range(most - least):
                entry = self._place(None, [self._add(part, entry), after])
        for _ in range(least):
            entry = self._add(part, entry)
        return entry

    def _may_begin_later(self) -> bool:
        """Tell whether a match may begin behind the start of a text."""
        return any(
            reached or is_found
            for before in (_OTHER, _WORD)
            for behind in (_OTHER, _WORD, _END)
            for reached, is_found, _ in [self._reach([self._entry], before, behind)]
        )

    def _reach(self, places: Iterable[int], before: int, behind: int) -> tuple[list[int], bool, int]:
        """Return the characters that may come next, whether a match is at its end, and how many steps that took."""
        todo, seen, found = sorted(places), set(places), []
        while todo:
            place = todo.pop()
            op = self._ops[place]
            if isinstance(op, tuple):
                found.append(place)
            elif place and (op is None or _holds(op, before, behind)):
                fresh = [one for one in self._next[place] if one not in seen]
                seen.update(fresh)
                todo += fresh
            elif not place:
                return found, True, len(seen)
        return found, False, len(seen)

    def found_in(self, text: str) -> bool:
        """Tell whether the pattern is found anywhere in a text; time is linear in it.

        Raises:
            PatternError: it takes more than 2,000,000 steps and 50 for each character, which patterns of thousands of
                steps can ask for.
        """
        kinds, bounds, left = self._kinds, self._bounds, _MOST_STEPS + _STEPS_OF_CHARACTER * len(text)
        state = self._state(frozenset([self._entry]), _START)
        for one in text:
            code = ord(one)
            kind = kinds[code] if code < 128 else bisect_right(bounds, code)
            move = state.moves.get(kind)
            if move is None:
                move = state.moves[kind] = self._move(state, code)
            state, steps = move
            if not state.places:
                return state is _FOUND
            left -= steps
            if left < 0:
                message = f"the pattern {self.text[:60]!r} takes too long on a text of {len(text)} characters"
                raise PatternError(message, "bound the text by maxLength, or write a smaller pattern")
        return self._reach(state.places, state.before, _END)[1]

    def _move(self, state: _State, code: int) -> tuple[_State, int]:
        """Return where a character leads, and how many steps it took to find that."""
        before = _WORD if self._edges and _has(WORDS, code) else _OTHER
        characters, is_found, steps = self._reach(state.places, state.before, before)
        if is_found:
            return _FOUND, steps
        reached = self._again.union(self._next[one][0] for one in characters if _has(self._ops[one], code))
        return self._state(reached, before) if reached else _LOST, steps

    def _state(self, places: frozenset[int], before: int) -> _State:
        state = self._states.get((places, before))
        if state is None:
            if self._kept > _MOST_KEPT:
                self._states, self._kept = {}, 0
            self._kept += len(places) + 10
            state = self._states[places, before] = _State(places, before)
        return state


def _has(ranges: Ranges | str | None, code: int) -> bool:
    """Tell whether a set has a character."""
    if not isinstance(ranges, tuple):
        return False
    place = bisect_right(ranges, code, key=_first) - 1
    return place >= 0 and code <= ranges[place][1]


def _holds(edge: str | Ranges, before: int, behind: int) -> bool:
    if edge == "^":
        return before == _START
    if edge == "$":
        return behind == _END
    return ((before == _WORD) != (behind == _WORD)) == (edge == "b")
