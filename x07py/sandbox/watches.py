"""Watches files for the program (inotify) below what it may read, which Landlock does not govern.

The supervisor makes each inotify instance and gives the program a copy, so a watch is added here, to its own, for a
file that was found once and judged. Names of files elsewhere, and when they are used, stay unknown.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from x07py.sandbox import places
from x07py.sandbox.kernel import signed, syscall
from x07py.sandbox.notifications import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from x07py.sandbox.listener import Listener
    from x07py.sandbox.notifications import SystemCall

WATCHED = "inotify_init inotify_init1 inotify_add_watch"
"""Names of the calls that are answered here."""
_DONT_FOLLOW = 0x2000000
_MASK = 0xFFFFFFFF


class Watches:
    """Answers the calls that watch files.

    Growth: one descriptor for each inotify instance whose number in the program is still the newest.

    Args:
        listener: gives the program its instances.
        readable: folders and files, without links, that the program may read.
    """

    def __init__(self, listener: Listener, readable: Iterable[str]) -> None:
        self._listener, self._readable = listener, tuple(readable)
        self._own: dict[int, int] = {}

    def handlers(self) -> dict[str, Callable[[SystemCall], int | None]]:
        """Return what answers which system call."""
        return {
            "inotify_init": lambda call: self._make(call, 0),
            "inotify_init1": lambda call: self._make(call, signed(call.args[0])),
            "inotify_add_watch": self._add,
        }

    def _make(self, call: SystemCall, flags: int) -> None:
        made = syscall("inotify_init1", flags & os.O_NONBLOCK | os.O_CLOEXEC)
        number = self._listener.give(call, made, flags & os.O_CLOEXEC)
        before = self._own.pop(number, None)
        if before is not None:
            os.close(before)
        self._own[number] = made

    def _add(self, call: SystemCall) -> int:
        own = self._own.get(signed(call.args[0]))
        if own is None:
            raise Refused(errno.EBADF)
        mask = call.args[2] & _MASK
        handle = places.at(call, None, 1, places.NOFOLLOW if mask & _DONT_FOLLOW else 0)
        try:
            if not places.lies_below(call.pid, handle, self._readable):
                raise Refused(errno.EACCES)
            name = os.fsencode(f"/proc/self/fd/{handle}")
            return syscall("inotify_add_watch", own, name, mask & ~_DONT_FOLLOW)
        finally:
            os.close(handle)
