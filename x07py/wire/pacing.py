"""When what a replay says is said: at once, or not before a timer of the program that ended first when it was recorded.

Time is virtual: a recorded wait takes no longer than it must. It must where the program itself waits for something that
ends earlier, because a time limit, for example, then passed before the answer came.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from x07py.wire.waiting import is_ours, waits_as_long
from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT_MS = 20
"""Recorded waits that are shorter are not waited for: no program can tell them from a busy machine."""
_LOOK_S = 0.002


class _Held(NamedTuple):
    due: float
    wait_s: float
    go_on: Callable[[], None]


class Pacer:
    """Holds back what came late when it was recorded.

    Args:
        real_time: whether everything comes as late as when it was recorded.
        is_unread: whether the program has still to read something that was sent to it.
        patience_s: the longest time limit of the program that is waited for; what is longer is housekeeping.
        pid: the program.
    """

    def __init__(
        self, is_unread: Callable[[], bool], *, real_time: bool, patience_s: float, pid: int | None = None
    ) -> None:
        self._is_unread, self._real_time, self._patience_s = is_unread, real_time, patience_s
        self._pid = pid or os.getpid()
        self._virtual = current_world().solve
        self._held: list[_Held] = []
        self._changed = threading.Condition()
        self._running = self._ended = False

    @property
    def holds(self) -> bool:
        """Whether anything can be held back; not in a world whose time is virtual anyway."""
        return not self._virtual

    @property
    def is_holding(self) -> bool:
        """Whether something is held back now, and so will come."""
        with self._changed:
            return bool(self._held)

    def matters(self, ticks: int) -> bool:
        """Tell whether a wait of so many milliseconds is one."""
        return not self._virtual and ticks > (0 if self._real_time else SHORT_MS)

    def hold(self, since: float, ticks: int, go_on: Callable[[], None]) -> None:
        """Call `go_on`, in a thread of the pacer, when a wait is over.

        Args:
            since: when it began, as `time.monotonic` counts.
            ticks: how long it was when it was recorded, in milliseconds.
            go_on: what comes after it.
        """
        with self._changed:
            self._held.append(_Held(since + ticks / 1000, ticks / 1000, go_on))
            self._changed.notify()
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, daemon=True, name="x07-pacer").start()

    def end(self) -> None:
        """Hold nothing back any more, and say nothing of what is held."""
        with self._changed:
            self._ended = True
            self._held.clear()
            self._changed.notify()

    def _run(self) -> None:
        is_ours()
        while True:
            with self._changed:
                while not self._held and not self._ended:
                    self._changed.wait()
                if self._ended:
                    return
                held = list(self._held)
            over = [one for one in held if self._is_over(one)]
            for one in sorted(over, key=lambda one: one.due):
                one.go_on()
            with self._changed:
                self._held = [one for one in self._held if one not in over]
            if not over:
                time.sleep(_LOOK_S)

    def _is_over(self, one: _Held) -> bool:
        if time.monotonic() >= one.due:
            return True
        if self._real_time or self._is_unread():
            return False
        return waits_as_long(self._pid, min(one.wait_s, self._patience_s))
