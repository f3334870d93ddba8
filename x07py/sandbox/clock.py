"""Virtual time, seeded randomness and a machine that is always the same, for programs that must repeat.

Every clock stands still but while the whole program waits: then it moves to the next time limit, and no real time
passes.
Random bytes come from a seed, and the machine is called x07 and has one processor. All this is answered below the
program's libraries, so native code gets the same.
"""

from __future__ import annotations

import errno
import hashlib
import struct
import threading
from typing import TYPE_CHECKING

from x07py.sandbox.kernel import MACHINE, read_memory, write_memory
from x07py.sandbox.notifications import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.notifications import SystemCall

EPOCH_NS = 1_000_000_000 * 1_000_000_000
"""What the clocks show at the start: 2001-09-09 01:46:40 UTC."""

_TIMESPEC = struct.Struct("=qq")
_SYSINFO = struct.Struct("=q3Q6QHHIQQI4x")
_MEMORY_BYTES = 8 << 30
_WORD = struct.Struct("=I")
_SECOND = 1_000_000_000
_RUSAGE_BYTES, _TIMES_BYTES = 144, 32
_MAX_RANDOM = 1 << 20
_MAX_SLEEP_NS = 1 << 60
_WALL_CLOCKS = {0, 5, 8, 11}  # REALTIME, REALTIME_COARSE, REALTIME_ALARM, TAI
_MOST_READS = 200_000
_READ_NS = 1_000_000
_LATE_NS = 1000
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

    def __init__(self, seed: bytes, still_waits: Callable[[SystemCall], bool]) -> None:
        self._seed = seed
        self._still_waits = still_waits
        self._drawn = 0
        self._lock = threading.Lock()
        self._reads = 0
        self.passed: int = 0

    def handlers(self) -> dict[str, Callable[[SystemCall], int]]:
        """Return what answers which system call."""
        return {
            "clock_gettime": self._clock_gettime,
            "gettimeofday": self._gettimeofday,
            "time": self._time,
            "getrandom": self._getrandom,
            "times": self._times,
            "getrusage": lambda call: self._put(call, call.args[1], bytes(_RUSAGE_BYTES)),
            "uname": lambda call: self._put(call, call.args[0], _MACHINE),
            "sched_getaffinity": self._sched_getaffinity,
            "getpriority": lambda _: _USUAL_PRIORITY,
            "sysinfo": self._sysinfo,
            "getcpu": lambda call: self._put_words(call, call.args[:2]),
        }

    def _now(self, clock: int) -> int:
        """Return nanoseconds: since 1970 for a wall clock, since some point for the others."""
        return self.passed + (EPOCH_NS if clock in _WALL_CLOCKS else _START_NS)

    def _read(self, clock: int) -> int:
        """Return what a clock shows; who does nothing else but look at it, many times in a row, sees time pass."""
        self._reads += 1
        if self._reads > _MOST_READS:
            self.passed += _READ_NS
        return self._now(clock)

    def _put(self, call: SystemCall, address: int, data: bytes) -> int:
        if not self._still_waits(call):
            raise Refused(errno.EINTR)
        write_memory(call.pid, address, data)
        return 0

    def _clock_gettime(self, call: SystemCall) -> int:
        return self._put(call, call.args[1], _TIMESPEC.pack(*divmod(self._read(call.args[0] & 0xFFFFFFFF), _SECOND)))

    def _gettimeofday(self, call: SystemCall) -> int:
        seconds, rest = divmod(self._read(0), _SECOND)
        return self._put(call, call.args[0], _TIMESPEC.pack(seconds, rest // 1000)) if call.args[0] else 0

    def _time(self, call: SystemCall) -> int:
        seconds = self._read(0) // _SECOND
        if call.args[0]:
            self._put(call, call.args[0], struct.pack("=q", seconds))
        return seconds

    def duration(self, call: SystemCall, address: int) -> int:
        """Return the nanoseconds in a ``struct timespec`` of the program; at most 36 years."""
        data = read_memory(call.pid, address, _TIMESPEC.size)
        if len(data) != _TIMESPEC.size:
            raise Refused(errno.EFAULT)
        seconds, rest = _TIMESPEC.unpack(data)
        if seconds < 0 or not 0 <= rest < _SECOND:
            raise Refused(errno.EINVAL)
        return min(int(seconds) * _SECOND + int(rest), _MAX_SLEEP_NS)

    def passing(self, clock: int, at: int) -> int:
        """Return how many nanoseconds will have passed when a clock shows `at`."""
        return max(self.passed, self.passed + at - self._now(clock))

    def put_forward(self, to: int) -> None:
        """Let time pass until so many nanoseconds have passed since the start."""
        self._reads = 0
        self.passed = max(self.passed, to)

    def pass_limit(self, limit: int) -> None:
        """Let time pass until a time limit is over: a moment later, as everywhere.

        Programs count in floats of seconds: 0.3 later to the nanosecond would be less than 0.3 to them.
        """
        self.put_forward(limit + _LATE_NS)

    def word(self, call: SystemCall, address: int) -> int:
        """Return the 32 bits at an address of the program."""
        data = read_memory(call.pid, address, _WORD.size)
        if len(data) != _WORD.size:
            raise Refused(errno.EFAULT)
        return int(_WORD.unpack(data)[0])

    def _sysinfo(self, call: SystemCall) -> int:
        uptime = self._now(1) // _SECOND
        memory = (_MEMORY_BYTES, _MEMORY_BYTES // 2, 0, 0, 0, 0)
        return self._put(call, call.args[0], _SYSINFO.pack(uptime, 0, 0, 0, *memory, 1, 0, 0, 0, 0, 1))

    def _put_words(self, call: SystemCall, addresses: tuple[int, ...]) -> int:
        for address in addresses:
            if address:
                self._put(call, address, _WORD.pack(0))
        return 0

    def _times(self, call: SystemCall) -> int:
        if call.args[0]:
            self._put(call, call.args[0], bytes(_TIMES_BYTES))
        return self._now(1) // (_SECOND // 100)

    def _sched_getaffinity(self, call: SystemCall) -> int:
        if call.args[1] < len(_PROCESSORS):
            raise Refused(errno.EINVAL)
        self._put(call, call.args[2], _PROCESSORS)
        return len(_PROCESSORS)

    def _getrandom(self, call: SystemCall) -> int:
        length = min(call.args[1], _MAX_RANDOM)
        with self._lock:
            first, self._drawn = self._drawn, self._drawn + 1
        data = hashlib.shake_256(self._seed + first.to_bytes(8)).digest(length)
        self._put(call, call.args[0], data) if length else None
        return length
