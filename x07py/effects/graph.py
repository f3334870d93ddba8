"""The graph of calls: points, edges between them, and ends, which are primitives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

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
        calls: the points that it calls, each with the first line that does.
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


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Steps that end at a primitive; chains share what they end with, so that many long ones stay small.

    Args:
        step: the first.
        rest: the others, None behind the last.
        length: how many steps there are.
    """

    step: Step
    rest: Chain | None
    length: int

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps."""
        chain: Chain | None = self
        while chain is not None:
            yield chain.step
            chain = chain.rest


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """One primitive that a point reaches, with the shortest chain to it."""

    end: End
    chain: Chain

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps of the chain."""
        return tuple(self.chain)


class Graph:
    """All points that were computed, by number."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.again: dict[int, dict[tuple[int, int], None]] = {}
        """By point: calls from further lines, of what it calls before, each with the line."""

    def call(self, start: int, target: int, line: int, *, each: bool) -> None:
        """Note a call.

        Args:
            start: number of the point that calls.
            target: number of the point that is called.
            line: where, 1-based.
            each: whether further lines that call the same count, too.
        """
        if self.points[start].calls.setdefault(target, line) != line and each:
            self.again.setdefault(start, {})[target, line] = None

    def calls(self, start: int) -> Iterator[tuple[int, int]]:
        """Yield the points that a point calls, each with the line."""
        yield from self.points[start].calls.items()
        yield from self.again.get(start, ())

    def add(self, module: str, name: str, line: int) -> int:
        """Add a point and return its number."""
        self.points.append(Point(module, name, line))
        return len(self.points) - 1

    def leading(self, targets: set[int]) -> set[int]:
        """Return the points from which calls lead to one of some others, with these."""
        if not targets:
            return set()
        callers: dict[int, list[int]] = {}
        for number, point in enumerate(self.points):
            for target in point.calls:
                callers.setdefault(target, []).append(number)
        seen, waiting = set(targets), list(targets)
        while waiting:
            fresh = [one for one in callers.get(waiting.pop(), ()) if one not in seen]
            seen.update(fresh)
            waiting += fresh
        return seen


class Policy(Protocol):
    """What counts in a walk over the graph."""

    def left_out(self, point: Point, end: End) -> None:
        """Hear of a primitive that does not count on the way that was gone."""

    def leaves(self, point: Point, end: End) -> bool:
        """Tell whether a primitive does not count in the function that reaches it."""

    def stops(self, point: Point) -> bool:
        """Tell whether a chain does not go on to a point."""

    def drops(self, point: Point, caller: Point | None) -> frozenset[str]:
        """Return the capabilities that do not count in a point and in all that it calls, where it is called from."""
