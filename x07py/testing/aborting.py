"""Ending a program whose cassette has failed: it may be waiting for what will never come.

At first it is left alone, because its connections have ended and most programs end with them. Then its tasks are
cancelled, and then the main thread gets the error wherever it stands, even in a system call. Both come again until the
cassette is left: what a program cleans up may wait for the same connections.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from x07py.wire.process.loops import current_task

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection
    from types import CodeType, FrameType

    from x07py.errors import X07Error

_GRACE_S = 1.0
_PATIENT_ROUNDS = 5
"""How often the task that a cassette belongs to is cancelled before its thread, and its loop, get the error."""
_SIGNAL = getattr(signal, "SIGURG", None)
_CALLING = ("_pytest.doctest", "_pytest.fixtures", "_pytest.python", "_pytest.unittest")
"""Modules of pytest that call tests and fixtures."""


class Aborter:
    """Ends what runs in one block.

    Args:
        loops: the loops in which connections were made.
        ending: the code that ends the block, which is not interrupted.
    """

    def __init__(self, loops: Collection[asyncio.AbstractEventLoop], ending: CodeType) -> None:
        self._loops, self._ending = loops, ending
        self._owner = current_task()
        self._main = _SIGNAL is not None and threading.current_thread() is threading.main_thread()
        self._error: X07Error | None = None
        self._left = False
        self._cancels = self._rounds = 0
        self._before: Any = signal.signal(_SIGNAL, self._raise) if self._main and _SIGNAL is not None else None

    def leave(self) -> None:
        """End nothing any more; the cancellation that told the program ends here."""
        self._left = True
        if self._main and _SIGNAL is not None:
            signal.signal(_SIGNAL, self._before)
        while self._owner is not None and self._cancels:
            self._cancels -= 1
            self._owner.uncancel()

    def failed(self, error: X07Error) -> None:
        """Note that the cassette has failed."""
        self._error = error
        self._later()

    def _later(self) -> None:
        timer = threading.Timer(_GRACE_S, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        if self._left:
            return
        self._rounds += 1
        for loop in list(self._loops) if self._owner is None else [self._owner.get_loop()]:
            with contextlib.suppress(RuntimeError):  # it is closed
                loop.call_soon_threadsafe(self._cancel, loop)
        if self._main and _SIGNAL is not None and self._rounds > (1 if self._owner is None else _PATIENT_ROUNDS):
            signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
        self._later()

    def _cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._left:
            return
        if self._owner is not None:
            self._cancels += 1
        import asyncio

        for task in asyncio.all_tasks(loop) if self._owner is None else [self._owner]:
            task.cancel()

    def _raise(self, _: int, frame: FrameType | None) -> None:
        if self._error is not None and not self._left and self._is_of_program(frame):
            raise self._error

    def _is_of_program(self, frame: FrameType | None) -> bool:
        """Return whether what runs may be ended: not the end of the block, nor pytest between tests and fixtures."""
        is_called = False
        while frame is not None:
            if frame.f_code is self._ending:
                return False
            module = frame.f_globals.get("__name__", "")
            package = module.partition(".")[0]
            if package in ("_pytest", "pluggy"):
                return is_called and module in _CALLING
            is_called = is_called or (package != "x07py" and package not in sys.stdlib_module_names)
            frame = frame.f_back
        return True
