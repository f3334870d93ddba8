"""Which history comes next: every fault of the undisturbed run by itself, then pairs, then drawn ones.

What is drawn depends on the seed and the number of the history alone, so that shards and cores change nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from x07py.explore.choices import POISON_PLACE, Choices, Decisions, operation
from x07py.explore.world import run_history

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.explore.history import History
    from x07py.explore.world import Setting

_FOCUS = 12.0
_PAIRS_SHARE, _SINGLES_SHARE = 0.35, 0.5
Places = list[tuple[str, tuple[str, ...]]]


class Space(NamedTuple):
    """Which faults there are, and how many were run.

    Args:
        singles: of the undisturbed run.
        singles_run: of them.
        pairs: a fault of the undisturbed run, and one behind it.
        pairs_run: of them.
        kinds: each kind of fault at an operation.
    """

    singles: int = 0
    singles_run: int = 0
    pairs: int = 0
    pairs_run: int = 0
    kinds: tuple[str, ...] = ()

    def and_of(self, other: Space) -> Space:
        """Return both together, of different inputs."""
        return Space(
            self.singles + other.singles,
            self.singles_run + other.singles_run,
            self.pairs + other.pairs,
            self.pairs_run + other.pairs_run,
            tuple(sorted({*self.kinds, *other.kinds})),
        )


class Task(NamedTuple):
    """One history to run: decided, or drawn with a seed.

    Args:
        number: its number in the exploration.
        decisions: what is decided.
        draw: whether the rest is drawn.
        focus: a kind of fault at an operation that shall be likely.
        single: whether pairs follow from it.
    """

    number: int
    decisions: Decisions
    draw: bool = False
    focus: str = ""
    single: bool = False


def history_of(setting: Setting, task: Task, seed: int, places: int) -> tuple[History, Places]:
    """Run a task; return the history and the places at which there could have been a fault.

    Args:
        setting: of the exploration.
        task: which history.
        seed: of the exploration.
        places: how many places the undisturbed run has.
    """
    if not task.draw:
        choices = Choices(task.decisions)
        return run_history(setting, choices, seed), choices.places
    draw = Random(f"{seed} {task.number}")  # noqa: S311
    faults = draw.choice((0, 1, 1, 2, 2, 3))
    reach = places + draw.choice((0, 1, 4)) * len(setting.inputs) // 2  # small batches make more places, further on
    choices = Choices(
        task.decisions,
        draw,
        fault_rate=min(1.0, draw.choice((1.0, 2.5, 5.0)) / max(reach, 1)),
        order_rate=draw.choice((0.0, 0.1, 0.5, 1.0)),
        weights={task.focus: _FOCUS},
        most_faults=faults,
    )
    return run_history(setting, choices, seed), choices.places


def _turn(pair: Decisions, met: Counter[str]) -> int:
    """Return how many pairs of the same kinds at the same operations came before this one."""
    kinds = " ".join(f"{operation(place)} {kind}" for place, kind in pair.items())
    met[kinds] += 1
    return met[kinds]


@dataclass(slots=True)
class Plan:
    """The histories of an exploration, as far as they are known; pairs follow from what the single faults show.

    Args:
        base: the places of the undisturbed run.
        histories: how many may be run.
        seed: orders what is sampled.
        shard: which part of them is run here: its number from 1, of how many.
    """

    base: Places
    histories: int
    seed: int
    shard: tuple[int, int] = (1, 1)
    singles: list[Decisions] = field(default_factory=list)
    all_singles: int = 0
    pairs: list[Decisions] = field(default_factory=list)
    all_pairs: int = 0
    focuses: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        found: list[Decisions] = [{place: kind} for place, kinds in self.base for kind in kinds]
        self.all_singles = len(found)
        if (POISON_PLACE, ("poison",)) in self.base:
            found += [{POISON_PLACE: "poison", **one} for one in found if POISON_PLACE not in one]
            self.all_singles = len(found)
        room = max(int(self.histories * _SINGLES_SHARE), 1)
        if len(found) > room:
            Random(self.seed).shuffle(found)  # noqa: S311
        self.singles = found[:room]
        pairs = {f"{operation(place)} {kind}" for place, kinds in self.base for kind in kinds}
        self.focuses = sorted(pairs)

    def _is_mine(self, number: int) -> bool:
        return number % self.shard[1] == self.shard[0] - 1

    def single_tasks(self) -> list[Task]:
        """Return the shard's histories with one fault."""
        return [
            Task(number, decisions, single=True)
            for number, decisions in enumerate(self.singles)
            if self._is_mine(number)
        ]

    def space(self) -> Space:
        """Return which faults there are, as far as they are known, and how many the shard runs."""
        singles = len(self.single_tasks())
        return Space(self.all_singles, singles, self.all_pairs, len(self.pairs), tuple(self.focuses))

    def note(self, first: Decisions, places: Places) -> None:
        """Take the places that a history with one fault has: what comes behind it makes pairs."""
        at = list(first)[-1]
        names = [place for place, _ in places]
        behind = places[names.index(at) + 1 :] if at in names else []
        known = set(self.focuses)
        for place, kinds in behind:
            for kind in kinds:
                self.all_pairs += 1
                self.pairs.append({**first, place: kind})
                known.add(f"{operation(place)} {kind}")
        self.focuses = sorted(known)

    def more_tasks(self) -> Iterator[Task]:
        """Yield the shard's pairs, all or a sample, and drawn histories, until there are as many as may be run.

        Each shard has the pairs whose first fault it has run by itself, so that all shards together have all pairs.
        """
        numbers = [one for one in range(len(self.singles), self.histories) if self._is_mine(one)]
        share = int(self.histories * _PAIRS_SHARE) // self.shard[1]
        self._sample_pairs(min(share, len(numbers)))
        drawn = len(numbers) - len(self.pairs)
        pairs = iter(self.pairs)
        for number in numbers:
            pair = next(pairs, None) if number // self.shard[1] % 2 or not drawn else None
            if pair is not None:
                yield Task(number, pair)
            elif drawn:
                focus = self.focuses[number % len(self.focuses)] if self.focuses else ""
                yield Task(number, {}, draw=True, focus=focus)
                drawn -= 1
            else:
                return

    def _sample_pairs(self, most: int) -> None:
        """Keep so many pairs, those first whose kinds at operations come for the first time."""
        self.pairs.sort(key=lambda pair: tuple(pair.items()))
        Random(self.seed).shuffle(self.pairs)  # noqa: S311
        met: Counter[str] = Counter()
        turns = [_turn(pair, met) for pair in self.pairs]
        order = sorted(range(len(turns)), key=turns.__getitem__)
        self.pairs = [self.pairs[number] for number in order[:most]]


@dataclass(slots=True)
class Coverage:
    """How often each kind of fault met each operation, and how many histories there were."""

    histories: int = 0
    lives: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    broken_off: int = 0
    tells_time: bool = False

    def note(self, history: History) -> None:
        """Count a history."""
        self.histories += 1
        self.lives += len(history.lives)
        self.broken_off += bool(history.stuck)
        for place, kind in history.decisions.items():
            if isinstance(kind, str):
                self.faults[f"{operation(place)} {kind}"] += 1

    def add(self, other: Coverage) -> None:
        """Add what another process has counted."""
        self.histories += other.histories
        self.lives += other.lives
        self.faults += other.faults
        self.broken_off += other.broken_off
        self.tells_time = self.tells_time or other.tells_time
