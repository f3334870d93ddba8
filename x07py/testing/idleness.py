"""Interrupting a service that never ends, once it has not used its cassette for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_POLL_S = 0.05


def interrupt_when_idle(
    last_used: Callable[[], float | None], idle_s: float, interrupt: Callable[[], None], over: threading.Event
) -> None:
    """Interrupt a program when nothing has happened for a while; again each time that is not enough.

    Time in which this process itself stood still, as on a machine that hangs, counts for next to nothing.

    Args:
        last_used: tells when the program last used its cassette, in any unit; None while the while has not begun.
        idle_s: the while, in seconds.
        interrupt: interrupts the program.
        over: set when there is nothing to interrupt any more.
    """
    idle, seen, began = 0.0, last_used(), time.monotonic()
    while not over.wait(_POLL_S):
        used, now = last_used(), time.monotonic()
        idle = idle + min(now - began, 2 * _POLL_S) if used == seen and used is not None else 0.0
        seen, began = used, now
        if idle > idle_s:
            idle = 0.0
            interrupt()
