"""Changes how threads of a program are scheduled, by their numbers: libraries set their own threads up this way.

Landlock keeps nobody from other processes of the same user, so the filter leaves a program the calls about itself
alone. The others are made here, for a thread of the caller's own process that was found by its number.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

from x07py.sandbox.arguments import USUAL_POLICIES
from x07py.sandbox.kernel import read_memory, signed, syscall
from x07py.sandbox.notifications import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.notifications import SystemCall

_MOST_MASK_BYTES = 1024
_USUAL = struct.Struct("=i")
"""The one field of a ``struct sched_param``, which is 0 in all usual policies."""


class Priorities:
    """Answers the calls that set priorities, policies and processors.

    Args:
        still_waits: tells whether a caller still waits, asked before anything is changed.
        find: returns the number on this machine of a thread of the caller's own process, by the number that it knows.
    """

    def __init__(
        self, still_waits: Callable[[SystemCall], bool], find: Callable[[SystemCall, int], int] | None = None
    ) -> None:
        self._still_waits, self._find = still_waits, find or thread_of

    def handlers(self) -> dict[str, Callable[[SystemCall], int]]:
        """Return what answers which system call."""
        return {
            "sched_setscheduler": self._policy,
            "sched_setparam": lambda call: self._parameters(call, call.args[1]),
            "sched_setaffinity": self._processors,
            "setpriority": self._priority,
        }

    def _thread(self, call: SystemCall, number: int) -> int:
        found = self._find(call, number) if number else call.pid
        if not self._still_waits(call):
            raise Refused(errno.EINTR)
        return found

    def _policy(self, call: SystemCall) -> int:
        policy = signed(call.args[1])
        if policy not in USUAL_POLICIES:
            raise Refused(errno.EPERM)
        self._check_parameters(call, call.args[2])
        os.sched_setscheduler(self._thread(call, signed(call.args[0])), policy, os.sched_param(0))
        return 0

    def _parameters(self, call: SystemCall, address: int) -> int:
        """Confirm the one parameter that the usual policies have."""
        self._check_parameters(call, address)
        self._thread(call, signed(call.args[0]))
        return 0

    @staticmethod
    def _check_parameters(call: SystemCall, address: int) -> None:
        if read_memory(call.pid, address, _USUAL.size) != _USUAL.pack(0):
            raise Refused(errno.EINVAL)

    def _processors(self, call: SystemCall) -> int:
        mask = read_memory(call.pid, call.args[2], min(call.args[1] & 0xFFFFFFFF, _MOST_MASK_BYTES))
        return syscall("sched_setaffinity", self._thread(call, signed(call.args[0])), len(mask), mask)

    def _priority(self, call: SystemCall) -> int:
        """Lower a priority, or leave it: to raise one takes a right that the program has not."""
        thread, nice = self._thread(call, signed(call.args[1])), signed(call.args[2])
        if nice < os.getpriority(os.PRIO_PROCESS, thread):
            raise Refused(errno.EACCES)
        os.setpriority(os.PRIO_PROCESS, thread, nice)
        return 0


def thread_of(call: SystemCall, number: int) -> int:
    """Return the number on this machine of a thread of the caller's process, by its number in the caller's namespace.

    Raises:
        Refused: ``ESRCH``: it is none, or one of another process.
    """
    for name in (str(call.pid), *_siblings(call.pid)):
        if _number_inside(name) == number:
            return int(name)
    raise Refused(errno.ESRCH)


def _siblings(tid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{tid}/task")  # noqa: PTH208
    except OSError:
        raise Refused(errno.ESRCH) from None


def _number_inside(tid: str) -> int | None:
    try:
        with open(f"/proc/{tid}/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return next((int(line.split()[-1]) for line in file if line.startswith("NSpid:")), None)
    except OSError:
        return None
