"""One history over the wire: simulated brokers, and instances of a program that start, are killed and start again."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.errors import UsageError
from x07py.explore.history import Life
from x07py.explore.process import Event, Process
from x07py.explore.stored import Given, Stored
from x07py.explore.wire.front import Front
from x07py.explore.wire.kafka import KafkaBroker, KafkaConnection
from x07py.explore.wire.program import LONGEST_S, Running
from x07py.wire.protocols import AMQP, KAFKA

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.errors import X07Error
    from x07py.explore.choices import Choices
    from x07py.explore.history import History, Left
    from x07py.explore.wire.amqp import AmqpBroker
    from x07py.explore.wire.front import Served
    from x07py.explore.wire.program import Command
    from x07py.wire.stand_in import Address

_MOST_LIVES, _IN_VAIN = 20, 3
_LOOK_S = 0.01
_START_S, _STOP_S = 20.0, 3.0
_CONSUMES = frozenset({"assigned", "consumes", "delivered"})
"""What tells that the program has begun."""
_DONE_S = 0.3
"""How much silence is enough once everything is acknowledged."""
_MOVE_S = 15.0
"""How long partitions may be on their way in silence: clients hear of a rebalance by their next heartbeat."""


class _RealClock:
    """The clock of the brokers: that of the running loop, and when something happened last."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.active_at: float = self._loop.time()

    def time(self) -> float:
        return self._loop.time()

    def active(self) -> None:
        self.active_at = self._loop.time()

    def broker_later(self, delay_s: float, call: Callable[[], None]) -> None:
        self._loop.call_later(delay_s, call)

    def create_future(self) -> asyncio.Future[Any]:
        return self._loop.create_future()


class _Ended(NamedTuple):
    how: str
    why: str


def run_over_the_wire(
    command: Command, given: Given, families: frozenset[str], members: int, choices: Choices
) -> History:
    """Run one history to its end.

    Args:
        command: how the program is started.
        given: what the brokers hold at first.
        families: the faults that are explored.
        members: how many instances run.
        choices: decides.

    Raises:
        UsageError: ``X07EXPLORE_WIRE`` for what is not explored over the wire.
    """

    async def run() -> History:
        return await _World(command, given, families, members, choices).run()

    return asyncio.run(run())


class _World:
    """One history; it hears of crashes and of requests to stop, see `x07py.explore.process.Ends`."""

    def __init__(
        self, command: Command, given: Given, families: frozenset[str], members: int, choices: Choices
    ) -> None:
        self._command, self._families, self._choices = command, families, choices
        self._letters = [chr(ord("a") + number) for number in range(members)]
        self._counts = dict.fromkeys(self._letters, 0)
        self._clock = _RealClock()
        self._events: list[Event] = []
        self._most_events = 400 * len(given.inputs) * members + 5000
        self._stored = Stored(given, choices, self._clock, self._wake, self._events)
        self._kafka = KafkaBroker(self._stored.cluster, members)
        self._amqp: AmqpBroker | None = None
        self._over: dict[Process, asyncio.Future[str]] = {}
        """The processes that live, and what ends them from outside."""
        self._running: dict[Process, Running] = {}
        self._lives: list[Life] = []
        self._failure: X07Error | None = None
        self._stuck = ""
        self._ends = False
        """Whether nothing happens any more, and all are asked to stop."""
        self._started: dict[str, float] = {}
        self._begun: set[str] = set()
        self._looked_at = 0
        self._faults = 0
        self._until = self._clock.time() + LONGEST_S

    def _wake(self) -> None:
        for process in self._over:
            process.wake()

    def crashed(self, process: Process) -> None:
        """End a process that has died."""
        running = self._running.get(process)
        if running is not None:
            running.kill()
        self._end(process, "crash")

    def asked_to_stop(self, process: Process) -> None:
        """Ask an instance to stop."""
        process.stopping = True
        running = self._running.get(process)
        if running is not None:
            running.ask_to_stop()

    def ran_away(self) -> None:
        """End everything: it goes round and round."""
        self._stuck = f"no end after {len(self._events)} steps: the same messages come again and again"
        self._end_all("hangs")

    def _fail(self, error: X07Error) -> None:
        self._failure = self._failure or error
        self._end_all("error")

    def _end_all(self, how: str) -> None:
        for process in self._over:
            self._end(process, how)

    def _end(self, process: Process, how: str) -> None:
        over = self._over.get(process)
        if over is not None and not over.done():
            over.set_result(how)

    async def run(self) -> History:
        """Run lives: one more as long as something is left and the last one moved something."""
        before: list[Left] | None = None
        while not self._stuck:
            self._ends = False
            await asyncio.gather(*[self._lives_to_an_end(letter) for letter in self._letters])
            if self._failure is not None:
                raise self._failure
            left = self._stored.left()
            if not left or left == before:
                break
            before = left
        history = self._stored.history(self._lives, self._faults, self._events, self._stuck)
        if self._amqp is not None:
            from x07py.explore.wire.amqp import without_made_up_id

            history.published = [one._replace(envelope=without_made_up_id(one.envelope)) for one in history.published]
        return history

    async def _lives_to_an_end(self, letter: str) -> None:
        """Run lives of an instance until one comes to its end."""
        vain = 0
        while not self._stuck and self._failure is None:
            self._counts[letter] += 1
            process = Process(
                letter,
                self._counts[letter],
                self._choices,
                self._clock,
                self._families,
                self._events,
                self,
                most_events=self._most_events,
                several=False,
            )
            before = self._stored.left()
            try:
                ended = await self._life(process)
            except UsageError as error:
                self._fail(error)
                return
            self._faults += process.faults
            self._lives.append(Life(process.name, *ended))
            process.note("ended", *ended)
            if ended.how == "ended" and (process.ending or not self._stored.left()):
                return
            vain = vain + 1 if not process.faults and self._stored.left() == before else 0
            if vain >= _IN_VAIN or self._counts[letter] > _MOST_LIVES:
                self._stuck = f"no progress: the program ends each time it is started: {ended.why or ended.how}"

    async def _life(self, process: Process) -> _Ended:
        over = self._over[process] = self._clock.create_future()
        self._kafka.forget(process)
        process.note("started")
        front = Front(partial(self._serve, process), self._fail)
        await front.open()
        try:
            running = Running(self._command, process.member, front.environment)
        except UsageError:
            await front.close()
            raise
        self._running[process] = running
        try:
            how = await self._watch(process, running, over, front)
        finally:
            running.kill()
            said = running.close()
            process.dead = True
            await front.close()
            for close in process.closers:
                close()
            if len(self._letters) > 1:
                self._kafka.forget(process)
            del self._over[process], self._running[process]
        code = running.code
        if how != "ended" or process.stopping or process.ending:
            return _Ended("stopped" if how == "ended" and process.stopping else how, "")
        return _Ended("ended", "") if code == 0 else _Ended("error", f"it ended with {code}: {said}")

    async def _watch(self, process: Process, running: Running, over: asyncio.Future[str], front: Front) -> str:
        """Return how an instance ends: by a crash, by itself, or asked to because nothing happens any more."""
        self._started[process.name] = self._clock.time()
        idle, seen, asked_at = 0.0, self._clock.active_at, 0.0
        while not over.done():
            if running.code is not None:
                await front.drained()
                break
            now = self._clock.time()
            await asyncio.sleep(_LOOK_S)
            passed = min(self._clock.time() - now, 2 * _LOOK_S)
            active = self._clock.active_at
            idle = 0.0 if active != seen else idle if self._is_at_work(now) else idle + passed
            seen = active
            if asked_at and now > asked_at + _STOP_S:
                break
            self._ends = self._ends or (idle > self._enough() and not any(map(self._begins, self._running)))
            if self._ends and not asked_at and not self._begins(process):
                process.ending, asked_at = True, now
                running.ask_to_stop()
            if now > self._until:
                self._stuck = f"it has not come to an end within {LONGEST_S} s"
                return "hangs"
        return over.result() if over.done() else "ended"

    def _begins(self, process: Process) -> bool:
        """Tell whether an instance has only just started, and has not asked a broker for messages yet."""
        self._begun.update(one.process for one in self._events[self._looked_at :] if one.what in _CONSUMES)
        self._looked_at = len(self._events)
        return process.name not in self._begun and self._clock.time() < self._started[process.name] + _START_S

    def _is_at_work(self, now: float) -> bool:
        """Tell whether an instance computes, or partitions are on their way from one to another."""
        moves = len(self._letters) > 1 and self._kafka.members.move and now < self._clock.active_at + _MOVE_S
        return moves or any(one.is_at_work for one in self._running.values())

    def _enough(self) -> float:
        """Return after how much silence the program is at its end."""
        until = self._command.until_idle_s
        return until if self._stored.left() else min(until, _DONE_S)

    def _serve(self, process: Process, protocol: str, address: Address) -> Served | None:
        self._clock.active()
        if protocol == KAFKA:
            return KafkaConnection(self._kafka, process, address)
        if protocol == AMQP:
            from x07py.explore.wire.amqp import AmqpBroker, AmqpConnection

            if self._amqp is None:
                self._amqp = AmqpBroker(self._stored.vhost())
            return AmqpConnection(self._amqp, process)
        return None
