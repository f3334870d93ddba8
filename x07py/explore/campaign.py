"""An exploration on all cores: who runs which history, how far it is, and what was found."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import UsageError
from x07py.explore.choices import Choices, fault_count
from x07py.explore.clock import Stuck
from x07py.explore.invariants import check
from x07py.explore.kept import read_schedule
from x07py.explore.kept_entry import check_entry, check_function
from x07py.explore.order import Order
from x07py.explore.program import Program
from x07py.explore.search import Coverage, Plan, history_of
from x07py.explore.services import services
from x07py.explore.shrinking import Counterexample, Shrinker
from x07py.explore.topology import read_topology
from x07py.explore.world import Setting, run_history
from x07py.testing.network import can_step_out, no_network
from x07py.worlds import ENV_WORLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import Any

    from x07py.explore.choices import Decisions
    from x07py.explore.history import History
    from x07py.explore.invariants import Finding
    from x07py.explore.search import Places, Task

_CHUNK, _CHUNK_S = 25, 120
_MOST_KEPT = 3


class Ran(NamedTuple):
    """What came of some tasks: findings with their decisions, coverage, and places of the single faults."""

    found: list[tuple[Finding, Decisions]]
    coverage: Coverage
    places: list[tuple[Decisions, Places]]


@dataclass(slots=True)
class Explored:
    """The result of an exploration."""

    coverage: Coverage
    plan: Plan
    seconds: float
    base: History
    found: list[Counterexample] = field(default_factory=list)
    unshrunk: list[tuple[Finding, Decisions]] = field(default_factory=list)


class Runner:
    """Runs histories of one order in this process; a context manager, for the world has to be closed and opened."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.program: Program = Program(order.root, order.entry, order.args, dict(order.call))
        self.setting: Setting = Setting(
            self.program,
            order.inputs,
            order.families,
            order.promises.instances,
            order.promises.dead_letters,
            {},
            read_topology(order.root),
            services(order.answers),
        )
        self.own: list[tuple[str, Callable[[History], object]]] = []
        self.base: History | None = None
        self._base_places: Places = []

    @contextmanager
    def world(self) -> Iterator[None]:
        """Be in a solve world while the block runs: no network, nothing printed, the project's modules fresh."""
        before, folder = os.environ.get(ENV_WORLD), Path.cwd()
        os.environ[ENV_WORLD] = "solve-rr"
        os.chdir(self.order.root)
        logging.disable(logging.CRITICAL)
        self.program.install()
        try:
            with (
                Path(os.devnull).open("w") as nowhere,
                redirect_stdout(nowhere),
                redirect_stderr(nowhere),
                nullcontext() if can_step_out() else no_network(),
            ):
                yield
        finally:
            self.program.remove()
            logging.disable(logging.NOTSET)
            os.chdir(folder)
            if before is None:
                del os.environ[ENV_WORLD]
            else:
                os.environ[ENV_WORLD] = before

    def undisturbed(self) -> tuple[History, Places]:
        """Run the undisturbed history, the first time twice, and return it.

        Raises:
            UsageError: ``X07EXPLORE_BASE`` if it fails by itself, or comes out differently the second time.
        """
        if self.base is None:
            first, second = (run_history(self.setting, choices, self.order.seed) for choices in self._two())
            self._check_base(first, second)
            self.base = first
            used = [
                one._replace(brokers=first.brokers) for one in self.order.inputs if {*one.brokers} & {*first.brokers}
            ]
            self.setting = self.setting._replace(inputs=used)
            self.own = [(name, self.program.function(name)) for name in self.order.promises.invariants]
        return self.base, self._base_places

    def _two(self) -> Iterator[Choices]:
        first = Choices({})
        yield first
        self._base_places = first.places
        yield Choices({})

    def _check_base(self, first: History, second: History) -> None:
        failed = next((life for life in first.lives if life.how == "error"), None)
        if first.stuck or failed:
            why = first.stuck or (failed.why if failed else "")
            hint = "make it work without faults first; a replay of its recording shows more"
            raise UsageError("X07EXPLORE_BASE", f"the undisturbed run fails: {why}", hint=hint)
        if not first.read:
            raise UsageError("X07EXPLORE_BASE", "the program consumes nothing", hint="does it use open_driver?")
        topics = {one.topic for one in first.inputs} | {one.queue for one in self.order.inputs}
        if not topics & first.read:
            what = f"the program consumes {', '.join(sorted(first.read))}, and the inputs are of {min(topics)}"
            raise UsageError("X07EXPLORE_BASE", what, hint="name the topic in each line, or pass --topic")
        lonely = next((one.facts for one in first.events if one.what == "unanswered" and not one.facts[2]), None)
        if lonely:
            what = f"nobody answers the request {lonely[1]} to {lonely[0]}"
            hint = "explore a recording that has the answers, or let the program consume that queue too"
            raise UsageError("X07EXPLORE_BASE", what, hint=hint)
        if [one.envelope for one in first.published] != [one.envelope for one in second.published]:
            hint = "take clocks, identities and order of sets out of it; random and uuid4 are seeded"
            raise UsageError("X07EXPLORE_BASE", "two undisturbed runs publish different messages", hint=hint)

    def run(self, tasks: Sequence[Task], places: int) -> Ran:
        """Run histories."""
        base, _ = self.undisturbed()
        ran = Ran([], Coverage(), [])
        for task in tasks:
            history, seen = history_of(self.setting, task, self.order.seed, places)
            ran.coverage.note(history)
            found = check(history, base, self.order.promises, self.own)
            if found:
                ran.found.append((found[0], dict(history.decisions)))
            if task.single:
                ran.places.append((task.decisions, seen))
        return ran

    def shrink(self, finding: Finding, decisions: Decisions) -> Counterexample | None:
        """Make a finding's history short."""
        self.undisturbed()
        shrinker = Shrinker(self.setting, self.order.promises, self.own, self.order.seed, finding)
        return shrinker.shrink(decisions)


_runner: Runner | None = None


def _in_worker(order: Order) -> Runner:
    global _runner  # noqa: PLW0603  (one a process)
    if _runner is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _runner = Runner(order)
    return _runner


def _work(order: Order, tasks: Sequence[Task], places: int) -> Ran:
    runner = _in_worker(order)
    with runner.world(), _alarm():
        return runner.run(tasks, places)


def _base(order: Order) -> tuple[History, Places]:
    runner = _in_worker(order)
    with runner.world(), _alarm():
        history, places = runner.undisturbed()
    return replace(history, events=[]), places


def _shrink(order: Order, finding: Finding, decisions: Decisions) -> Counterexample | None:
    runner = _in_worker(order)
    with runner.world():
        return runner.shrink(finding, decisions)


@contextmanager
def _alarm() -> Iterator[None]:
    """Break off what computes without end."""

    def ring(number: int, frame: object) -> None:
        raise Stuck(f"{number} {frame}")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(_CHUNK_S)
    try:
        yield
    except Stuck:
        what = f"a few histories did not end within {_CHUNK_S} s"
        raise UsageError(
            "X07EXPLORE_BASE", what, hint="does the program compute, or wait for a thread, for long?"
        ) from None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class _Here:
    """Runs what is submitted at once, in this process, in the interface of a pool."""

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        future.set_result(call(*args))
        return future

    def shutdown(self, **_: object) -> None:
        """Do nothing."""


def explore(
    order: Order,
    histories: int,
    *,
    shard: tuple[int, int] = (1, 1),
    cores: int = 0,
    progress: Callable[[Coverage, int, float], None] | None = None,
) -> Explored:
    """Explore until something is wrong, or so many histories were run.

    Args:
        order: what shall be explored.
        histories: the most histories, over all shards.
        shard: which part is run here: its number from 1, of how many.
        cores: how many processes; as many as there are cores if 0.
        progress: called now and then with what is covered, how many histories there will be, and seconds.

    Raises:
        UsageError: ``X07EXPLORE_BASE``, ``X07EXPLORE_ENTRY``.
    """
    count = cores or len(os.sched_getaffinity(0))
    pool: Any = _Here() if order.here else _pool(count)
    global _runner  # noqa: PLW0603
    kept = _runner
    if order.here:
        _runner = Runner(order)
    started = time.monotonic()
    try:
        base, places = pool.submit(_base, order).result()
        explored = Explored(Coverage(), Plan(places, histories, order.seed, shard), 0.0, base)
        campaign = _Campaign(pool, order, explored, len(places), count, progress, started)
        campaign.run()
        explored.seconds = time.monotonic() - started
        _shrink_all(pool, order, explored)
        return explored
    finally:
        _runner = kept
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True)
class _Campaign:
    pool: Any
    order: Order
    explored: Explored
    places: int
    cores: int
    progress: Callable[[Coverage, int, float], None] | None
    started: float

    def run(self) -> None:
        plan = self.explored.plan
        self._run_all(iter(plan.single_tasks()))
        if not self.explored.unshrunk:
            self._run_all(plan.more_tasks())

    def _run_all(self, tasks: Iterator[Task]) -> None:
        running: deque[Future[Ran]] = deque()
        while True:
            while len(running) < 2 * self.cores and not self.explored.unshrunk:
                chunk = list(islice(tasks, _CHUNK))
                if not chunk:
                    break
                running.append(self.pool.submit(_work, self.order, chunk, self.places))
            if not running:
                return
            wait(running, return_when=FIRST_COMPLETED)
            for future in [one for one in running if one.done()]:
                running.remove(future)
                self._take(future.result())

    def _take(self, ran: Ran) -> None:
        explored = self.explored
        explored.coverage.add(ran.coverage)
        explored.unshrunk += ran.found
        for decisions, places in ran.places:
            explored.plan.note(decisions, places)
        total = max(explored.plan.histories // explored.plan.shard[1], explored.coverage.histories)
        if self.progress is not None:
            self.progress(explored.coverage, total, time.monotonic() - self.started)


def _shrink_all(pool: Any, order: Order, explored: Explored) -> None:
    """Shrink the smallest history of each kind of finding."""
    smallest: dict[tuple[str, str], tuple[Finding, Decisions]] = {}
    for finding, decisions in sorted(explored.unshrunk, key=lambda one: (fault_count(one[1]), len(one[1]))):
        smallest.setdefault((finding.invariant, finding.where), (finding, decisions))
    for finding, decisions in list(smallest.values())[:_MOST_KEPT]:
        found = pool.submit(_shrink, order, finding, decisions).result()
        if found is not None:
            explored.found.append(found)


def run_kept(root: Path, file: Path) -> Counterexample | None:
    """Run a kept history again, in this process, and return it if anything is still wrong.

    Raises:
        UsageError: ``X07EXPLORE_SCHEDULE``, ``X07EXPLORE_ENTRY``, ``X07EXPLORE_BASE``.
    """
    one = read_schedule(file)
    check_entry(root, one.entry, dict(one.call))
    for name in one.promises.invariants:
        check_function(root, name)
    order = Order(
        root,
        one.entry,
        one.args,
        one.inputs,
        one.promises,
        one.families,
        one.seed,
        one.call,
        here=True,
        answers=one.answers,
    )
    runner = Runner(order)
    with runner.world(), _alarm():
        base, _ = runner.undisturbed()
        history = run_history(runner.setting, Choices(one.decisions), one.seed)
        found = check(history, base, one.promises, runner.own)
    return Counterexample(history, base, found[0], one.decisions, one.inputs, one.seed) if found else None


def _pool(count: int) -> ProcessPoolExecutor:
    """Return processes in which the order of sets is the same everywhere."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = "0"
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    try:
        for future in [pool.submit(os.getpid) for _ in range(count)]:
            future.result()
    finally:
        if before is None:
            with suppress(KeyError):
                del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before
    return pool
