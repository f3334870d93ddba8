"""Stopping: signals that set events, and tasks that are ended."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_to_set: dict[asyncio.AbstractEventLoop, list[asyncio.Event]] = {}
"""The events of the pumps on each loop: a loop has one handler a signal, and a signal is meant for all of them."""


_interrupts: list[signal.Signals] = []


def interrupts_taken() -> int:
    """Return how many times SIGINT has stopped pumps of this process instead of raising KeyboardInterrupt."""
    return len(_interrupts)


def _stop_all(loop: asyncio.AbstractEventLoop, number: signal.Signals) -> None:
    if number is signal.SIGINT:
        _interrupts.append(number)
    for event in _to_set.get(loop, ()):
        event.set()


@contextmanager
def signals_set(event: asyncio.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set an event while the block runs, if this is the main thread's loop."""
    loop = asyncio.get_running_loop()
    events = _to_set.setdefault(loop, [])
    events.append(event)
    if len(events) == 1:
        for number in _SIGNALS:
            with suppress(ValueError, RuntimeError, NotImplementedError):
                loop.add_signal_handler(number, _stop_all, loop, number)
    try:
        yield
    finally:
        events.remove(event)
        if not events:
            del _to_set[loop]
            for number in _SIGNALS:
                with suppress(ValueError, RuntimeError, NotImplementedError):
                    loop.remove_signal_handler(number)


async def end(task: asyncio.Future[Any]) -> None:
    """Cancel a task that has not ended, and wait until it has."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
