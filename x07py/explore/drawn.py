"""An exploration whose inputs are drawn: each set of them meets some histories, and what is found is made simple."""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from x07py.explore.campaign import Explored, smallest
from x07py.explore.choices import Decisions, fault_count
from x07py.explore.shrinking import earlier, first_of_kind
from x07py.explore.strategies import draw, simplify
from x07py.explore.workers import run_set, shows, shrink, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import Any

    from x07py.explore.inputs import Input
    from x07py.explore.invariants import Finding
    from x07py.explore.order import Order
    from x07py.explore.runner import RanSet
    from x07py.explore.search import Coverage
    from x07py.explore.shrinking import Counterexample
    from x07py.explore.strategies import Drawn

_PER_SET = 25
"""How many histories a set of inputs meets: its undisturbed run has to be seen too, so a few would cost double."""
_FEWEST_SETS = 4
_MOST_TRIED = 400
"""How often simpler inputs are tried."""


class _Set(NamedTuple):
    """An order with inputs that were drawn, and how many histories it meets."""

    order: Order
    histories: int


def explore_drawn(
    order: Order,
    given: Drawn,
    histories: int,
    *,
    shard: tuple[int, int] = (1, 1),
    cores: int = 0,
    progress: Callable[[Coverage, int, float], None] | None = None,
) -> Explored:
    """Explore with inputs that hypothesis draws, until something is wrong, or so many histories were run.

    Args:
        order: what shall be explored; its own inputs are not used.
        given: where inputs come from.
        histories: the most histories, over all shards.
        shard: which part is run here: its number from 1, of how many.
        cores: how many processes; as many as there are cores if 0.
        progress: called now and then with what is covered, how many histories there will be, and seconds.

    Raises:
        UsageError: ``X07EXPLORE_BASE``, ``X07EXPLORE_ENTRY``, ``X07EXPLORE_INPUTS``.
    """
    wanted = max(histories // _PER_SET, min(histories, _FEWEST_SETS))
    sets = draw(given, order.seed, wanted)
    explored = Explored(histories, shard, sets, drawn=True)
    mine = [
        one
        for number, one in enumerate(_shared(order, sets, histories))
        if one.histories and number % shard[1] == shard[0] - 1
    ]
    count = cores or len(os.sched_getaffinity(0))
    with workers(replace(order, inputs=sets[0]), count) as pool:
        started = time.monotonic()
        total = sum(one.histories for one in mine)
        found: list[tuple[Finding, Decisions, Order]] = []
        for one, done in _run_all(pool, mine, count, found):
            explored.coverage.add(done.ran.coverage)
            explored.space = explored.space.and_of(done.space)
            found += [(*wrong, one.order) for wrong in done.ran.found]
            if progress is not None:
                progress(explored.coverage, total, time.monotonic() - started)
        explored.seconds = time.monotonic() - started
        explored.unshrunk = [wrong[:2] for wrong in found]
        for finding, decisions in smallest(explored.unshrunk):
            own = next(one for one in found if one[:2] == (finding, decisions))[2]
            short = _Simplifier(pool, own, finding, decisions).run(given, order.seed, wanted)
            if short is not None:
                explored.found.append(short)
    return explored


def _shared(order: Order, sets: Sequence[Sequence[Input]], histories: int) -> Iterator[_Set]:
    """Yield each set with its share of the histories, and with a seed of its own for what is drawn in them."""
    for number, inputs in enumerate(sets):
        share = histories * (number + 1) // len(sets) - histories * number // len(sets)
        yield _Set(replace(order, inputs=inputs, seed=order.seed + number), share)


def _run_all(pool: Any, sets: Sequence[_Set], cores: int, found: Sequence[object]) -> Iterator[tuple[_Set, RanSet]]:
    """Yield what came of each set, in whatever order they end, until something is found."""
    waiting = deque(sets)
    running: dict[Future[RanSet], _Set] = {}
    while waiting or running:
        while waiting and len(running) < 2 * cores and not found:
            one = waiting.popleft()
            running[pool.submit(run_set, one.order, one.histories)] = one
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


class _Simplifier:
    """Makes faults and inputs of a finding simple.

    Args:
        pool: runs histories.
        order: the inputs and the seed with which something was wrong.
        finding: what.
        decisions: in which history.
    """

    def __init__(self, pool: Any, order: Order, finding: Finding, decisions: Decisions) -> None:
        self._pool, self._order, self._finding = pool, order, finding
        self._decisions = decisions
        self._left = _MOST_TRIED

    def run(self, given: Drawn, seed: int, count: int) -> Counterexample | None:
        """Return the simplest history found, None if the finding does not come again.

        Args:
            given: where the inputs come from.
            seed: as they were drawn with.
            count: as many as were drawn.
        """
        first = self._shrink()
        if first is None:
            return None
        self._decisions = first.decisions
        simple = simplify(given, seed, count, self._order.inputs, self._shows)
        self._order = replace(self._order, inputs=simple)
        return self._shrink() or first

    def _shrink(self) -> Counterexample | None:
        order, finding, decisions = self._order, self._finding, self._decisions
        found: Counterexample | None = self._pool.submit(shrink, order, finding, decisions, keep_inputs=True).result()
        return found

    def _shows(self, inputs: list[Input]) -> bool:
        """Tell whether inputs show the finding, with the same faults or those where fewer messages have them."""
        if self._left <= 0:
            return False
        self._left -= 1
        order = replace(self._order, inputs=inputs)
        fewer = len(self._order.inputs) - len(inputs)
        tried = [self._decisions]
        if fewer > 0 and fault_count(self._decisions):
            tried += [earlier(self._decisions, fewer), first_of_kind(self._decisions)]
        seen: Decisions | None = self._pool.submit(shows, order, self._finding, tried).result()
        if seen is None:
            return False
        self._order, self._decisions = order, seen
        return True
