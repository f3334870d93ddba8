"""What the calls mean with which threads wait, wake each other, begin and end, in a program that takes turns."""

from __future__ import annotations

import errno
import os
import select
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from x07py.sandbox.kernel import read_memory, signed, syscall, write_memory
from x07py.sandbox.listener import GO_ON
from x07py.sandbox.notifications import Refused
from x07py.sandbox.threads import Wait
from x07py.sandbox.turns import DEFER, END, YIELD

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.clock import VirtualClock
    from x07py.sandbox.listener import Listener
    from x07py.sandbox.notifications import SystemCall
    from x07py.sandbox.turns import Turns

_WAIT, _WAKE, _REQUEUE, _COMPARE_REQUEUE, _WAIT_BITSET, _WAKE_BITSET = 0, 1, 3, 4, 9, 10
_COMMAND, _PRIVATE, _WALL_CLOCK = 0x7F, 0x80, 0x100
_ALL_BITS = 0xFFFFFFFF
_ABSOLUTE = 1
_MILLISECOND, _MICROSECOND, _SECOND = 1_000_000, 1000, 1_000_000_000
_ITIMER = struct.Struct("=4q")
_POLLED = struct.Struct("=iHh")
_SIGNALS = struct.Struct("=Q")
_MOST_POLLED = 1024
_BITS_A_WORD, _WORD_BYTES = 64, 8


class Waits:
    """Turns calls into waits.

    Growth: one descriptor for each epoll of the program.

    Args:
        listener: of the filter, to give the program its epolls.
        clock: what limits are measured by.

    Attributes:
        turns: who runs; to be set before the first call.
    """

    turns: Turns

    def __init__(self, listener: Listener, clock: VirtualClock) -> None:
        self._listener, self._clock = listener, clock
        self._epolls: dict[int, select.epoll] = {}
        self._program: int | None = None
        self._looks = True

    def handlers(self) -> dict[str, Callable[[SystemCall], Wait | int | str | None]]:
        """Return what answers which system call."""
        return {
            "nanosleep": lambda call: self._sleep(self._clock.duration(call, call.args[0])),
            "clock_nanosleep": self._clock_nanosleep,
            "futex": self._futex,
            "clone": lambda _: GO_ON if self.turns.expect() else DEFER,
            "set_robust_list": lambda _: GO_ON,
            "exit": lambda _: END,
            "sched_yield": lambda _: YIELD,
            "epoll_create": lambda call: self._epoll_create(call, 0),
            "epoll_create1": lambda call: self._epoll_create(call, call.args[0]),
            "epoll_wait": lambda call: self._epoll_wait(call, self._after_milliseconds(call.args[3])),
            "epoll_pwait": lambda call: self._epoll_wait(call, self._after_milliseconds(call.args[3])),
            "epoll_pwait2": lambda call: self._epoll_wait(call, self._after(call, call.args[3])),
            "poll": lambda call: self._poll(call, self._after_milliseconds(call.args[2])),
            "ppoll": lambda call: self._poll(call, self._after(call, call.args[2])),
            "select": lambda call: self._select(call, self._after_timeval(call, call.args[4])),
            "pselect6": lambda call: self._select(call, self._after(call, call.args[4])),
            "pause": lambda _: Wait(),
            "rt_sigtimedwait": self._await_signal,
            "alarm": self._alarm,
            "setitimer": self._setitimer,
            "getitimer": self._getitimer,
        }

    def _after(self, call: SystemCall, address: int) -> int | None:
        return self._clock.passed + self._clock.duration(call, address) if address else None

    def _after_milliseconds(self, argument: int) -> int | None:
        milliseconds = signed(argument)
        return None if milliseconds < 0 else self._clock.passed + milliseconds * _MILLISECOND

    def _after_timeval(self, call: SystemCall, address: int) -> int | None:
        if not address:
            return None
        seconds, rest = struct.unpack("=2q", read_memory(call.pid, address, 16))
        return self._clock.passed + int(seconds) * _SECOND + int(rest) * _MICROSECOND

    def _sleep(self, duration: int) -> Wait | str:
        return Wait(until=self._clock.passed + duration) if duration else YIELD

    def _clock_nanosleep(self, call: SystemCall) -> Wait | str:
        duration = self._clock.duration(call, call.args[2])
        if call.args[1] & _ABSOLUTE:
            duration = self._clock.passing(call.args[0] & 0xFFFFFFFF, duration) - self._clock.passed
        return self._sleep(duration)

    def _futex(self, call: SystemCall) -> Wait | int:
        address, operation, value, limit, other, third = call.args
        command = operation & _COMMAND
        if command in {_WAIT, _WAIT_BITSET}:
            return self._futex_wait(call, third & _ALL_BITS if command == _WAIT_BITSET else _ALL_BITS)
        if command == _WAKE:
            return self.turns.wake_at(address, signed(value))
        if command == _WAKE_BITSET:
            return self.turns.wake_at(address, signed(value), third & _ALL_BITS)
        if command == _COMPARE_REQUEUE and self._clock.word(call, address) != third & _ALL_BITS:
            raise Refused(errno.EAGAIN)
        if command in {_REQUEUE, _COMPARE_REQUEUE}:
            woken = self.turns.wake_at(address, signed(value))
            return woken + self.turns.move(address, signed(limit), other)
        raise Refused(errno.ENOSYS)

    def _futex_wait(self, call: SystemCall, bits: int) -> Wait:
        address, operation, value, limit = call.args[:4]
        if self._clock.word(call, address) != value & _ALL_BITS:
            raise Refused(errno.EAGAIN)
        until = None
        if limit:
            duration = self._clock.duration(call, limit)
            if operation & _COMMAND == _WAIT:
                until = self._clock.passed + duration
            else:
                until = self._clock.passing(0 if operation & _WALL_CLOCK else 1, duration)
        shared = not operation & _PRIVATE
        began = self._clock.passed
        return Wait(
            until, -errno.ETIMEDOUT, began=began, address=address, bits=bits, value=value & _ALL_BITS, shared=shared
        )

    def _await_signal(self, call: SystemCall) -> Wait | str:
        """Wait until a signal of a set is there, which the kernel then hands over."""
        wanted = int(_SIGNALS.unpack(read_memory(call.pid, call.args[0], _SIGNALS.size))[0])
        until = self._after(call, call.args[2])
        if until == self._clock.passed or _sent(call.pid) & wanted:
            return GO_ON
        return Wait(until, -errno.EAGAIN, ready=lambda: bool(_sent(call.pid) & wanted))

    def _epoll_create(self, call: SystemCall, flags: int) -> None:
        """Make an epoll here and put it into the program, so that it can be asked whether anything is ready."""
        made = select.epoll()
        number = self._listener.give(call, made.fileno(), flags & os.O_CLOEXEC)
        before = self._epolls.pop(number, None)
        if before is not None:
            before.close()
        self._epolls[number] = made

    def _epoll_wait(self, call: SystemCall, until: int | None) -> Wait | str:
        own = self._epolls.get(signed(call.args[0]))
        if own is None:
            return GO_ON  # the kernel waits, in real time
        handle = own.fileno()
        return self._watch(lambda: bool(_polled({handle: select.POLLIN})), until)

    def _watch(
        self, ready: Callable[[], bool], until: int | None, clear: Callable[[], None] | None = None
    ) -> Wait | str:
        if ready() or until == self._clock.passed:
            return GO_ON
        return Wait(until, ready=ready, on_timeout=clear)

    def _poll(self, call: SystemCall, until: int | None) -> Wait | str:
        address, count = call.args[:2]
        if count > _MOST_POLLED:
            return GO_ON
        rows = list(_POLLED.iter_unpack(read_memory(call.pid, address, count * _POLLED.size))) if count else []
        return self._look({number: events for number, events, _ in rows if number >= 0}, until, call)

    def _select(self, call: SystemCall, until: int | None) -> Wait | str:
        count = min(max(signed(call.args[0]), 0), _MOST_POLLED)
        length = -(-count // _BITS_A_WORD) * _WORD_BYTES
        wanted: dict[int, int] = {}
        sets = [address for address in call.args[1:4] if address and length]
        for address, event in zip(call.args[1:4], (select.POLLIN, select.POLLOUT, select.POLLPRI), strict=True):
            bits = int.from_bytes(read_memory(call.pid, address, length), "little") if address and length else 0
            for number in range(count):
                if bits >> number & 1:
                    wanted[number] = wanted.get(number, 0) | event

        def clear() -> None:
            for address in sets:
                write_memory(call.pid, address, bytes(length))

        return self._look(wanted, until, call, clear)

    def _look(
        self, wanted: dict[int, int], until: int | None, call: SystemCall, clear: Callable[[], None] | None = None
    ) -> Wait | str:
        """Wait until one of the program's descriptors is ready, or in real time where they cannot be looked at.

        A look that may not wait takes a nanosecond: who looks until a time is over would look for ever.
        """
        if until == self._clock.passed:
            self._clock.put_forward(until + 1)
            return GO_ON
        if not wanted:
            return Wait(until, on_timeout=clear)
        if not self._looks:
            return self._blind(until)

        def ready() -> bool:
            copies: dict[int, int] = {}
            try:
                for number, events in wanted.items():
                    copies[self._copy(call, number)] = events
                return bool(_polled(copies))
            except OSError as error:
                self._looks = error.errno == errno.EBADF
                return self._looks
            finally:
                for handle in copies:
                    os.close(handle)

        found = self._watch(ready, until, clear)
        return found if self._looks else self._blind(until)

    def _blind(self, until: int | None) -> Wait | str:
        return Wait(until, blind=True, began=self._clock.passed)

    def _copy(self, call: SystemCall, number: int) -> int:
        if self._program is None:
            tid = self.turns.main.tid
            self._program = os.pidfd_open(call.pid if tid is None else tid)
        return syscall("pidfd_getfd", self._program, number, 0)

    def _alarm(self, call: SystemCall) -> int:
        seconds = call.args[0] & 0xFFFFFFFF
        left, _ = self.turns.set_alarm(self._clock.passed + seconds * _SECOND if seconds else None, 0)
        return -(-left // _SECOND)

    def _setitimer(self, call: SystemCall) -> int:
        which, new, old = call.args[:3]
        if which:
            raise Refused(errno.EPERM)
        every, every_rest, first, first_rest = _ITIMER.unpack(read_memory(call.pid, new, _ITIMER.size))
        until = first * _SECOND + first_rest * _MICROSECOND
        period = every * _SECOND + every_rest * _MICROSECOND
        before = self.turns.set_alarm(self._clock.passed + until if until else None, period)
        self._put_timer(call, old, before)
        return 0

    def _getitimer(self, call: SystemCall) -> int:
        if call.args[0]:
            raise Refused(errno.EPERM)
        self._put_timer(call, call.args[1], self.turns.left_of_alarm())
        return 0

    @staticmethod
    def _put_timer(call: SystemCall, address: int, timer: tuple[int, int]) -> None:
        if address:
            (first, first_rest), (every, every_rest) = (divmod(one, _SECOND) for one in timer)
            rest = first_rest // _MICROSECOND, every_rest // _MICROSECOND
            write_memory(call.pid, address, _ITIMER.pack(every, rest[1], first, rest[0]))


def _sent(tid: int) -> int:
    """Return the signals that wait for a thread or its process, as the kernel's set of them; none if it is gone."""
    found = 0
    with suppress(OSError), open(f"/proc/{tid}/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(("SigPnd:", "ShdPnd:")):
                found |= int(line.split()[1], 16)
    return found


def _polled(wanted: dict[int, int]) -> list[tuple[int, int]]:
    poll = select.poll()
    for handle, events in wanted.items():
        poll.register(handle, events)
    with suppress(OSError):
        return poll.poll(0)
    return []
