"""Counting what a program does with messages, in scopes: a scope counts what happens in it and in the scopes within.

What is counted is what crosses the public calls, not what the interpreter allocates: so a program counts the same with
a live broker, while recording, and in a replay. Without a scope nothing is counted.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, NamedTuple, Self

from x07py import run_report_channel
from x07py.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

TRAP, RESULT, STATS, YIELD = "trap_v1", "result_err_v1", "stats_only_v1", "yield_v1"
_CODES = {
    "alloc_bytes": 0x80000001,
    "alloc_calls": 0x80000002,
    "realloc_calls": 0x80000003,
    "memcpy_bytes": 0x80000004,
    "sched_ticks": 0x80000005,
    "fuel": 0x80000006,
}
_MEANING = {
    "alloc_bytes": "bytes of buffers made",
    "alloc_calls": "buffers made",
    "realloc_calls": "messages",
    "memcpy_bytes": "bytes copied",
    "sched_ticks": "milliseconds of virtual time",
    "fuel": "calls",
}

_NOTHING: Mapping[str, int] = dict.fromkeys(_CODES, 0)

_current: ContextVar[Scope | None] = ContextVar("x07_budget_scope", default=None)


class Budget(NamedTuple):
    """What a scope may use.

    Args:
        id: name of the profile.
        label: its label, for messages.
        mode: what happens beyond a limit: ``trap_v1``, ``result_err_v1``, ``stats_only_v1`` or ``yield_v1``.
        limits: by counter; a counter without one is not limited.
    """

    id: str
    label: str
    mode: str
    limits: Mapping[str, int]


class Scope:
    """One scope of a budget; a context manager that counts for its block, tasks that are started in it included.

    Args:
        budget: what it may use; None counts for the scopes around it alone.
        codec: whether messages that are encoded or decoded in it count; a driver's own do not.
    """

    def __init__(self, budget: Budget | None, *, codec: bool = True) -> None:
        self.budget = budget
        self.codec = codec
        self.counters: dict[str, int] = dict.fromkeys(_CODES, 0)
        self.yields = 0
        self._window: Mapping[str, int] = _NOTHING
        self._parent: Scope | None = None
        self._token: Token[Scope | None] | None = None

    def __enter__(self) -> Self:
        self._parent = _current.get()
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        if self.budget is None:
            return
        exceeded = _exceeded(self.budget, self.counters)
        if run_report_channel.wanted():
            _remember(self.budget, self, exceeded)
        if error is None and exceeded is not None and self.budget.mode == RESULT:
            raise _error(self.budget, exceeded, self.counters)

    def add(self, *, buffers: int = 0, size: int = 0, messages: int = 0, calls: int = 0, ticks: int = 0) -> None:
        """Count in this scope and those around it.

        Args:
            buffers: buffers made.
            size: their bytes, each made and copied once.
            messages: messages that crossed a driver.
            calls: calls of drivers and codecs.
            ticks: milliseconds of virtual time.

        Raises:
            BudgetError: 0x80000001 to 0x80000006 in mode ``trap_v1``, if this is too much.
        """
        scope: Scope | None = self
        while scope is not None:
            counters = scope.counters
            counters["alloc_calls"] += buffers
            counters["alloc_bytes"] += size
            counters["memcpy_bytes"] += size
            counters["realloc_calls"] += messages
            counters["fuel"] += calls
            counters["sched_ticks"] += ticks
            budget = scope.budget
            if budget and budget.mode == TRAP and (exceeded := _exceeded(budget, counters)) is not None:
                raise _error(budget, exceeded, counters)
            scope = scope._parent

    def must_yield(self) -> bool:
        """Whether this scope or one around it is beyond a limit in mode ``yield_v1``; the limits then start anew."""
        found = False
        scope: Scope | None = self
        while scope is not None:
            if scope.budget and scope.budget.mode == YIELD:
                used = {name: count - scope._window[name] for name, count in scope.counters.items()}
                if _exceeded(scope.budget, used) is not None:
                    scope._window = dict(scope.counters)
                    scope.yields += 1
                    found = True
            scope = scope._parent
        return found


def _exceeded(budget: Budget, counters: Mapping[str, int]) -> str | None:
    return next((name for name, limit in budget.limits.items() if counters[name] > limit), None)


def _error(budget: Budget, name: str, counters: Mapping[str, int]) -> BudgetError:
    return BudgetError(
        _CODES[name],
        f"budget {budget.label} allows {budget.limits[name]} {_MEANING[name]}, {counters[name]} were used",
        where=f"arch/budgets, profile {budget.id!r}, {name}",
        hint="do less in the scope, or raise the limit in the profile",
    )


def current_scope() -> Scope | None:
    """Return the innermost scope of this task, or None."""
    return _current.get()


def pass_time(ticks: int) -> None:
    """Count virtual time, in milliseconds, in the current scope."""
    scope = _current.get()
    if scope is not None and ticks:
        scope.add(ticks=ticks)


_rows: dict[str, dict[str, object]] = {}


def _remember(budget: Budget, scope: Scope, exceeded: str | None) -> None:
    """Keep, for the report of the run, the sum and the most that the scopes of each profile have used."""
    row = _rows.get(budget.id)
    if row is None:
        row = _rows[budget.id] = {
            "id": budget.id,
            "label": budget.label,
            "mode": budget.mode,
            "limits": dict(budget.limits),
            "scopes": 0,
            "exceeded": 0,
            "yields": 0,
            "most": dict.fromkeys(_CODES, 0),
            "total": dict.fromkeys(_CODES, 0),
        }
        run_report_channel.note("budgets", row)
    for key, amount in (("scopes", 1), ("exceeded", exceeded is not None), ("yields", scope.yields)):
        row[key] += amount  # type: ignore[operator]
    most, total = row["most"], row["total"]
    for name, count in scope.counters.items():
        most[name] = max(most[name], count)  # type: ignore[index]
        total[name] += count  # type: ignore[index]
