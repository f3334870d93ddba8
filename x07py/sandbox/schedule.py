"""In which order threads get their turns: the order in which they came to be able to run, or one drawn from a seed.

A seed stands for one interleaving out of many that the program may show elsewhere. Besides who is next it draws when a
thread loses its turn: at some of its calls, and where another one waits for Python's interpreter lock, at once.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.sandbox.threads import Thread

_LOSES_TURN = 0.5
_ASKS_AT_ONCE = 0.7


class Schedule:
    """The order of one run.

    Args:
        seed: what it is drawn from; None for the fixed order.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._drawn = None if seed is None else random.Random(seed)  # noqa: S311 (no secret)
        self._next: Thread | None = None

    def next_of(self, ready: Sequence[Thread]) -> Thread:
        """Return who of those that can run gets the turn; asked again before it did, the same one."""
        if self._drawn is None:
            return ready[0]
        if self._next is None or self._next not in ready:
            self._next = ready[self._drawn.randrange(len(ready))]
        return self._next

    def began(self) -> None:
        """Note that the one that was chosen has its turn."""
        self._next = None

    def loses_turn(self) -> bool:
        """Tell whether a thread that makes a call loses its turn there, others being able to run."""
        return self._drawn is not None and self._drawn.random() < _LOSES_TURN

    def asks_at_once(self) -> bool:
        """Tell whether a thread that begins to wait for Python's interpreter lock asks for it without waiting."""
        return self._drawn is not None and self._drawn.random() < _ASKS_AT_ONCE
