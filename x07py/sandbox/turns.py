"""One thread of the program runs at a time, and time passes only when none can: so threads, queues and timers repeat.

Every call with which a thread waits, wakes another, begins or ends comes here and is answered when the thread has its
turn. A thread keeps its turn until it waits; then the next that can run gets it, in the order in which they came to be
able to. When all wait, the one whose time limit is next gets it, and the clock is put forward to that limit. When no
time limit is left either, they wait for each other for ever, which is told.

hermit and rr's chaos mode do this for any program, and so have to stop threads between system calls: by counting
branches and single steps. Here nothing does. Python hands its interpreter lock over at waits and asks for it by waits,
so what is left out is a thread that never waits while another one needs it to (see `patience`), and threads without
such a lock, of which the order inside one turn is the processor's.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from x07py.sandbox.listener import GO_ON
from x07py.sandbox.patience import HAND_OVER_NS, Patience, is_request_for_lock, state_of
from x07py.sandbox.threads import Thread, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.clock import VirtualClock
    from x07py.sandbox.notifications import SystemCall
    from x07py.sandbox.schedule import Schedule

_BEFORE_MAIN = 1
_CALLS_A_TURN = 200
"""So many calls a thread makes before others that can run get their turn: else a loop that asks would never hear."""


class Turns:
    """Who runs in one program, and what time it is.

    Args:
        clock: the time.
        carry_out: answers a call that does not wait: returns what is answered, `GO_ON`, or None if it has answered; or
            raises ``OSError`` and ``Refused``.
        send: sends an answer: a result, minus an error number, or `GO_ON`.
        on_deadlock: called when no thread can ever run again.
        schedule: who is next.

    Attributes:
        lock: to be held by who looks at the rest.
        threads: all that there are, the main one first.
        ready: those that can run, in the order in which they came to be able to.
        waiting: those that wait, in the order in which they began to.
        turn: the one that runs.
        doubtful: what happened that another run may not repeat, or nothing.
    """

    def __init__(
        self,
        clock: VirtualClock,
        carry_out: Callable[[SystemCall], Wait | int | str | None],
        send: Callable[[SystemCall, int | str], None],
        on_deadlock: Callable[[], None],
        schedule: Schedule,
    ) -> None:
        self.clock: VirtualClock = clock
        self._carry_out, self._send, self._on_deadlock = carry_out, send, on_deadlock
        self._schedule = schedule
        self.doubtful = ""
        self.lock: threading.RLock = threading.RLock()
        self.threads: list[Thread] = []
        self._made = 0
        self.ready: deque[Thread] = deque()
        self.waiting: list[Thread] = []
        self.turn: Thread | None = None
        self._deferred: Thread | None = None
        self._alarm: tuple[int, int] | None = None
        self._told = False
        self._patience = Patience(self)

    @property
    def main(self) -> Thread:
        return self.threads[0]

    def arrive(self, call: SystemCall) -> None:
        """Take a call, and answer it as soon as its thread has its turn."""
        with self.lock:
            thread = self._known(call.pid)
            thread.call, thread.away = call, False
            thread.here += 1
            if thread.blind is not None:
                until, ended = thread.blind
                thread.blind = None
                if time.monotonic() >= ended:
                    self.clock.pass_limit(until)
            if self.turn is thread:
                self._handle(thread)
            elif thread not in self.ready:
                self.ready.append(thread)
            if self._deferred is not None and self.newcomer() is None:
                thread, self._deferred = self._deferred, None
                self._handle(thread)
            self.pass_on()
            self._patience.start()

    def _known(self, tid: int) -> Thread:
        for thread in self.threads:
            if thread.tid == tid:
                return thread
        new = self.newcomer()
        if new is None:
            new = self._numbered(tid)
            self.threads.append(new)
        new.tid = tid
        return new

    def _numbered(self, tid: int | None) -> Thread:
        self._made += 1
        return Thread(tid, _BEFORE_MAIN + self._made)

    def newcomer(self) -> Thread | None:
        """Return the thread that has been made and has not come yet."""
        return next((one for one in self.threads if one.tid is None), None)

    def expect(self) -> bool:
        """Keep a place for a thread that is being made; False if the one before it has not come yet."""
        if self.newcomer() is not None:
            return False
        new = self._numbered(None)
        self.threads.append(new)
        self.ready.append(new)
        return True

    def give_up_newcomer(self) -> None:
        """Forget a thread that could not be made."""
        new = self.newcomer()
        if new is not None:
            self.threads.remove(new)
            self.ready.remove(new)
        if self._deferred is not None:
            thread, self._deferred = self._deferred, None
            self._handle(thread)
        self.pass_on()

    def _handle(self, thread: Thread) -> None:
        """Answer the call of the thread whose turn it is, or have it wait."""
        call = thread.call
        assert call is not None  # noqa: S101 (it has come)
        thread.calls += 1
        if self.ready and (thread.calls > _CALLS_A_TURN or (thread.calls > 1 and self._schedule.loses_turn())):
            self._yield(thread)
            return
        found = self._carry_out(call)
        if isinstance(found, Wait) and is_request_for_lock(found) and self._schedule.asks_at_once():
            self.clock.put_forward(found.began + HAND_OVER_NS)
            found = found.too_late
        if isinstance(found, Wait) and thread.interrupted:
            self.answer(thread, -_EINTR)
        elif isinstance(found, Wait):
            thread.wait = found
            self.waiting.append(thread)
            self.turn = None
        elif found == DEFER:
            self._deferred = thread
        elif found == YIELD:
            thread.answer = 0
            self._yield(thread)
        elif found == END:
            self._end(thread)
        elif found is not None:
            self.answer(thread, found)

    def _yield(self, thread: Thread) -> None:
        self.ready.append(thread)
        self.turn = None

    def answer(self, thread: Thread, answer: int | str) -> None:
        call, thread.call, thread.answer = thread.call, None, None
        thread.since, thread.interrupted = time.monotonic(), False
        assert call is not None  # noqa: S101 (there is one to answer)
        self._send(call, answer)

    def pass_on(self) -> None:
        """Give the turn to whoever is next, until somebody runs."""
        while self.turn is None:
            self._wake_watchers()
            if not self.ready and not self._wake_next():
                return
            thread = self._schedule.next_of(self.ready)
            if thread.call is None:  # it has been made, and comes in a moment
                return
            self.ready.remove(thread)
            self._schedule.began()
            self.turn, thread.calls = thread, 0
            if thread.answer is None:
                self._handle(thread)
            else:
                self.answer(thread, thread.answer)

    def _wake_watchers(self) -> None:
        for thread in [one for one in self.waiting if one.wait and one.wait.ready and one.wait.ready()]:
            self._wake(thread, GO_ON)

    def _wake_next(self) -> bool:
        """Have somebody be able to run by letting time pass; False if all have to wait."""
        if any(one.away for one in self.threads):
            return False  # `Patience` lets time pass if it stays away
        return self.let_time_pass()

    def let_time_pass(self) -> bool:
        """Put the clock forward to the next time limit, whose thread can run then; tell of a deadlock if none is."""
        limits = [(one.wait.until, one) for one in self.waiting if one.wait and one.wait.until is not None]
        first = min(limits, key=lambda row: row[0], default=None)
        if self._alarm is not None and (first is None or self._alarm[0] < first[0]):
            self._ring()
            return bool(self.ready)
        if first is not None:
            until, thread = first
            if thread.wait is not None and thread.wait.blind:
                self._leave_to_kernel(thread, until)
                return False
            self.clock.pass_limit(until)
            self._time_out(thread)
            return True
        for_ever = [one for one in self.waiting if one.wait and (one.wait.ready or one.wait.blind)]
        if for_ever:
            for thread in for_ever:  # for what comes from outside
                self._leave_to_kernel(thread, None)
        elif self.waiting and not self._told and not any(one.away for one in self.threads):
            self._told = True
            self._on_deadlock()
            self.interrupt()
            return bool(self.ready)
        return False

    def _leave_to_kernel(self, thread: Thread, until: int | None) -> None:
        self.waiting.remove(thread)
        if until is not None and thread.wait is not None:
            thread.blind = until, time.monotonic() + (until - thread.wait.began) / 1e9 - _EARLY_SECONDS
        thread.wait, thread.away = None, True
        self.answer(thread, GO_ON)

    def _time_out(self, thread: Thread) -> None:
        assert thread.wait is not None  # noqa: S101 (it waits)
        if thread.wait.on_timeout is not None:
            with suppress(OSError):  # the thread is gone
                thread.wait.on_timeout()
        self._wake(thread, thread.wait.too_late)

    def _wake(self, thread: Thread, answer: int | str) -> None:
        self.waiting.remove(thread)
        thread.wait, thread.answer = None, answer
        self.ready.append(thread)

    def wake_at(self, address: int, most: int, bits: int = 0xFFFFFFFF) -> int:
        """Wake at most so many threads that wait at a futex, the first ones first; return how many."""
        found = [one for one in self.waiting if one.wait and one.wait.address == address and one.wait.bits & bits]
        for thread in found[:most]:
            self._wake(thread, 0)
        return len(found[:most])

    def move(self, address: int, most: int, to: int) -> int:
        """Have at most so many threads wait at another futex instead; return how many."""
        found = [one.wait for one in self.waiting if one.wait and one.wait.address == address][:most]
        for wait in found:
            wait.address = to
        return len(found)

    def interrupt(self) -> None:
        """End the wait of the main thread, for it to see a signal that was sent."""
        with self.lock:
            if self.threads:
                self.wake_interrupted(self.main)
            self.pass_on()

    def wake_interrupted(self, thread: Thread) -> None:
        """End the wait of a thread that has been sent a signal, or the next one: its call may be on the way already."""
        if thread in self.waiting:
            self._wake(thread, -_EINTR)
        else:
            thread.interrupted = True

    def set_alarm(self, at: int | None, every: int) -> tuple[int, int]:
        """Have a signal sent when nobody can run before `at`; return what is left of the one before, and its period."""
        before = self._alarm
        self._alarm = None if at is None else (at, every)
        return (0, 0) if before is None else (max(0, before[0] - self.clock.passed), before[1])

    def left_of_alarm(self) -> tuple[int, int]:
        """Return nanoseconds until the alarm, and between two of them."""
        return (0, 0) if self._alarm is None else (max(0, self._alarm[0] - self.clock.passed), self._alarm[1])

    def _ring(self) -> None:
        assert self._alarm is not None  # noqa: S101 (asked by the caller)
        at, every = self._alarm
        self._alarm = (at + every, every) if every else None
        self.clock.pass_limit(at)
        assert self.main.tid is not None  # noqa: S101 (the main thread is the first that came)
        with suppress(ProcessLookupError):
            os.kill(self.main.tid, _SIGALRM)
        self.wake_interrupted(self.main)

    def _woken_by_kernel(self, thread: Thread) -> bool:
        wait = thread.wait
        if wait is None or wait.address is None or thread.call is None:
            return False
        return self.clock.word(thread.call, wait.address) != wait.value

    def _end(self, thread: Thread) -> None:
        """Let a thread end, and wake who waits for the memory that the kernel clears then."""
        self.threads.remove(thread) if thread is not self.main else None
        self.answer(thread, GO_ON)
        _until_gone(thread.tid)
        for other in [one for one in self.waiting if one.wait and one.wait.shared]:
            if self._woken_by_kernel(other):
                self._wake(other, 0)
        self.turn = None


DEFER, YIELD, END = "defer", "yield", "end"
"""What `carry_out` returns where a thread is to come first, where others are to, and where the thread ends."""
_EINTR, _SIGALRM = 4, 14
_EARLY_SECONDS = 0.002
_GONE_SECONDS = 0.05


def _until_gone(tid: int | None) -> None:
    deadline = time.monotonic() + _GONE_SECONDS
    while time.monotonic() < deadline:
        state = state_of(tid)
        if state in {"", "Z", "X"}:
            return
        time.sleep(0.0001)
