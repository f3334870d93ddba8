"""What a program that has to repeat learns of its descriptors: times and numbers of pipes are the machine's.

Of files the kernel answers; their times are those of the files. What is free of a file system is the same everywhere.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from typing import TYPE_CHECKING

from x07py.sandbox import places
from x07py.sandbox.kernel import MACHINE, signed, write_memory
from x07py.sandbox.listener import GO_ON
from x07py.sandbox.notifications import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.notifications import SystemCall

_BLOCK = 4096
_BLOCKS, _FILES = (1 << 30) // _BLOCK, 1 << 20
_TMPFS, _LONGEST_NAME = 0x01021994, 255
_FILE_SYSTEM = struct.pack("=7Qq3Q32x", _TMPFS, _BLOCK, *[_BLOCKS] * 3, *[_FILES] * 2, 0, _LONGEST_NAME, _BLOCK, 0)
"""A ``struct statfs`` of what a world's own folder may hold, all of it free."""


class Descriptors:
    """Answers the calls that ask what a descriptor is.

    Pipes and sockets are numbered in the order in which they are asked for, and keep their number under every
    descriptor, as programs expect of an inode. Growth: one number for each that was asked for.

    Args:
        still_waits: tells whether a caller still waits, asked before anything is written into it.
    """

    def __init__(self, still_waits: Callable[[SystemCall], bool]) -> None:
        self._still_waits = still_waits
        self._numbers: dict[tuple[int, int], int] = {}

    def handlers(self) -> dict[str, Callable[[SystemCall], int | str]]:
        """Return what answers which system call."""
        return {
            "fstat": lambda call: self._tell(call, call.args[1]),
            "newfstatat": lambda call: self._tell(call, call.args[2]),
            "statfs": lambda call: self._tell_of_system(call, places.at(call, None, 0, 0)),
            "fstatfs": lambda call: self._tell_of_system(call, places.descriptor(call, signed(call.args[0]))),
        }

    def _tell_of_system(self, call: SystemCall, handle: int) -> int:
        """Describe the same file system wherever a file lies."""
        os.close(handle)
        if not self._still_waits(call):
            raise Refused(errno.EINTR)
        write_memory(call.pid, call.args[1], _FILE_SYSTEM)
        return 0

    def _tell(self, call: SystemCall, address: int) -> int | str:
        try:
            found = os.stat(f"/proc/{call.pid}/fd/{signed(call.args[0])}")  # noqa: PTH116
        except OSError:
            return GO_ON
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            return GO_ON
        if not self._still_waits(call):
            raise Refused(errno.EINTR)
        number = self._numbers.setdefault((found.st_dev, found.st_ino), len(self._numbers) + 1)
        write_memory(call.pid, address, _packed(number, found))
        return 0


def _packed(number: int, found: os.stat_result) -> bytes:
    """Return a ``struct stat`` without times, of this machine's type."""
    owner = found.st_uid, found.st_gid
    if MACHINE == "x86_64":
        head = struct.pack("=3Q4IQ3q", 0, number, 1, found.st_mode, *owner, 0, found.st_rdev, 0, _BLOCK, 0)
        return head + bytes(72)
    head = struct.pack("=2Q4I2Qq2iq", 0, number, found.st_mode, 1, *owner, found.st_rdev, 0, 0, _BLOCK, 0, 0)
    return head + bytes(56)
