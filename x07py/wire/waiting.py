"""Whether a program waits for the cassette alone, or for a timer of its own as well.

A replay has no reason to let time pass while the program waits for nothing else. A timer of the program is a reason: an
answer that came after it when it was recorded must come after it again. What each thread waits for, and how long at
most, the kernel tells of every thread, whatever language and library it is in. Tried and dropped: virtual time in
asyncio's loop, which knows nothing of programs with threads or in other languages.
"""

from __future__ import annotations

import os
import platform
import struct
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MS, _TIMESPEC = "ms", "timespec"
_TIMEVAL = "timeval"
_X86 = {
    7: (2, _MS),
    23: (4, _TIMEVAL),
    35: (0, _TIMESPEC),
    128: (2, _TIMESPEC),
    202: (3, _TIMESPEC),
    230: (2, _TIMESPEC),
    232: (3, _MS),
    270: (4, _TIMESPEC),
    271: (2, _TIMESPEC),
    281: (3, _MS),
    441: (3, _TIMESPEC),
}
_ARM = {
    22: (3, _MS),
    72: (4, _TIMESPEC),
    73: (2, _TIMESPEC),
    98: (3, _TIMESPEC),
    101: (0, _TIMESPEC),
    115: (2, _TIMESPEC),
    137: (2, _TIMESPEC),
    441: (3, _TIMESPEC),
}
_TIMEOUTS = {"x86_64": _X86, "aarch64": _ARM}.get(platform.machine(), {})
_FUTEX, _FUTEX_BITSET, _CLOCK_REALTIME = {202, 98}, 9, 256
_SLEEPS, _ABSOLUTE = {230, 115}, 1
_PAIR = struct.Struct("@qq")
_EVER = float("inf")
_own: set[int] = set()


def is_ours() -> None:
    """Note that the calling thread is x07py's; what it waits for is no concern of the program."""
    _own.add(threading.get_native_id())


class OwnTimer(threading.Timer):
    """A timer of x07py; what it waits for is no concern of the program."""

    def __init__(self, delay_s: float, act: Callable[[], None]) -> None:
        super().__init__(delay_s, act)
        self.daemon = True

    def run(self) -> None:
        """Wait, and act."""
        is_ours()
        super().run()


def waits_as_long(pid: int, seconds: float) -> bool:
    """Tell whether all threads of a process wait, and none with a shorter time limit than `seconds`.

    Not if a thread runs, or if the kernel does not tell. Limits are counted from when a wait began, which is not known;
    limits that are points in time from now. A replay asks 500 times a second, so the first thread that runs ends it.
    """
    mine = _own if pid == os.getpid() else ()
    tasks, memory = f"/proc/{pid}/task", -1
    try:
        memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        threads = (name for name in os.listdir(tasks) if int(name) not in mine)  # noqa: PTH208 (names alone)
        return all(_limit(_call(f"{tasks}/{name}/syscall"), memory) >= seconds for name in threads)
    except OSError:
        return False
    finally:
        if memory >= 0:
            os.close(memory)


def _call(path: str) -> str:
    """Return the system call that a thread is in, as the kernel writes it in one short line."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 256).decode()
    finally:
        os.close(file)


def _limit(line: str, memory: int) -> float:
    parts = line.split()
    if len(parts) < 7 or not _TIMEOUTS:
        return 0.0
    number, args = int(parts[0]), [int(part, 16) for part in parts[1:7]]
    if number not in _TIMEOUTS:
        return _EVER
    place, kind = _TIMEOUTS[number]
    value = args[place]
    if kind == _MS:
        milliseconds = value - 2**32 if value & 2**31 else value & 0xFFFFFFFF
        return _EVER if value >= 2**31 or milliseconds < 0 else milliseconds / 1000
    if not value:
        return _EVER
    seconds, rest = _PAIR.unpack(os.pread(memory, _PAIR.size, value))
    limit = seconds + rest / (1e6 if kind == _TIMEVAL else 1e9)
    return _from_now(limit, number, args)


def _from_now(limit: float, number: int, args: list[int]) -> float:
    """Return a limit that may be a point in time as a duration."""
    if number in _FUTEX and args[1] & 0x7F == _FUTEX_BITSET:
        return limit - (time.time() if args[1] & _CLOCK_REALTIME else time.monotonic())
    if number in _SLEEPS and args[1] & _ABSOLUTE:
        return limit - (time.time() if args[0] == 0 else time.monotonic())
    return limit
