"""The walk over the graph of calls: what points reach, each primitive by its shortest chain.

The graph is gone through once from all points that are asked about, and then backwards from each primitive. So time
grows with the calls and the primitives, and not with the calls times the points that are asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from x07py.effects.graph import Chain, Reach, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from x07py.effects.graph import End, Graph, Policy

_State: TypeAlias = "tuple[int, frozenset[str]]"
"""A point, and the capabilities that do not count on the way that led to it."""
_Label: TypeAlias = "tuple[str, str]"
"""A capability and the name of the primitive."""


class Walk:
    """All that is reached from some points.

    Args:
        graph: the calls.
        starts: numbers of the points that are asked about.
        policy: what counts, and where a chain ends.
    """

    def __init__(self, graph: Graph, starts: Iterable[int], policy: Policy) -> None:
        self._graph = graph
        self._points = graph.points
        self._numbers: dict[_State, int] = {}
        self._states: list[_State] = []
        self._calls: list[list[tuple[int, int]]] = []
        self._callers: list[list[tuple[int, int]]] = []
        self._ends: dict[_Label, dict[int, list[End]]] = {}
        self._starts = {start: self._number((start, policy.drops(graph.points[start], None))) for start in starts}
        self._expand(policy)

    def _number(self, state: _State) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
            self._calls.append([])
            self._callers.append([])
        return number

    def _expand(self, policy: Policy) -> None:
        """Go through all that is called, once."""
        number = 0
        while number < len(self._states):
            at, dropped = self._states[number]
            point = self._points[at]
            for end in point.ends:
                if end.capability in dropped or policy.leaves(point, end):
                    policy.left_out(point, end)
                else:
                    self._ends.setdefault((end.capability, end.name), {}).setdefault(number, []).append(end)
            for target, line in self._graph.calls(at):
                other = self._points[target]
                if not policy.stops(other):
                    called = self._number((target, dropped | policy.drops(other, point)))
                    self._calls[number].append((called, line))
                    self._callers[called].append((number, line))
            number += 1

    def reaches(self) -> dict[int, list[Reach]]:
        """Return what each point reaches: each capability and primitive once for each line that it starts in."""
        found: dict[int, list[Reach]] = {start: [] for start in self._starts}
        for ends in self._ends.values():
            back = _Back(self, ends)
            for start, number in self._starts.items():
                found[start] += back.of(number)
        return found

    def step(self, number: int, line: int, target: str) -> Step:
        """Return a step that starts in a state."""
        point = self._points[self._states[number][0]]
        return Step(point.module, point.name, line, target)

    def named(self, number: int) -> str:
        """Return the full name of a state's function."""
        return self._points[self._states[number][0]].full

    def calls(self, number: int) -> list[tuple[int, int]]:
        """Return the states that a state calls, each with the line."""
        return self._calls[number]

    def callers(self, number: int) -> list[tuple[int, int]]:
        """Return the states that call a state, each with the line."""
        return self._callers[number]


class _Back:
    """The ways to one primitive: from each state that reaches it, the next step of the shortest."""

    def __init__(self, walk: Walk, ends: dict[int, list[End]]) -> None:
        self._walk = walk
        self._ends = ends
        self._next: dict[int, tuple[int, int] | None] = dict.fromkeys(ends)
        self._reaches: dict[int, Reach] = {}
        level = list(ends)
        while level:
            above: list[int] = []
            for number in level:
                for caller, line in walk.callers(number):
                    if caller not in self._next:
                        self._next[caller] = number, line
                        above.append(caller)
            level = above

    def of(self, start: int) -> Iterator[Reach]:
        """Yield the shortest way from each line of a state that starts one."""
        told = set()
        for end in self._ends.get(start, ()):
            if end.line not in told:
                told.add(end.line)
                yield Reach(end, Chain(self._walk.step(start, end.line, end.name), None, 1))
        best: dict[int, tuple[Reach, int]] = {}
        for target, line in self._walk.calls(start):
            if target in self._next and line not in told:
                reach = self._reach(target)
                if line not in best or reach.chain.length < best[line][0].chain.length:
                    best[line] = reach, target
        for line, (reach, target) in best.items():
            step = self._walk.step(start, line, self._walk.named(target))
            yield Reach(reach.end, Chain(step, reach.chain, reach.chain.length + 1))

    def _reach(self, number: int) -> Reach:
        """Return the shortest way from a state; ways that meet share the rest."""
        way = []
        while number not in self._reaches and (following := self._next[number]) is not None:
            way.append((number, *following))
            number = following[0]
        reach = self._reaches.get(number)
        if reach is None:
            end = self._ends[number][0]
            reach = self._reaches[number] = Reach(end, Chain(self._walk.step(number, end.line, end.name), None, 1))
        for caller, called, line in reversed(way):
            step = self._walk.step(caller, line, self._walk.named(called))
            reach = self._reaches[caller] = Reach(reach.end, Chain(step, reach.chain, reach.chain.length + 1))
        return reach
