"""Where requests stand in a recording, and what is written of them together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.rr.entry_template import Fields


class Place:
    """The place of one request in a recording, from when it was sent until its outcome is known."""

    __slots__ = ("_done", "_unless", "started", "write")

    def __init__(self, unless: Callable[[], None] | None) -> None:
        self._unless = unless
        self._done = False
        self.started: float = time.monotonic()
        self.write: Callable[[], None] | None = None

    def fill(self, write: Callable[[], None] | None) -> None:
        """Say how the outcome is written; None leaves the request out of the recording."""
        self._done, self.write = True, write

    def give_up(self) -> None:
        """Write what is written of a request that was never answered."""
        if not self._done:
            self.fill(self._unless)

    @property
    def is_done(self) -> bool:
        """Whether the outcome is known."""
        return self._done

    @property
    def ticks(self) -> int:
        """Milliseconds since the request was sent."""
        return int((time.monotonic() - self.started) * 1000)


class Rows(NamedTuple):
    """Entries of one operation and place that follow each other."""

    op: str
    scope: str
    by_program: bool
    rows: list[Fields]
