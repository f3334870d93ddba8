"""One start of one member: where it asks what happens to it, and what of it is told."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from types import coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

from x07py.explore.clock import JUMP_S
from x07py.explore.faults import JUMPS, kinds_at

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from x07py.explore.choices import Choices
    from x07py.explore.clock import Clock, WallClocks

CURRENT: ContextVar[Process | None] = ContextVar("x07_explored_process", default=None)
"""The process that the running code belongs to."""


def current_member() -> str:
    """Return the member that the running code belongs to, empty if it is none's."""
    process = CURRENT.get()
    return process.member if process is not None else ""


_STALL_S = 20.0


@coroutine
def _one_turn() -> Generator[None, None, None]:
    """Let others run once, as ``asyncio.sleep(0)`` does, which asks for more on the way."""
    yield


class Event(NamedTuple):
    """Something that happened: in which process, what, and facts about it."""

    process: str
    what: str
    facts: tuple[Any, ...]


class Ends(Protocol):
    """Who hears of it when a process ends from outside."""

    def crashed(self, process: Process) -> None:
        """Hear that a process has died."""
        ...

    def asked_to_stop(self, process: Process) -> None:
        """Hear that a process shall stop."""
        ...

    def ran_away(self) -> None:
        """Hear that there is no end."""
        ...


class Process:
    """One start of the program.

    Args:
        member: its letter.
        life: how many times it was started.
        choices: decides.
        loop: its time.
        families: the faults that are explored.
        events: what happened.
        ends: hears of crashes and requests to stop.
        most_events: with more of them, it goes round and round.
        several: whether there are other members.
        wall: the wall clocks, if they may jump.
    """

    def __init__(
        self,
        member: str,
        life: int,
        choices: Choices,
        loop: Clock,
        families: frozenset[str],
        events: list[Event],
        ends: Ends,
        *,
        most_events: int,
        several: bool,
        wall: WallClocks | None = None,
    ) -> None:
        self.name: str = f"{member}.{life}"
        self.member: str = member
        self.life: int = life
        self.loop: Clock = loop
        self.choices: Choices = choices
        self.dead: bool = False
        self.ending = self.stopping = False
        self._most_events = most_events
        self.several = several
        self.faults: int = 0
        self._families, self._events, self._ends = families, events, ends
        self._wall, self._timeless = wall, families - {"clock"}
        self._numbers: dict[str, int] = {}
        self.wakers: list[Callable[[], None]] = []
        """Called when something has changed that consumers wait for."""
        self.closers: list[Callable[[], None]] = []
        """Called when the process has died, for what the brokers see of that."""
        self.handlers: dict[int, Callable[[], object]] = {}
        self.tasks: list[asyncio.Task[Any]] = []

    def note(self, what: str, *facts: Any) -> None:
        """Tell something that happened."""
        self._events.append(Event(self.name, what, facts))

    def place(self, operation: str) -> str:
        """Return the name of the next place of an operation."""
        number = self._numbers[operation] = self._numbers.get(operation, 0) + 1
        return f"{self.name}:{operation}#{number}"

    async def turn(self) -> None:
        """Let others run; how long is decided where there are others."""
        if self.dead:
            raise asyncio.CancelledError
        if len(self._events) > self._most_events:
            self._ends.ran_away()
        await _one_turn()
        if self.several:
            for _ in range(self.choices.order(self.place("turn"), 4)):
                await _one_turn()
        if self.dead:
            raise asyncio.CancelledError

    async def point(self, broker: str, operation: str, *, many: bool = False) -> str:
        """Return the fault that an operation meets, empty if none; a crash before it does not return."""
        await self.turn()
        fault = self.decide(broker, operation, many=many)
        if fault == "crash-before":
            await self.crash()
        if fault == "stop":
            self._ends.asked_to_stop(self)
            await asyncio.sleep(0)
            return ""
        if fault == "stall" and self.several:
            self.loop.active()
            await asyncio.sleep(_STALL_S)
        return fault

    def decide(self, broker: str, operation: str, *, many: bool = False) -> str:
        """Return the fault that an operation meets, without letting others run."""
        if self.ending:
            return ""
        place = self.place(operation)
        families = self._families if self._wall is not None and self._wall.read else self._timeless
        fault = self.choices.fault(place, kinds_at(broker, operation, families, many=many))
        if fault:
            self.faults += 1
            self.note("fault", operation, fault, place)
        if fault in JUMPS and self._wall is not None:
            self._wall.jump(self.member, JUMPS[fault] * JUMP_S)
            return ""
        return fault

    def order(self, operation: str, count: int) -> int:
        """Return which of several orders it is."""
        if "order" not in self._families:
            return 0
        return self.choices.order(self.place(operation), count)

    async def crash(self) -> NoReturn:
        """Die: nothing of this process happens any more."""
        self.dead = True
        self.note("crash")
        for close in self.closers:
            close()
        self._ends.crashed(self)
        await self.loop.create_future()
        raise asyncio.CancelledError

    def wake(self) -> None:
        """Let consumers look again."""
        for one in self.wakers:
            one()
