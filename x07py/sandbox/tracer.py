"""Tells what is refused, and to whom, where the kernel notifies no supervisor: by tracing the program.

The filter stops every `connect` for the tracer, which is the sandbox's first process. It reads the address, ends a call
that leads nowhere allowed with ``EACCES``, and tells the launcher. The address lies in the program's memory, so another
thread may change it after the look; and a process may be started untraced. Neither gains anything: what gets by ends in
a network that leads to the relays alone. So a denial can be told wrongly or not at all, and is enforced all the same.

Other ways were worse. The sockets in `/proc/net/tcp` show no address that the kernel refused at once, a packet socket
in the namespace learns of it when the program's socket is gone again, and Landlock logs to the machine's administrator.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
from typing import TYPE_CHECKING, NamedTuple

from x07py.sandbox.kernel import MACHINE, PR_SET_DUMPABLE, prctl, read_memory, registers, set_registers, signed, syscall
from x07py.sandbox.network import MAX_SOCKADDR, parse
from x07py.sandbox.notifications import UNKNOWN_PROGRAM, UNREADABLE, process_name, target_of

if TYPE_CHECKING:
    import socket

    from x07py.sandbox.network import AddressRules

WAIT_ALL = 0x40000000
"""``__WALL``: wait for traced threads too."""

_CONT, _SEIZE, _LISTEN = 7, 0x4206, 0x4208
_NT_ARM_SYSTEM_CALL = 0x404
_FOLLOW = 0x80 | 0x2 | 0x4 | 0x8 | 0x100000  # seccomp, fork, vfork, clone, and kill all at the tracer's end
_EVENT_SECCOMP, _EVENT_STOP = 7, 128
_STOPS = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_TRACED = b"t"


class _Places(NamedTuple):
    """Where the registers hold the second and third argument, the result, and the call's number (-1: elsewhere)."""

    address: int
    length: int
    result: int
    number: int


_PLACES = {"x86_64": _Places(13, 12, 10, 15), "aarch64": _Places(1, 2, 0, -1)}


class Gate:
    """Holds the program back until it is traced, or until it is known that it cannot be."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        prctl(PR_SET_DUMPABLE, 1)  # for the child: else an administrator alone may trace it

    def wait(self) -> bool:
        """In the program's process, before it is confined: tell whether it is traced."""
        os.close(self._write)
        return os.read(self._read, 1) == _TRACED

    def open(self, program: int) -> str:
        """In the tracer: trace `program`, let it go on, and return why it cannot be traced, or nothing."""
        os.close(self._read)
        prctl(PR_SET_DUMPABLE, 0)
        try:
            syscall("ptrace", _SEIZE, program, 0, _FOLLOW)
        except OSError as error:
            return error.strerror or str(error)
        else:
            os.write(self._write, _TRACED)
            return ""
        finally:
            os.close(self._write)


class Tracer:
    """Answers the stops of one traced program and of all that it starts.

    Args:
        rules: where connections may go.
        control: the socket to the launcher.
        named: whether ``/proc`` shows this process's own namespace, so that it tells names.
    """

    def __init__(self, rules: AddressRules, control: socket.socket, *, named: bool) -> None:
        self._rules, self._control, self._named = rules, control, named

    def stopped(self, pid: int, status: int) -> None:
        """Let a thread go on that `wait4` tells of as stopped."""
        event, number = status >> 16, os.WSTOPSIG(status)
        with contextlib.suppress(ProcessLookupError):  # killed meanwhile
            if event == _EVENT_SECCOMP:
                self._connects(pid)
            stays = event == _EVENT_STOP and number in _STOPS
            syscall("ptrace", _LISTEN if stays else _CONT, pid, 0, 0 if event else number)

    def _connects(self, pid: int) -> None:
        places, found = _PLACES[MACHINE], registers(pid)
        target = self._refused(pid, found[places.address], signed(found[places.length]))
        if not target:
            return
        found[places.result] = -errno.EACCES & 0xFFFFFFFFFFFFFFFF
        if places.number < 0:
            set_registers(pid, ctypes.c_int(-1), _NT_ARM_SYSTEM_CALL)
        else:
            found[places.number] = 0xFFFFFFFFFFFFFFFF
        set_registers(pid, found)
        name = process_name(pid) if self._named else UNKNOWN_PROGRAM
        self._control.send(f"D{pid}\0{target}\0{name}".encode())

    def _refused(self, pid: int, address: int, length: int) -> str:
        """Return what a connection is refused to, or nothing; an address that is none is left to the kernel."""
        if not 2 <= length <= MAX_SOCKADDR:
            return ""
        try:
            data = read_memory(pid, address, length)
        except OSError as error:
            return "" if error.errno == errno.EFAULT else UNREADABLE
        if len(data) < length:
            return ""
        place = parse(data)
        return "" if place is not None and self._rules.permits(place) else target_of(data)
