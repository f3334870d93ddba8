"""The threads of a program whose turns are given out, and what they wait for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.notifications import SystemCall


class Wait:
    """Why a thread waits.

    Args:
        until: nanoseconds on the virtual clock at which it ends by itself, or None.
        began: nanoseconds on that clock at which it began, for one that is blind or at a futex.
        too_late: what is answered then: a result, or minus an error number.
        ready: tells whether what it waits for is there, for waits that no other call ends; the kernel then carries the
            call out.
        blind: whether nothing tells if what it waits for is there, so that the kernel has to wait, in real time.
        address: of the futex that it waits at.
        bits: what wakes it there.
        value: what the futex held.
        shared: whether the kernel may wake it.
        on_timeout: called before `too_late` is answered.
    """

    def __init__(
        self,
        until: int | None = None,
        too_late: int = 0,
        *,
        ready: Callable[[], bool] | None = None,
        blind: bool = False,
        began: int = 0,
        address: int | None = None,
        bits: int = 0xFFFFFFFF,
        value: int = 0,
        shared: bool = False,
        on_timeout: Callable[[], None] | None = None,
    ) -> None:
        self.until, self.too_late, self.ready, self.blind, self.began = until, too_late, ready, blind, began
        self.address, self.bits, self.value, self.shared = address, bits, value, shared
        self.on_timeout = on_timeout


class Thread:
    """One thread: running with its turn, waiting, able to run, or away in a call that is not answered here.

    Args:
        tid: its number on this machine, None until it has come.
        number: the one that the program knows.
        call: the call that it has made and that is not answered.
        wait: why it is not.
        answer: what it will be answered, for one that can run.
        away: whether it waits in a call that the kernel carries out.
        interrupted: whether a signal has come since it made its call.
        calls: how many it has made in this turn.
        here: how many it has made.
        blind: what the kernel waits for: the end on the virtual clock, and the real one in seconds.
        since: when it was last answered, seconds.
    """

    def __init__(self, tid: int | None, number: int) -> None:
        self.tid, self.number = tid, number
        self.call: SystemCall | None = None
        self.wait: Wait | None = None
        self.answer: int | str | None = None
        self.away = self.interrupted = False
        self.calls = self.here = 0
        self.blind: tuple[int, float] | None = None
        self.since = time.monotonic()
