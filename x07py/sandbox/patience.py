"""Sees what no call tells: a thread that waits where none is answered, or computes while others have to wait."""

from __future__ import annotations

import itertools
import os
import threading
import time
from typing import TYPE_CHECKING, Protocol

from x07py.sandbox.kernel import syscall_numbers

if TYPE_CHECKING:
    from collections import deque

    from x07py.sandbox.clock import VirtualClock
    from x07py.sandbox.threads import Thread, Wait

_STANDARD_STREAMS = {0, 1, 2}
HAND_OVER_NS = 5_000_000
"""How long Python waits for its interpreter lock before it asks for it: `sys.getswitchinterval`."""
_READS, _WRITES = ("read", "readv"), ("write", "writev")


def state_of(tid: int | None) -> str:
    """Return the letter that the kernel has for what a thread does: R runs, S and D wait; nothing if it is gone."""
    try:
        with open(f"/proc/{tid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def is_request_for_lock(wait: Wait) -> bool:
    """Tell whether a thread waits for Python's interpreter lock, which it then asks for."""
    return wait.address is not None and wait.until is not None and wait.until - wait.began == HAND_OVER_NS


def _at_standard_stream(tid: int | None, calls: tuple[str, ...]) -> bool:
    """Tell whether a thread waits in one of `calls` at a standard stream, as far as the kernel shows it."""
    try:
        with open(f"/proc/{tid}/syscall", encoding="ascii") as file:  # noqa: PTH123
            number, handle = file.read().split()[:2]
    except (OSError, ValueError):
        return False
    wanted = {syscall_numbers()[name] for name in calls}
    return number.isdigit() and int(number) in wanted and int(handle, 16) in _STANDARD_STREAMS


class GivenTurns(Protocol):
    """What `Patience` sees and does of `x07py.sandbox.turns.Turns`, which says what each is."""

    lock: threading.RLock
    threads: list[Thread]
    ready: deque[Thread]
    waiting: list[Thread]
    turn: Thread | None
    doubtful: str
    clock: VirtualClock

    def newcomer(self) -> Thread | None:
        """Return the thread that is made and has not come."""

    def give_up_newcomer(self) -> None:
        """Wait for it no longer."""

    def let_time_pass(self) -> bool:
        """Let the clock go to where somebody can run, and tell whether there is one."""

    def pass_on(self) -> None:
        """Give the turn to the next one that can run."""


class Patience:
    """Lends the turn on where its holder waits out of sight, or computes for long while others have to wait.

    A thread that waits where no call is answered (reading a pipe, locking a file) is away until its next call, and the
    others go on. While one waits for what the user types no time passes, and one whose output nobody reads yet keeps
    its turn: else what comes after would depend on how fast somebody is.

    A thread that computes keeps its turn for some seconds. Then those that can run do, and those that wait for Python's
    interpreter lock ask for it; after half a minute time passes too. What comes of computing at the same time is not
    repeatable, which `Turns.doubtful` says.

    Growth: one thread, which looks every ten milliseconds while the program has more than one.
    """

    LOOK_SECONDS = 0.01
    QUIET_LOOKS = 3
    SPIN_SECONDS = 3.0
    LONG_SECONDS = 30.0

    def __init__(self, turns: GivenTurns) -> None:
        self._turns = turns
        self._running = False
        self._seen: tuple[Thread | None, int] = (None, -1)
        self._looks = itertools.count()

    def start(self) -> None:
        """Look from now on, if there is more than one thread."""
        if not self._running and len(self._turns.threads) > 1:
            self._running = True
            threading.Thread(target=self._look_on, name="x07-turns", daemon=True).start()

    def _look_on(self) -> None:
        while True:
            time.sleep(self.LOOK_SECONDS)
            with self._turns.lock:
                if self._quiet():
                    self._act()

    def _quiet(self) -> bool:
        """Tell whether nothing has come for some looks."""
        now = (self._turns.turn, sum(one.here for one in self._turns.threads))
        if now != self._seen:
            self._seen, self._looks = now, itertools.count()
        return next(self._looks) >= self.QUIET_LOOKS

    def _act(self) -> None:
        turns, holder = self._turns, self._turns.turn
        if holder is None:
            if turns.newcomer() is not None:
                if not self._is_made():
                    turns.give_up_newcomer()
            elif self._may_let_time_pass() and turns.let_time_pass():
                turns.pass_on()
        elif state_of(holder.tid) in {"S", "D"}:
            reads = _at_standard_stream(holder.tid, _READS)
            if not _at_standard_stream(holder.tid, _WRITES) and (self._turns.ready or not reads):
                self._lend(holder)
        elif self._computes_too_long(holder):
            turns.doubtful = "a thread computed for long while others waited for their turn"
            self._lend(holder)

    def _is_made(self) -> bool:
        """Tell whether the kernel has a thread more than those that have come."""
        come = [one.tid for one in self._turns.threads if one.tid is not None]
        try:
            return len(os.listdir(f"/proc/{come[0]}/task")) > len(come)  # noqa: PTH208
        except OSError:
            return False

    def _lend(self, holder: Thread) -> None:
        holder.away, self._turns.turn = True, None
        self._turns.pass_on()

    def _may_let_time_pass(self) -> bool:
        away = [one for one in self._turns.threads if one.away]
        if any(one.blind or _at_standard_stream(one.tid, _READS) for one in away):
            return False
        computing = [one for one in away if state_of(one.tid) == "R"]
        return bool(away) and (not computing or self._asked_for_lock() or any(map(self._is_long, computing)))

    def _computes_too_long(self, thread: Thread) -> bool:
        others = bool(self._turns.ready) or self._asked_for_lock()
        seconds = time.monotonic() - thread.since
        return (others and seconds > self.SPIN_SECONDS) or (bool(self._turns.waiting) and self._is_long(thread))

    def _is_long(self, thread: Thread) -> bool:
        return time.monotonic() - thread.since > self.LONG_SECONDS

    def _asked_for_lock(self) -> bool:
        return any(one.wait and is_request_for_lock(one.wait) for one in self._turns.waiting)
