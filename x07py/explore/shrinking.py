"""A history that shows the same with less: fewer faults, orders as they would be, fewer messages.

Delta debugging over a dictionary of decisions, whose names do not move when others go; hypothesis' engine works on a
sequence of draws, where each removal moves all that comes behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from x07py.explore.choices import Choices, Decisions, fault_count
from x07py.explore.invariants import UNDISTURBED, check, failure_of, undisturbed_finding
from x07py.explore.world import run_history

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from x07py.explore.history import History
    from x07py.explore.inputs import Input
    from x07py.explore.invariants import Finding
    from x07py.explore.promises import Promises
    from x07py.explore.world import Setting

_MOST_RUNS, _MOST_RUNS_OVER_THE_WIRE = 1500, 60
_MOST_BATCHES = 30


class Counterexample(NamedTuple):
    """A history that breaks a promise, and what it takes to see it again."""

    history: History
    base: History
    finding: Finding
    decisions: Decisions
    inputs: Sequence[Input]
    seed: int


class Shrinker:
    """Makes one history short.

    Args:
        setting: of the exploration.
        promises: what the program promises.
        own: the user's invariants.
        seed: of the exploration.
        finding: what has to stay wrong.
        keep_inputs: leave the inputs as they are.
    """

    def __init__(
        self,
        setting: Setting,
        promises: Promises,
        own: Sequence[tuple[str, Callable[[History], object]]],
        seed: int,
        finding: Finding,
        *,
        keep_inputs: bool = False,
    ) -> None:
        self._setting, self._promises, self._own, self._seed = setting, promises, own, seed
        self._wanted = (finding.invariant, finding.where)
        self._keep_inputs = keep_inputs
        self._runs = 0
        self._most_runs = _MOST_RUNS if setting.command is None else _MOST_RUNS_OVER_THE_WIRE
        self._bases: list[tuple[Sequence[Input], History]] = []
        self._best: Counterexample | None = None

    def shrink(self, decisions: Decisions) -> Counterexample | None:
        """Return the shortest history found, None if the finding does not come again."""
        if not self._shows(self._setting.inputs, decisions):
            return None
        before = -1
        while self._best is not None and _size(self._best) != before and self._runs < self._most_runs:
            before = _size(self._best)
            self._fewer_decisions()
            self._earlier_faults()
            if not self._keep_inputs:
                self._fewer_inputs()
            self._smaller_orders()
        return self._best

    def first(self, tried: Sequence[Decisions]) -> Decisions | None:
        """Return the first decisions that show the finding, as they were met; None if none do."""
        for decisions in tried:
            if self._shows(self._setting.inputs, decisions) and self._best is not None:
                return self._best.decisions
        return None

    def _shows(self, inputs: Sequence[Input], decisions: Decisions) -> bool:
        if self._runs >= self._most_runs or not inputs:
            return False
        setting = self._setting._replace(inputs=inputs)
        base = self._base(setting)
        self._runs += 1
        failure = failure_of(base)
        if self._wanted[0] == UNDISTURBED:
            history, seen = base, [undisturbed_finding(failure)] if failure else []
        elif failure:
            return False
        else:
            history = run_history(setting, Choices(decisions), self._seed)
            seen = check(history, base, self._promises, self._own)
        found = [one for one in seen if one.invariant == self._wanted[0] and _near(one.where, self._wanted[1])]
        if not found:
            return False
        taken = dict(history.decisions)
        self._best = Counterexample(history, base, found[0], taken, inputs, self._seed)
        return True

    def _base(self, setting: Setting) -> History:
        """Return the undisturbed history of some inputs, which is run once."""
        known = next((base for inputs, base in self._bases if inputs == setting.inputs), None)
        if known is None:
            self._runs += 1
            known = run_history(setting, Choices({}), self._seed)
            self._bases = [*self._bases[-1:], (setting.inputs, known)]
        return known

    def _fewer_decisions(self) -> None:
        """Try without each fault, or with small batches in its place, then without the orders, halves of them first."""
        assert self._best is not None  # noqa: S101
        for name in [name for name, one in self._best.decisions.items() if isinstance(one, str)]:
            self._without({name})
            for fewer in (self._in_one_life, self._in_small_batches) if self._setting.command is None else ():
                if name in self._best.decisions:
                    fewer(name)
        orders = [name for name, one in self._best.decisions.items() if not isinstance(one, str)]
        size = len(orders)
        while size:
            for start in range(0, len(orders), size):
                self._without(set(orders[start : start + size]))
            size //= 2

    def _in_one_life(self, name: str) -> None:
        """Try without a fault, with what happened in later lives a life earlier: it may have only ended one."""
        assert self._best is not None  # noqa: S101
        member, _, life = name.partition(":")[0].rpartition(".")
        if life.isdigit():
            rest = {place: one for place, one in self._best.decisions.items() if place != name}
            self._shows(self._best.inputs, {_life_before(place, member, int(life)): one for place, one in rest.items()})

    def _in_small_batches(self, name: str) -> None:
        """Try without a fault, one message at a time: it may have done nothing but end a batch early."""
        assert self._best is not None  # noqa: S101
        numbers = range(1, min(len(self._best.inputs), _MOST_BATCHES) + 1)
        small = {f"{life.name}:batch#{number}": 1 for life in self._best.history.lives for number in numbers}
        rest = {place: one for place, one in self._best.decisions.items() if place != name}
        self._shows(self._best.inputs, {**rest, **small})

    def _without(self, names: set[str]) -> None:
        assert self._best is not None  # noqa: S101
        if names & self._best.decisions.keys():
            rest = {name: one for name, one in self._best.decisions.items() if name not in names}
            self._shows(self._best.inputs, rest)

    def _earlier_faults(self) -> None:
        """Try each fault at an earlier operation of its kind: what comes before it can go then."""
        assert self._best is not None  # noqa: S101
        for name, kind in list(self._best.decisions.items()):
            number = _number(name)
            if not isinstance(kind, str) or number is None or name not in self._best.decisions:
                continue
            rest = {place: one for place, one in self._best.decisions.items() if place != name}
            for earlier in (1, 2, number // 2):
                if 0 < earlier < number and self._shows(self._best.inputs, {**rest, _at(name, earlier): kind}):
                    break

    def _fewer_inputs(self) -> None:
        assert self._best is not None  # noqa: S101
        size = max(len(self._best.inputs) // 2, 1)
        while size:
            start = 0
            while start < len(self._best.inputs):
                rest = [*self._best.inputs[:start], *self._best.inputs[start + size :]]
                decisions = self._best.decisions
                if not (self._shows(rest, decisions) or self._shows(rest, earlier(decisions, size))):
                    start += size
            size //= 2

    def _smaller_orders(self) -> None:
        assert self._best is not None  # noqa: S101
        for name, value in list(self._best.decisions.items()):
            if isinstance(value, int) and value > 1:
                self._shows(self._best.inputs, {**self._best.decisions, name: 1})


def _number(place: str) -> int | None:
    number = place.rpartition("#")[2]
    return int(number) if number.isdigit() else None


def _life_before(place: str, member: str, life: int) -> str:
    """Return a place one life earlier, if it is in one behind the given life of a member."""
    who, _, operation = place.partition(":")
    name, _, number = who.rpartition(".")
    is_behind = name == member and number.isdigit() and int(number) > life
    return f"{name}.{int(number) - 1}:{operation}" if is_behind else place


def _at(place: str, number: int) -> str:
    return f"{place.rpartition('#')[0]}#{number}"


def earlier(decisions: Decisions, by: int) -> Decisions:
    """Return decisions with each fault that many operations earlier, as where so many messages are missing."""
    moved: Decisions = {}
    for place, one in decisions.items():
        number = _number(place)
        moves = isinstance(one, str) and number is not None and number > by
        moved[_at(place, number - by) if moves and number is not None else place] = one
    return moved


def first_of_kind(decisions: Decisions) -> Decisions:
    """Return decisions with each fault at the first operation of its kind in its life."""
    return {
        _at(place, 1) if isinstance(one, str) and _number(place) is not None else place: one
        for place, one in decisions.items()
    }


def _near(where: str, wanted: str) -> bool:
    """Tell whether it is the same place, of whatever partition."""
    return where.partition("/")[0] == wanted.partition("/")[0]


def _size(one: Counterexample) -> int:
    lives = len(one.history.lives)
    return fault_count(one.decisions) * 10_000 + lives * 1000 + len(one.inputs) * 10 + len(one.decisions)
