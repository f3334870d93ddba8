"""Ending a program whose cassette has failed: it may be waiting for what will never come.

At first it is left alone, because its connections have ended and most programs end with them. Then its tasks are
cancelled, and then the main thread gets the error wherever it stands, even in a system call.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from x07py.errors import X07Error

_GRACE_S = 1.0
_SIGNAL = getattr(signal, "SIGURG", None)


class Aborter:
    """Ends what runs in one block.

    Args:
        loops: the loops in which connections were made.
    """

    def __init__(self, loops: Collection[asyncio.AbstractEventLoop]) -> None:
        self._loops = loops
        self._owner = _current_task()
        self._main = _SIGNAL is not None and threading.current_thread() is threading.main_thread()
        self._error: X07Error | None = None
        self._cancelled = self._left = False
        self._before: Any = signal.signal(_SIGNAL, self._raise) if self._main and _SIGNAL is not None else None

    def leave(self) -> None:
        """End nothing any more; the cancellation that told the program ends here."""
        self._left = True
        if self._main and _SIGNAL is not None:
            signal.signal(_SIGNAL, self._before)
        if self._cancelled and self._owner is not None:
            self._owner.uncancel()

    def failed(self, error: X07Error) -> None:
        """Note that the cassette has failed."""
        self._error = error
        self._later(self._cancel)

    def _later(self, step: Any) -> None:
        timer = threading.Timer(_GRACE_S, step)
        timer.daemon = True
        timer.start()

    def _cancel(self) -> None:
        if self._left:
            return
        if self._owner is not None:
            self._cancelled = True
            self._owner.get_loop().call_soon_threadsafe(self._owner.cancel)
            return
        for loop in list(self._loops):
            if not loop.is_closed():
                loop.call_soon_threadsafe(_cancel_all, loop)
        self._later(self._interrupt)

    def _interrupt(self) -> None:
        if not self._left and self._main and _SIGNAL is not None:
            signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
            self._later(self._interrupt)

    def _raise(self, *_: Any) -> None:
        if self._error is not None and not self._left:
            raise self._error


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
