"""Virtual time, seeded randomness and a machine that is always the same, for programs that must repeat.

Every clock stands still but while the program sleeps: then it moves by exactly that long, and no real time passes.
Random bytes come from a seed, and the machine is called x07 and has one processor. All this is answered below the
program's libraries, so native code gets the same.
"""

from __future__ import annotations

import errno
import hashlib
import struct
import threading
from typing import TYPE_CHECKING

from x07py.sandbox.answers import Refused
from x07py.sandbox.kernel import MACHINE, read_memory, write_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.answers import Call

EPOCH_NS = 1_000_000_000 * 1_000_000_000
"""What the clocks show at the start: 2001-09-09 01:46:40 UTC."""

_TIMESPEC = struct.Struct("=qq")
_SECOND = 1_000_000_000
_ABSOLUTE = 1
_RUSAGE_BYTES, _TIMES_BYTES = 144, 32
_MAX_RANDOM = 1 << 20
_MAX_SLEEP_NS = 1 << 60
_WALL_CLOCKS = {0, 5, 8, 11}  # REALTIME, REALTIME_COARSE, REALTIME_ALARM, TAI
_START_NS = 1000 * _SECOND
_MACHINE = b"".join(word.encode().ljust(65, b"\0") for word in ("Linux", "x07", "6.0.0", "#1", MACHINE, "(none)"))
_PROCESSORS = struct.pack("=Q", 1)
_USUAL_PRIORITY = 20  # as the system call has it: 20 minus the nice value


class VirtualClock:
    """The time, the randomness and the machine of one program.

    Args:
        seed: what the random bytes come from.
        still_waits: tells whether a caller still waits, asked before anything is written into it.
    """

    def __init__(self, seed: bytes, still_waits: Callable[[Call], bool]) -> None:
        self._seed = seed
        self._still_waits = still_waits
        self._drawn = 0
        self._passed = 0
        self._lock = threading.Lock()

    def handlers(self) -> dict[str, Callable[[Call], int | None]]:
        """Return what answers which system call."""
        return {
            "clock_gettime": self._clock_gettime,
            "gettimeofday": self._gettimeofday,
            "time": self._time,
            "nanosleep": lambda call: self._sleep(call, call.args[0]),
            "clock_nanosleep": self._clock_nanosleep,
            "getrandom": self._getrandom,
            "times": self._times,
            "getrusage": lambda call: self._put(call, call.args[1], bytes(_RUSAGE_BYTES)),
            "uname": lambda call: self._put(call, call.args[0], _MACHINE),
            "sched_getaffinity": self._sched_getaffinity,
            "getpriority": lambda _: _USUAL_PRIORITY,
        }

    def _now(self, clock: int) -> int:
        """Return nanoseconds: since 1970 for a wall clock, since some point for the others."""
        return self._passed + (EPOCH_NS if clock in _WALL_CLOCKS else _START_NS)

    def _put(self, call: Call, address: int, data: bytes) -> int:
        if not self._still_waits(call):
            raise Refused(errno.EINTR)
        write_memory(call.pid, address, data)
        return 0

    def _clock_gettime(self, call: Call) -> int:
        return self._put(call, call.args[1], _TIMESPEC.pack(*divmod(self._now(call.args[0] & 0xFFFFFFFF), _SECOND)))

    def _gettimeofday(self, call: Call) -> int:
        seconds, rest = divmod(self._now(0), _SECOND)
        return self._put(call, call.args[0], _TIMESPEC.pack(seconds, rest // 1000)) if call.args[0] else 0

    def _time(self, call: Call) -> int:
        seconds = self._now(0) // _SECOND
        if call.args[0]:
            self._put(call, call.args[0], struct.pack("=q", seconds))
        return seconds

    def _duration(self, call: Call, address: int) -> int:
        data = read_memory(call.pid, address, _TIMESPEC.size)
        if len(data) != _TIMESPEC.size:
            raise Refused(errno.EFAULT)
        seconds, rest = _TIMESPEC.unpack(data)
        if seconds < 0 or not 0 <= rest < _SECOND:
            raise Refused(errno.EINVAL)
        return min(int(seconds) * _SECOND + int(rest), _MAX_SLEEP_NS)

    def _sleep(self, call: Call, address: int) -> int:
        duration = self._duration(call, address)
        with self._lock:
            self._passed += duration
        return 0

    def _clock_nanosleep(self, call: Call) -> int:
        if not call.args[1] & _ABSOLUTE:
            return self._sleep(call, call.args[2])
        until = self._duration(call, call.args[2])
        with self._lock:
            self._passed += max(0, until - self._now(call.args[0] & 0xFFFFFFFF))
        return 0

    def _times(self, call: Call) -> int:
        if call.args[0]:
            self._put(call, call.args[0], bytes(_TIMES_BYTES))
        return self._now(1) // (_SECOND // 100)

    def _sched_getaffinity(self, call: Call) -> int:
        if call.args[1] < len(_PROCESSORS):
            raise Refused(errno.EINVAL)
        self._put(call, call.args[2], _PROCESSORS)
        return len(_PROCESSORS)

    def _getrandom(self, call: Call) -> int:
        length = min(call.args[1], _MAX_RANDOM)
        with self._lock:
            first, self._drawn = self._drawn, self._drawn + 1
        data = hashlib.shake_256(self._seed + first.to_bytes(8)).digest(length)
        self._put(call, call.args[0], data) if length else None
        return length
