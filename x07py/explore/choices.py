"""What is decided in a history, by the name of the place: a fault, or an order that no broker promises.

A place is named by member, life, operation and number, so that what is decided elsewhere does not move it. What is not
decided is the undisturbed case: no fault, everything that is there in one batch, partitions in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

Decisions = dict[str, "int | str"]
POISON_PLACE = "-:input#1"
"""Where it is decided whether a message is put in that nobody can handle; if drawn, in every second history."""


class Choices:
    """The decisions of one history.

    Args:
        decided: what is decided already; a number for an order, the kind for a fault.
        draw: decides at the other places; None leaves them undisturbed.
        fault_rate: how likely a fault is at a place, from 0 to 1.
        order_rate: how likely an order is another one than the undisturbed.
        weights: how much a kind of fault is wanted, 1 where nothing is said.
        most_faults: after so many drawn faults there are no more.
    """

    def __init__(
        self,
        decided: Mapping[str, int | str],
        draw: Random | None = None,
        *,
        fault_rate: float = 0.0,
        order_rate: float = 0.0,
        weights: Mapping[str, float] | None = None,
        most_faults: int = 0,
    ) -> None:
        self._decided, self._draw = decided, draw
        self._fault_rate, self._order_rate, self._weights = fault_rate, order_rate, weights or {}
        self._left = most_faults
        self.taken: Decisions = {}
        """What was decided otherwise than undisturbed."""
        self.places: list[tuple[str, tuple[str, ...]]] = []
        """Each place at which there could have been a fault, with the kinds, in order."""

    def order(self, place: str, count: int) -> int:
        """Return one of `count` possibilities, 0 if undisturbed."""
        if count < 2:
            return 0
        found = self._decided.get(place)
        if found is None and self._draw is not None and self._draw.random() < self._order_rate:
            found = self._draw.randrange(count)
        if not isinstance(found, int) or not 0 < found < count:
            return 0
        self.taken[place] = found
        return found

    def fault(self, place: str, kinds: tuple[str, ...]) -> str:
        """Return the kind of fault at a place, empty if there is none."""
        if not kinds:
            return ""
        self.places.append((place, kinds))
        found = self._decided.get(place)
        rate = 0.5 if place == POISON_PLACE else self._fault_rate
        if found is None and self._left and self._draw is not None and self._draw.random() < rate:
            found = self._pick(place, kinds)
        if not isinstance(found, str) or found not in kinds:
            return ""
        self.taken[place] = found
        self._left -= place != POISON_PLACE
        return found

    def _pick(self, place: str, kinds: Sequence[str]) -> str:
        assert self._draw is not None  # noqa: S101
        op = operation(place)
        return self._draw.choices(kinds, [self._weights.get(f"{op} {kind}", 1.0) for kind in kinds])[0]


def operation(place: str) -> str:
    """Return the operation in the name of a place: ``publish`` of ``a.1:publish#3``."""
    return place.partition(":")[2].partition("#")[0]


def fault_count(decisions: Mapping[str, int | str]) -> int:
    """Return how many of the decisions are faults."""
    return sum(isinstance(one, str) for one in decisions.values())
