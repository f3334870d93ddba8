"""One history over the wire: simulated brokers, and a program that starts, is killed and starts again."""

from __future__ import annotations

import asyncio
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


def run_over_the_wire(command: Command, given: Given, families: frozenset[str], choices: Choices) -> History:
    """Run one history to its end.

    Args:
        command: how the program is started.
        given: what the brokers hold at first.
        families: the faults that are explored.
        choices: decides.

    Raises:
        UsageError: ``X07EXPLORE_WIRE`` for what is not explored over the wire.
    """

    async def run() -> History:
        return await _World(command, given, families, choices).run()

    return asyncio.run(run())


class _World:
    """One history; it hears of crashes and of requests to stop, see `x07py.explore.process.Ends`."""

    def __init__(self, command: Command, given: Given, families: frozenset[str], choices: Choices) -> None:
        self._command, self._families, self._choices = command, families, choices
        self._clock = _RealClock()
        self._events: list[Event] = []
        self._most_events = 400 * len(given.inputs) + 5000
        self._stored = Stored(given, choices, self._clock, self._wake, self._events)
        self._kafka = KafkaBroker(self._stored.cluster)
        self._amqp: AmqpBroker | None = None
        self._process: Process | None = None
        self._running: Running | None = None
        self._lives: list[Life] = []
        self._over: asyncio.Future[str] = self._clock.create_future()
        self._failure: X07Error | None = None
        self._stuck = ""
        self._faults = 0
        self._until = self._clock.time() + LONGEST_S

    def _wake(self) -> None:
        if self._process is not None:
            self._process.wake()

    def crashed(self, process: Process) -> None:
        """End a process that has died."""
        del process
        if self._running is not None:
            self._running.kill()
        self._end("crash")

    def asked_to_stop(self, process: Process) -> None:
        """Ask the program to stop."""
        process.stopping = True
        if self._running is not None:
            self._running.ask_to_stop()

    def ran_away(self) -> None:
        """End everything: it goes round and round."""
        self._stuck = f"no end after {len(self._events)} steps: the same messages come again and again"
        self._end("hangs")

    def _fail(self, error: X07Error) -> None:
        self._failure = self._failure or error
        self._end("error")

    def _end(self, how: str) -> None:
        if not self._over.done():
            self._over.set_result(how)

    async def run(self) -> History:
        """Run lives: one more as long as something is left and the last one moved something."""
        before: list[Left] | None = None
        while not self._stuck:
            await self._lives_to_an_end()
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

    async def _lives_to_an_end(self) -> None:
        """Run lives until one comes to its end."""
        vain = 0
        while not self._stuck and self._failure is None:
            process = Process(
                "a",
                len(self._lives) + 1,
                self._choices,
                self._clock,
                self._families,
                self._events,
                self,
                most_events=self._most_events,
                several=False,
            )
            before = self._stored.left()
            ended = await self._life(process)
            self._faults += process.faults
            self._lives.append(Life(process.name, *ended))
            process.note("ended", *ended)
            if ended.how == "ended" and (process.ending or not self._stored.left()):
                return
            vain = vain + 1 if not process.faults and self._stored.left() == before else 0
            if vain >= _IN_VAIN or len(self._lives) > _MOST_LIVES:
                self._stuck = f"no progress: the program ends each time it is started: {ended.why or ended.how}"

    async def _life(self, process: Process) -> _Ended:
        self._process, self._over = process, self._clock.create_future()
        self._kafka.begin_life()
        process.note("started")
        front = Front(self._serve, self._fail)
        await front.open()
        try:
            self._running = running = Running(self._command, front.environment)
        except UsageError:
            await front.close()
            raise
        try:
            how = await self._watch(process, running, front)
        finally:
            running.kill()
            process.dead = True
            await front.close()
            for close in process.closers:
                close()
            said = running.close()
        code = running.code
        if how != "ended" or process.stopping or process.ending:
            return _Ended("stopped" if how == "ended" and process.stopping else how, "")
        return _Ended("ended", "") if code == 0 else _Ended("error", f"it ended with {code}: {said}")

    async def _watch(self, process: Process, running: Running, front: Front) -> str:
        """Return how the program ends: by a crash, by itself, or asked to because nothing happens any more."""
        started, idle, seen = self._clock.time(), 0.0, self._clock.active_at
        asked_at, at = 0.0, len(self._events)
        consumes = False
        while not self._over.done():
            if running.code is not None:
                await front.drained()
                break
            now = self._clock.time()
            await asyncio.sleep(_LOOK_S)
            passed = min(self._clock.time() - now, 2 * _LOOK_S)
            active = self._clock.active_at
            idle = 0.0 if active != seen else idle if running.is_at_work else idle + passed
            seen = active
            consumes = consumes or any(one.what in _CONSUMES for one in self._events[at:])
            waits = not consumes and now < started + _START_S
            if asked_at and now > asked_at + _STOP_S:
                break
            if not asked_at and not waits and idle > self._enough():
                process.ending, asked_at = True, now
                running.ask_to_stop()
            if now > self._until:
                self._stuck = f"it has not come to an end within {LONGEST_S} s"
                return "hangs"
        return self._over.result() if self._over.done() else "ended"

    def _enough(self) -> float:
        """Return after how much silence the program is at its end."""
        until = self._command.until_idle_s
        return until if self._stored.left() else min(until, _DONE_S)

    def _serve(self, protocol: str, address: Address) -> Served | None:
        process = self._process
        assert process is not None  # noqa: S101  (a front is open while one lives)
        self._clock.active()
        if protocol == KAFKA:
            return KafkaConnection(self._kafka, process, address)
        if protocol == AMQP:
            from x07py.explore.wire.amqp import AmqpBroker, AmqpConnection

            if self._amqp is None:
                self._amqp = AmqpBroker(self._stored.vhost())
            return AmqpConnection(self._amqp, process)
        return None
