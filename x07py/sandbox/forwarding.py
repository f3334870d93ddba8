"""Signals that x07 gets and its program is meant to have."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FROM_TERMINAL = 0x80
"""The code of a signal that the terminal has given to the whole group, the program included."""
FORWARDED = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
    signal.SIGTSTP,
}


class Forwarding:
    """The way of signals to a program; what comes before it is known waits for it.

    Args:
        on_sent: called after each signal that `send` and `pass_on` have sent.
    """

    def __init__(self, on_sent: Callable[[], None]) -> None:
        self._on_sent = on_sent
        self._program: int | None = None
        self._waiting: list[int] = []

    def started(self, program: int) -> None:
        """Take the program's pidfd, and send what came before it did."""
        self._program = program
        for number in self._waiting:
            self.send(number)

    def pass_on(self, number: int, code: int) -> None:
        """Send the program a signal that x07 got, with its code; stop with it where the terminal says so."""
        if code != FROM_TERMINAL:
            self.send(number)
        if number == signal.SIGTSTP:
            os.kill(os.getpid(), signal.SIGSTOP)
            self.send(signal.SIGCONT)

    def send(self, number: int) -> None:
        """Send the program a signal, or keep it until the program is known.

        The number may be the user's, and none that Python has a name for.
        """
        if self._program is None:
            self._waiting.append(number)
        else:
            self.send_now(number)
            self._on_sent()

    def send_now(self, number: int) -> None:
        """Send the program a signal if it is known, without a word to anybody."""
        if self._program is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._program, number)

    def close(self) -> None:
        """Close the program's pidfd."""
        if self._program is not None:
            os.close(self._program)
