"""The graph of calls: points, edges between them, and ends, which are primitives."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator


class End(NamedTuple):
    """A primitive that a function reaches by itself.

    Args:
        line: where, 1-based.
        capability: what it reaches.
        name: full name of the primitive, or what was done.
        reason: why that is no pure computation; what to do stands behind a semicolon.
    """

    line: int
    capability: str
    name: str
    reason: str


@dataclass(slots=True)
class Point:
    """One function in one context, or a module's body.

    Args:
        module: dotted name.
        name: name inside the module, empty for the body.
        line: where it is defined.
        calls: the points that it calls, each with the first line.
        ends: the primitives that it reaches.
    """

    module: str
    name: str
    line: int
    calls: dict[int, int] = field(default_factory=dict)
    ends: dict[End, None] = field(default_factory=dict)

    @property
    def full(self) -> str:
        """Full name of the function; the module's name for a body."""
        return f"{self.module}.{self.name}" if self.name else self.module


class Step(NamedTuple):
    """One step of a chain: in which function, in which line, and what is called there."""

    module: str
    function: str
    line: int
    target: str


class Reach(NamedTuple):
    """One primitive that a point reaches, with the shortest chain to it."""

    end: End
    steps: tuple[Step, ...]


class Graph:
    """All points that were computed, by number."""

    def __init__(self) -> None:
        self.points: list[Point] = []

    def add(self, module: str, name: str, line: int) -> int:
        """Add a point and return its number."""
        self.points.append(Point(module, name, line))
        return len(self.points) - 1

    def leads(self, start: int, targets: set[int]) -> bool:
        """Tell whether calls lead from a point to one of some others, or it is one itself."""
        seen, waiting = {start}, [start]
        while waiting:
            number = waiting.pop()
            if number in targets:
                return True
            fresh = [one for one in self.points[number].calls if one not in seen]
            seen.update(fresh)
            waiting += fresh
        return False

    def reach(self, start: int, policy: Policy) -> Iterator[Reach]:
        """Yield each capability and primitive that a point reaches, by its shortest chain; linear in the graph.

        Args:
            start: number of the point.
            policy: what counts, and where a chain ends.
        """
        first = start, policy.drops(self.points[start], None)
        came: dict[_State, tuple[_State, int] | None] = {first: None}
        queue = deque([first])
        told: set[tuple[str, str, int]] = set()
        while queue:
            state = queue.popleft()
            point = self.points[state[0]]
            for end in point.ends:
                if end.capability in state[1]:
                    policy.left_out(point, end)
                else:
                    steps = self._steps(state, end, came)
                    key = end.capability, end.name, steps[0].line
                    if key not in told:
                        told.add(key)
                        yield Reach(end, steps)
            for target, line in point.calls.items():
                other = self.points[target]
                if policy.stops(other):
                    continue
                following = target, state[1] | policy.drops(other, point)
                if following not in came:
                    came[following] = state, line
                    queue.append(following)

    def _steps(self, state: _State, end: End, came: dict[_State, tuple[_State, int] | None]) -> tuple[Step, ...]:
        point = self.points[state[0]]
        steps = [Step(point.module, point.name, end.line, end.name)]
        while (before := came[state]) is not None:
            target = self.points[state[0]].full
            state, line = before
            point = self.points[state[0]]
            steps.append(Step(point.module, point.name, line, target))
        return tuple(reversed(steps))


_State: TypeAlias = "tuple[int, frozenset[str]]"
"""A point, and the capabilities that do not count on the way that led to it."""


class Policy(Protocol):
    """What counts in a walk over the graph."""

    def left_out(self, point: Point, end: End) -> None:
        """Hear of a primitive that does not count on the way that was gone."""

    def stops(self, point: Point) -> bool:
        """Tell whether a chain does not go on to a point."""

    def drops(self, point: Point, caller: Point | None) -> frozenset[str]:
        """Return the capabilities that do not count in a point and in all that it calls, where it is called from."""
