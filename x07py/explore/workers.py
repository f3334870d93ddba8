"""The processes that run histories: how they are started, and what is asked of them."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from x07py.errors import UsageError
from x07py.explore.clock import Stuck
from x07py.explore.runner import Runner
from x07py.explore.wire.program import LONGEST_S, close_starters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from x07py.explore.choices import Decisions
    from x07py.explore.history import History
    from x07py.explore.invariants import Finding
    from x07py.explore.order import Order
    from x07py.explore.runner import Ran, RanSet
    from x07py.explore.search import Places, Task
    from x07py.explore.shrinking import Counterexample

_CHUNK_S = 120
_UNDER_ONE_ALARM = 4
"""Histories of a program with a process of its own: the undisturbed one up to three times, and one that is explored."""
_runner: Runner | None = None


def _in_worker(order: Order) -> Runner:
    global _runner  # noqa: PLW0603  (one a process)
    if _runner is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _runner = Runner(order)
    elif _runner.order != order:
        _runner = Runner(order, _runner)
    return _runner


def run_tasks(order: Order, tasks: Sequence[Task], places: int) -> Ran:
    """Run histories of an order; `places` is how many the undisturbed one has."""
    runner = _in_worker(order)
    with runner.world(), alarm(order):
        return runner.run(tasks, places)


def run_set(order: Order, histories: int) -> RanSet:
    """Run so many histories of an order with inputs that were drawn."""
    runner = _in_worker(order)
    with runner.world(), alarm(order):
        return runner.run_set(histories)


def run_base(order: Order) -> tuple[History, Places]:
    """Return the undisturbed history, without its events, and its places."""
    runner = _in_worker(order)
    with runner.world(), alarm(order):
        history, places = runner.undisturbed()
    return replace(history, events=[]), places


def shrink(order: Order, finding: Finding, decisions: Decisions, *, keep_inputs: bool = False) -> Counterexample | None:
    """Make a finding's history short, with fewer inputs too unless they are kept."""
    runner = _in_worker(order)
    with runner.world():
        return runner.shrinker(finding, keep_inputs=keep_inputs).shrink(decisions)


def shows(order: Order, finding: Finding, tried: Sequence[Decisions]) -> Decisions | None:
    """Return the first decisions with which an order's inputs show a finding, None if there are none."""
    runner = _in_worker(order)
    with runner.world():
        return runner.shrinker(finding, keep_inputs=True).first(tried)


@contextmanager
def alarm(order: Order) -> Iterator[None]:
    """Break off what computes without end."""
    longest_s = _CHUNK_S if order.command is None else _UNDER_ONE_ALARM * LONGEST_S

    def ring(number: int, frame: object) -> None:
        raise Stuck(f"{number} {frame}")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(longest_s)
    try:
        yield
    except Stuck:
        what = f"a few histories did not end within {longest_s} s"
        raise UsageError(
            "X07EXPLORE_BASE", what, hint="does the program compute, or wait for a thread, for long?"
        ) from None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class _Here:
    """Runs what is submitted at once, in this process, in the interface of a pool."""

    def submit(self, call: Callable[..., Any], *args: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(call(*args, **named))
        return future

    def shutdown(self, **_: object) -> None:
        """Do nothing."""


@contextmanager
def workers(order: Order, cores: int) -> Iterator[Any]:
    """Yield a pool of so many processes, or of this one if the order says so."""
    global _runner  # noqa: PLW0603
    kept = _runner
    pool: Any = _Here() if order.here else _pool(cores)
    if order.here:
        _runner = Runner(order)
    try:
        yield pool
    finally:
        _runner = kept
        pool.shutdown(wait=True, cancel_futures=True)
        close_starters()


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
