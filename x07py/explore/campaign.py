"""An exploration on all cores: who runs which history, how far it is, and what was found."""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from x07py.explore.choices import Choices, fault_count
from x07py.explore.invariants import check
from x07py.explore.kept import read_schedule
from x07py.explore.kept_entry import check_entry, check_function
from x07py.explore.order import Order
from x07py.explore.runner import Runner
from x07py.explore.search import Coverage, Plan, Space
from x07py.explore.shrinking import Counterexample
from x07py.explore.wire.program import close_starters
from x07py.explore.workers import alarm, run_base, run_tasks, shrink, workers
from x07py.explore.world import run_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path
    from typing import Any

    from x07py.explore.choices import Decisions
    from x07py.explore.history import History
    from x07py.explore.inputs import Input
    from x07py.explore.invariants import Finding
    from x07py.explore.runner import Ran
    from x07py.explore.search import Task

_CHUNK, _CHUNK_OVER_THE_WIRE = 25, 1
_MOST_KEPT = 3


@dataclass(slots=True)
class Explored:
    """The result of an exploration.

    Args:
        histories: the most that could be run, over all shards.
        shard: which part was run: its number from 1, of how many.
        inputs: the messages that were there, or each set of them that was drawn.
        drawn: whether they were drawn.
        base: the undisturbed history, None where inputs were drawn: each set has its own.
        plan: which histories were run, None as well.
        coverage: what met what.
        space: which faults there are, and how many were run.
        seconds: how long it took.
        found: what is wrong, in short histories.
        unshrunk: what was wrong, as it was seen first.
    """

    histories: int
    shard: tuple[int, int]
    inputs: Sequence[Sequence[Input]]
    drawn: bool = False
    base: History | None = None
    plan: Plan | None = None
    coverage: Coverage = field(default_factory=Coverage)
    space: Space = field(default_factory=Space)
    seconds: float = 0.0
    found: list[Counterexample] = field(default_factory=list)
    unshrunk: list[tuple[Finding, Decisions]] = field(default_factory=list)


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
        cores: how many processes; if 0 as many as there are cores, over the wire, where they wait a lot, twice as many.
        progress: called now and then with what is covered, how many histories there will be, and seconds.

    Raises:
        UsageError: ``X07EXPLORE_BASE``, ``X07EXPLORE_ENTRY``.
    """
    count = cores or len(os.sched_getaffinity(0)) * (1 if order.command is None else 2)
    with workers(order, count) as pool:
        started = time.monotonic()
        base, places = pool.submit(run_base, order).result()
        plan = Plan(places, histories, order.seed, shard)
        explored = Explored(histories, shard, [order.inputs], base=base, plan=plan)
        _Campaign(pool, order, explored, plan, len(places), count, progress, started).run()
        explored.space = plan.space()
        explored.seconds = time.monotonic() - started
        for finding, decisions in smallest(explored.unshrunk):
            found = pool.submit(shrink, order, finding, decisions).result()
            if found is not None:
                explored.found.append(found)
        return explored


@dataclass(slots=True)
class _Campaign:
    pool: Any
    order: Order
    explored: Explored
    plan: Plan
    places: int
    cores: int
    progress: Callable[[Coverage, int, float], None] | None
    started: float

    def run(self) -> None:
        self._run_all(iter(self.plan.single_tasks()))
        if not self.explored.unshrunk:
            self._run_all(self.plan.more_tasks())

    def _run_all(self, tasks: Iterator[Task]) -> None:
        running: deque[Future[Ran]] = deque()
        while True:
            while len(running) < 2 * self.cores and not self.explored.unshrunk:
                chunk = list(islice(tasks, _CHUNK if self.order.command is None else _CHUNK_OVER_THE_WIRE))
                if not chunk:
                    break
                running.append(self.pool.submit(run_tasks, self.order, chunk, self.places))
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
            self.plan.note(decisions, places)
        total = max(explored.histories // explored.shard[1], explored.coverage.histories)
        if self.progress is not None:
            self.progress(explored.coverage, total, time.monotonic() - self.started)


def smallest(unshrunk: Iterable[tuple[Finding, Decisions]]) -> list[tuple[Finding, Decisions]]:
    """Return the smallest history of each kind of finding, of three kinds at most."""
    found: dict[tuple[str, str], tuple[Finding, Decisions]] = {}
    for finding, decisions in sorted(unshrunk, key=lambda one: (fault_count(one[1]), len(one[1]))):
        found.setdefault((finding.invariant, finding.where), (finding, decisions))
    return list(found.values())[:_MOST_KEPT]


def run_kept(root: Path, file: Path) -> Counterexample | None:
    """Run a kept history again, in this process, and return it if anything is still wrong.

    Raises:
        UsageError: ``X07EXPLORE_SCHEDULE``, ``X07EXPLORE_ENTRY``, ``X07EXPLORE_BASE``.
    """
    one = read_schedule(file)
    check_entry(root, one.entry, dict(one.call), over_the_wire=bool(one.until_idle_s))
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
        until_idle_s=one.until_idle_s,
    )
    runner = Runner(order)
    try:
        with runner.world(), alarm(order):
            base, _ = runner.undisturbed()
            history = run_history(runner.setting, Choices(one.decisions), one.seed)
            found = check(history, base, one.promises, runner.own)
    finally:
        close_starters()
    return Counterexample(history, base, found[0], one.decisions, one.inputs, one.seed) if found else None
