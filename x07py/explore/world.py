"""One history: brokers, members that start, die and start again, until nothing happens any more."""

from __future__ import annotations

import asyncio
import contextvars
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.drivers.open import Terms, read_terms, simulation
from x07py.errors import ContractError, X07Error
from x07py.explore.clock import EPOCH_S, Stuck, VirtualLoop, WallClocks, virtual_time
from x07py.explore.ending import forget, until_done
from x07py.explore.history import Life
from x07py.explore.kafka import SimulatedKafka
from x07py.explore.process import CURRENT, Event, Process, current_member
from x07py.explore.stored import Given, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from x07py.drivers import Driver
    from x07py.explore.choices import Choices
    from x07py.explore.history import History, Left
    from x07py.explore.inputs import Input
    from x07py.explore.program import Program
    from x07py.explore.services import Asked
    from x07py.explore.wire.program import Command
    from x07py.msg import Envelope

_MOST_LIVES, _IN_VAIN = 40, 4
_TURNS_AT_END = 3


class Setting(NamedTuple):
    """What all histories of an exploration have in common.

    Args:
        program: what is run.
        inputs: what is there at the start.
        families: the faults that are explored.
        members: how many instances run.
        poison_for: topics of dead letters; with one, a message that nobody can handle may be among the inputs.
        terms: of drivers, by kind, profile and whether topics are listed; filled as they are asked for.
        topology: what is declared on AMQP.
        services: what services outside of the program answer to its requests.
        command: how the program is started over the wire; None where it runs in virtual time.
    """

    program: Program
    inputs: Sequence[Input]
    families: frozenset[str]
    members: int = 1
    poison_for: tuple[str, ...] = ()
    terms: dict[tuple[str, str, bool], Terms] = {}  # noqa: RUF012  (a cache that the copies share)
    topology: tuple[dict[str, Any], ...] = ()
    services: Mapping[Asked, Envelope | None] = {}
    command: Command | None = None

    def given(self) -> Given:
        """Return what brokers hold before the program starts."""
        poison = bool(self.poison_for) and "poison" in self.families
        return Given(self.inputs, poison, self.topology, self.services)


def run_history(setting: Setting, choices: Choices, seed: int = 0, start_s: float = EPOCH_S) -> History:
    """Run one history to its end.

    Args:
        setting: of the exploration.
        choices: decide.
        seed: of what the program draws.
        start_s: what wall clocks say at first, in seconds since 1970.

    Raises:
        UsageError: there is no such program, or it does what is not explored over the wire.
    """
    if setting.command is not None:
        from x07py.explore.wire.world import run_over_the_wire

        return run_over_the_wire(setting.command, setting.given(), setting.families, setting.members, choices)
    wall = WallClocks(start_s, current_member)
    world = _World(setting, choices, wall)
    with virtual_time(world.loop, seed, wall):
        world.run()
    history = world.history()
    history.timed = wall.read
    return history


class _World:
    def __init__(self, setting: Setting, choices: Choices, wall: WallClocks) -> None:
        self.setting, self.choices, self._wall = setting, choices, wall
        self.loop = VirtualLoop(self._quiet)
        self.loop.on_signal = self._on_signal
        self.loop.set_exception_handler(_say_nothing)
        self.loop.set_task_factory(self._make_task)  # type: ignore[arg-type]
        self.events: list[Event] = []
        self._most_events = 400 * len(setting.inputs) * setting.members + 5000
        self.processes: dict[str, Process] = {}
        self._mains: dict[Process, asyncio.Task[Any]] = {}
        self._over: dict[Process, asyncio.Future[str]] = {}
        self.lives: list[Life] = []
        self.stuck = ""
        self._failure: X07Error | None = None
        self._stage = 0
        self._in_vain = 0
        self._faults = 0
        self.stored = Stored(setting.given(), choices, self.loop, self._wake, self.events)

    def _wake(self) -> None:
        for process in self.processes.values():
            process.wake()

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
        context = options.get("context")
        process = CURRENT.get() if context is None else context.get(CURRENT)
        if process is not None:
            process.tasks.append(task)
        return task

    def _on_signal(self, number: int, call: Callable[[], object] | None) -> None:
        process = CURRENT.get()
        if process is None:
            return
        if call is None:
            process.handlers.pop(number, None)
        else:
            process.handlers[number] = call

    def _quiet(self) -> bool:
        """Let what consumes come to its end; then what still waits is stopped, then given up."""
        self._stage += 1
        alive = [process for process in self.processes.values() if not process.dead]
        if self._stage == 1:
            for process in alive:
                process.ending = True
                process.wake()
            return True
        if self._stage > _TURNS_AT_END or not alive:
            return False
        for process in alive:
            self._mains[process].cancel()
        return True

    def crashed(self, process: Process) -> None:
        """End a process that has died."""
        self._end(process, "crash")

    def ran_away(self) -> None:
        """End everything: it goes round and round."""
        if not self.stuck:
            self.stuck = f"no end after {len(self.events)} steps: the same messages come again and again"
            for process in list(self._over):
                process.dead = True
                self._end(process, "hangs")

    def _end(self, process: Process, how: str) -> None:
        over = self._over.get(process)
        if over is not None and not over.done():
            over.set_result(how)

    def asked_to_stop(self, process: Process) -> None:
        """Stop a process as SIGTERM does, or Ctrl-C."""
        process.stopping = True
        handler = process.handlers.get(signal.SIGTERM)
        if handler is not None:
            handler()
        else:
            self._mains[process].cancel()

    def run(self) -> None:
        """Run all members to their end."""
        self.loop.active()
        asyncio.set_event_loop(None)
        try:
            self.loop.run_until_complete(self._all())
        except Stuck:
            self.stuck = self.stuck or "the program waits for something that never comes"
            self._note_hanging()
        finally:
            with suppress(Stuck, RuntimeError):
                self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            for process in self.processes.values():
                forget(process)
            self.loop.close()
        if self._failure is not None:
            raise self._failure

    def _note_hanging(self) -> None:
        for process in self._over:
            process.dead = True
            self.lives.append(Life(process.name, "hangs", ""))

    async def _all(self) -> None:
        """Run rounds of lives: one more as long as something is left and the last one moved something."""
        letters = [chr(ord("a") + number) for number in range(self.setting.members)]
        counts = dict.fromkeys(letters, 0)
        before: list[Left] | None = None
        while not self.stuck:
            self._stage = 0
            await asyncio.gather(*[self._member(letter, counts) for letter in letters])
            left = self.stored.left()
            if not left or left == before or self._failure is not None:
                return
            before = left
            if len(self.lives) > _MOST_LIVES * self.setting.members:
                self.stuck = f"no end: after {len(self.lives)} starts there is still something new to consume"

    async def _member(self, letter: str, counts: dict[str, int]) -> None:
        while not self.stuck:
            counts[letter] += 1
            process = Process(
                letter,
                counts[letter],
                self.choices,
                self.loop,
                self.setting.families,
                self.events,
                self,
                most_events=self._most_events,
                several=self.setting.members > 1,
                wall=self._wall,
            )
            before = self._moved()
            how, why = await self._life(process)
            self._faults += process.faults
            self.lives.append(Life(process.name, how, why))
            process.note("ended", how, why)
            if how == "ended" and (process.ending or not self.stored.left()):
                return
            vain = not process.faults and self._moved() == before
            self._in_vain = self._in_vain + 1 if vain else 0
            if self._in_vain >= _IN_VAIN * self.setting.members or len(self.lives) > _MOST_LIVES:
                self.stuck = f"no progress: the program ends each time it is started: {why or how}"
            if process.ending:
                return

    def _moved(self) -> tuple[object, ...]:
        return tuple(self.stored.left())

    async def _life(self, process: Process) -> tuple[str, str]:
        """Run the program once; return how it ended, and why."""
        self.processes[process.member] = process
        process.note("started")
        process.decide("kafka", "start")
        context = contextvars.copy_context()
        context.run(CURRENT.set, process)
        context.run(simulation.set, self._driver_for(process))
        over = self._over[process] = self.loop.create_future()
        try:
            coroutine = context.run(self.setting.program.start)
            main = self._mains[process] = self.loop.create_task(coroutine, context=context)
            await asyncio.wait({main, over}, return_when=asyncio.FIRST_COMPLETED)
            how, why = (over.result(), "") if over.done() else _result(main, stopping=process.stopping)
        except X07Error as error:
            self._failure = error
            how, why = "error", str(error)
        except Exception as error:  # noqa: BLE001  (the program's modules may raise anything)
            how, why = "error", f"{type(error).__name__}: {error}"
        await self._kill(process)
        del self._over[process]
        return how, why

    async def _kill(self, process: Process) -> None:
        """End what of a process still runs; the brokers see its connections go."""
        if not process.dead:
            for task in process.tasks:
                task.cancel()
            await until_done(process.tasks)
            process.dead = True
            for close in process.closers:
                close()
        for task in process.tasks:
            task.cancel()
        await until_done(process.tasks)
        forget(process)

    def _driver_for(self, process: Process) -> Callable[[str, str, bool], Driver]:
        def make(kind: str, profile: str, listed_only: bool) -> Driver:
            terms = self._terms(kind, profile, listed_only=listed_only)
            if kind == "kafka":
                cooperative = _is_cooperative(terms.settings.client_settings)
                return terms.driver(SimulatedKafka(self.stored.cluster, process, profile, cooperative=cooperative))
            from x07py.explore.amqp import SimulatedAmqp

            prefetch: int = terms.settings.prefetch_count
            return terms.driver(SimulatedAmqp(self.stored.vhost(), process, profile, prefetch=prefetch))

        return make

    def _terms(self, kind: str, profile: str, *, listed_only: bool) -> Terms:
        known = self.setting.terms
        asked = (kind, profile, listed_only)
        if asked not in known:
            try:
                known[asked] = read_terms(kind, profile, listed_only=listed_only)
            except ContractError as error:
                self._failure = error
                raise
        return known[asked]

    def history(self) -> History:
        """Return what has come of it."""
        return self.stored.history(self.lives, self._faults, self.events, self.stuck)


def _is_cooperative(settings: Mapping[str, object]) -> bool:
    """Tell whether consumers give up only what goes to another one, as their profile has it."""
    return (
        settings.get("group.protocol") == "consumer"
        or settings.get("partition.assignment.strategy") == "cooperative-sticky"
    )


def _say_nothing(loop: object, context: object) -> None:
    """Take what nobody handles: a program's own log is not looked at."""


def _result(task: asyncio.Task[Any], *, stopping: bool) -> tuple[str, str]:
    if task.cancelled():
        return ("stopped" if stopping else "ended"), ""
    error = task.exception()
    if error is None or isinstance(error, SystemExit):
        return ("stopped" if stopping else "ended"), ""
    return "error", f"{type(error).__name__}: {error}"
