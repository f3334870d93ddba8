"""What a program that has to repeat learns of itself: its numbers, and signals to them.

In namespaces of its own these are the kernel's too. Without, a number of this machine would be seen; so the program has
number 2 everywhere, as the second process of its world, and its threads the numbers after that.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from x07py.sandbox.kernel import signed, syscall
from x07py.sandbox.notifications import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.notifications import SystemCall
    from x07py.sandbox.threads import Thread
    from x07py.sandbox.turns import Turns

_PARENT, _PROGRAM, _OUTSIDE = 1, 2, 0
_OWN_GROUP = 0


class Identity:
    """Answers the calls that ask who the program is, or that send signals.

    Args:
        turns: its threads.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def handlers(self) -> dict[str, Callable[[SystemCall], int]]:
        """Return what answers which system call."""
        return {
            "getpid": lambda _: _PROGRAM,
            "getppid": lambda _: _PARENT,
            "gettid": lambda call: self._number(call.pid),
            "getpgrp": lambda _: _OUTSIDE,
            "getpgid": self._outside,
            "getsid": self._outside,
            "kill": lambda call: self._kill(signed(call.args[0]), signed(call.args[1])),
            "tkill": lambda call: self._kill_thread(signed(call.args[0]), signed(call.args[1])),
            "tgkill": lambda call: self._kill_thread(signed(call.args[1]), signed(call.args[2])),
        }

    def thread(self, call: SystemCall, number: int) -> int:  # noqa: ARG002 (there is one program)
        """Return the number on this machine of a thread of the program.

        Raises:
            Refused: ``ESRCH``: there is none.
        """
        tid = self._found(number).tid
        assert tid is not None  # noqa: S101 (what is found has come)
        return tid

    def _number(self, tid: int) -> int:
        return next(one.number for one in self._turns.threads if one.tid == tid)

    @staticmethod
    def _outside(call: SystemCall) -> int:
        if signed(call.args[0]) not in {0, _PROGRAM}:
            raise Refused(errno.ESRCH)
        return _OUTSIDE

    def _kill(self, number: int, signal: int) -> int:
        if number not in {_OWN_GROUP, _PROGRAM}:
            raise Refused(errno.ESRCH)
        main = self._turns.main
        assert main.tid is not None  # noqa: S101 (it is the first that came)
        os.kill(main.tid, signal)
        if signal:
            self._turns.wake_interrupted(main)
        return 0

    def _kill_thread(self, number: int, signal: int) -> int:
        """Signal a thread, by the number that it was told or by the one that the C library had from the kernel."""
        thread = self._found(number)
        syscall("tgkill", self._turns.main.tid, thread.tid, signal)
        if signal:
            self._turns.wake_interrupted(thread)
        return 0

    def _found(self, number: int) -> Thread:
        for thread in self._turns.threads:
            if number in {thread.number, thread.tid} and thread.tid is not None:
                return thread
        raise Refused(errno.ESRCH)
