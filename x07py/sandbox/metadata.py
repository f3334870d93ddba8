"""Changes modes and times of files below the granted folders, which Landlock does not govern.

As with sockets, the program's call is never continued: the file is found once and held by a descriptor, its place and
owner are judged, and the change is made through that descriptor. So neither a swapped link nor a changed path matters.
Set-user-id and set-group-id bits, and files of other owners, are refused whatever rights the supervisor has.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from typing import TYPE_CHECKING

from x07py.sandbox import places
from x07py.sandbox.kernel import read_memory, signed
from x07py.sandbox.notifications import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from x07py.sandbox.notifications import SystemCall

MEDIATED = "chmod fchmod fchmodat fchmodat2 utime utimes futimesat utimensat"
"""Names of the calls that are answered here."""

_NOW, _OMIT = 0x3FFFFFFF, 0x3FFFFFFE
_SECOND, _MICROSECOND = 1_000_000_000, 1000
_SPECIAL_BITS = stat.S_ISUID | stat.S_ISGID


class Metadata:
    """Answers the calls that change a file's mode or times.

    Args:
        roots: granted folders and files, without links; found out before the program can have made any.
        still_waits: tells whether a caller still waits, asked before anything is changed.
    """

    def __init__(self, roots: Iterable[str], still_waits: Callable[[SystemCall], bool]) -> None:
        self._roots = tuple(roots)
        self._still_waits = still_waits

    def handlers(self) -> dict[str, Callable[[SystemCall], int]]:
        """Return what answers which system call."""
        return {
            "chmod": lambda call: self._chmod(call, places.at(call, None, 0, 0), call.args[1]),
            "fchmod": lambda call: self._chmod(call, places.descriptor(call, signed(call.args[0])), call.args[1]),
            "fchmodat": lambda call: self._chmod(call, places.at(call, 0, 1, 0), call.args[2]),
            "fchmodat2": lambda call: self._chmod(call, places.at(call, 0, 1, call.args[3]), call.args[2]),
            "utime": lambda call: self._utime(call, places.at(call, None, 0, 0), _utimbuf(call, call.args[1])),
            "utimes": lambda call: self._utime(call, places.at(call, None, 0, 0), _timevals(call, call.args[1])),
            "futimesat": lambda call: self._utime(call, places.at(call, 0, 1, 0), _timevals(call, call.args[2])),
            "utimensat": lambda call: self._utime(
                call, places.at(call, 0, 1, call.args[3]), _timespecs(call, call.args[2])
            ),
        }

    def _judge(self, call: SystemCall, handle: int) -> os.stat_result:
        """Return what `handle` is, if it lies below a root and is the program's own, and the caller still waits."""
        found = os.fstat(handle)
        if not places.lies_below(call.pid, handle, self._roots) or found.st_uid != os.geteuid():
            raise Refused(errno.EPERM)
        if not self._still_waits(call):
            raise Refused(errno.EINTR)
        return found

    def _chmod(self, call: SystemCall, handle: int, mode: int) -> int:
        try:
            found = self._judge(call, handle)
            if stat.S_ISLNK(found.st_mode):
                raise Refused(errno.EOPNOTSUPP)
            if mode & _SPECIAL_BITS:
                raise Refused(errno.EPERM)
            os.chmod(f"/proc/self/fd/{handle}", mode & 0o1777)  # noqa: PTH101
        finally:
            os.close(handle)
        return 0

    def _utime(self, call: SystemCall, handle: int, times: tuple[int | None, int | None] | None) -> int:
        """Set times in nanoseconds; None for both is now, None for one leaves it."""
        try:
            found = self._judge(call, handle)
            path = f"/proc/self/fd/{handle}"
            if times is None:
                os.utime(path)
            else:
                access, change = times
                kept = (
                    found.st_atime_ns if access is None else access,
                    found.st_mtime_ns if change is None else change,
                )
                os.utime(path, ns=kept)
        finally:
            os.close(handle)
        return 0


def _read(call: SystemCall, address: int, form: str) -> tuple[int, ...] | None:
    """Return the numbers at an address, or None if it is null."""
    if not address:
        return None
    length = struct.calcsize(form)
    data = read_memory(call.pid, address, length)
    if len(data) != length:
        raise Refused(errno.EFAULT)
    return struct.unpack(form, data)


def _utimbuf(call: SystemCall, address: int) -> tuple[int, int] | None:
    found = _read(call, address, "=2q")
    return None if found is None else (found[0] * _SECOND, found[1] * _SECOND)


def _timevals(call: SystemCall, address: int) -> tuple[int, int] | None:
    found = _read(call, address, "=4q")
    if found is None:
        return None
    if not all(0 <= part < _SECOND // _MICROSECOND for part in found[1::2]):
        raise Refused(errno.EINVAL)
    first, second = (found[at] * _SECOND + found[at + 1] * _MICROSECOND for at in (0, 2))
    return first, second


def _timespecs(call: SystemCall, address: int) -> tuple[int | None, int | None] | None:
    found = _read(call, address, "=4q")
    if found is None or found[1] == found[3] == _NOW:
        return None
    return _timespec(*found[:2]), _timespec(*found[2:])


def _timespec(seconds: int, rest: int) -> int | None:
    if rest == _OMIT:
        return None
    if rest == _NOW:
        return time.time_ns()
    if not 0 <= rest < _SECOND:
        raise Refused(errno.EINVAL)
    return seconds * _SECOND + rest
