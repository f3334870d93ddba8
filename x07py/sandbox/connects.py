"""Connections of a program that nothing confines: each `connect` to an address waits until it has been led somewhere.

The filter lets everything else pass, so that a program of any kind goes on as it did; with that it holds nobody who
wants to get around it. It is there for what connects in good faith past the sockets that somebody watches: libraries
in C, and programs that the program starts, which inherit it.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.sandbox import kernel
from x07py.sandbox.arguments import FASTOPEN, unless_flag
from x07py.sandbox.bpf import ALLOW, ARCH, KILL, NOTIFY, NR, Program, always, refuse
from x07py.sandbox.listener import GO_ON, Listener
from x07py.sandbox.listeners import owner_of_listener
from x07py.sandbox.network import MAX_SOCKADDR, parse
from x07py.sandbox.notifications import process_name
from x07py.sandbox.own_sockets import sockets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.network import Address, Lead
    from x07py.sandbox.notifications import SystemCall

_NEW_LISTENER, _WAIT_KILLABLE = 8, 32
_X32 = 0x40000000
_WITHOUT = ("io_uring_setup", "io_uring_enter", "io_uring_register")
_SENDING = {"sendto": 3, "sendmsg": 2, "sendmmsg": 3}
_FASTOPEN_CONNECT = 30
_STACK = 8192
_WORD = struct.Struct("=Q")
_BETWEEN = ("libc.", "libc-", "libpthread", "ld-", "ld.", "libffi", "[")
"""Libraries by which others connect."""


def install() -> int:
    """Have each `connect` of this thread, and of what it starts from now on, wait for an answer.

    Returns:
        The descriptor by which a process outside answers.

    Raises:
        OSError: the kernel refuses, as it does if there is such a filter already; nothing has changed then.
    """
    if kernel.MACHINE not in kernel.AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no table of system calls for {kernel.MACHINE}")
    code = _filter()
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):  # killable waits are there since Linux 5.19
        try:
            return _installed(code, flags)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def _installed(code: bytes, flags: int) -> int:
    filtering = kernel.installing_filter(code, flags)
    try:
        return filtering()
    except OSError as error:
        if error.errno != errno.EACCES:
            raise
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)  # only where it has to be: with it, no sudo works any more
    return filtering()


def _filter() -> bytes:
    numbers = kernel.syscall_numbers()
    program = Program()
    program.load(ARCH)
    program.equal(kernel.AUDIT_ARCH[kernel.MACHINE], 1, 0)
    program.ret(KILL)
    program.load(NR)
    if kernel.MACHINE == "x86_64":
        program.code.append((0x35, 0, 1, _X32))
        program.ret(KILL)
    program.block(numbers["connect"], always(NOTIFY))
    for name in _WITHOUT:
        program.block(numbers[name], always(refuse(errno.ENOSYS)))
    for name, flags in _SENDING.items():
        program.block(numbers[name], unless_flag(flags, FASTOPEN, errno.EOPNOTSUPP))
    program.ret(ALLOW)
    return program.pack()


def check(pid: int) -> None:
    """Make sure that connections of a process can be led: that its memory and its descriptors can be had.

    Raises:
        OSError: they cannot, as in containers with the usual filter.
    """
    kernel.check_reading()
    os.close(_copy_of(pid, 0))


def _copy_of(pid: int, number: int) -> int:
    """Return a duplicate of a process's descriptor."""
    process = os.pidfd_open(pid)
    try:
        return kernel.syscall("pidfd_getfd", process, number, 0)
    finally:
        os.close(process)


class Connect:
    """One call of `connect` to an address, by TCP, that waits.

    Attributes:
        own: a duplicate of the socket.
        address: where it wants to go.
        pid: the process.
    """

    def __init__(self, call: SystemCall, own: socket.socket, address: Address, pid: int) -> None:
        self.own, self.address, self.pid = own, address, pid
        self._thread = call.pid

    @property
    def library(self) -> str:
        """Path of the library or program that connects, or nothing: found by the return addresses on the stack."""
        with suppress(OSError, ValueError, IndexError):
            stack = int(Path(f"/proc/{self._thread}/syscall").read_text(encoding="ascii").split()[-2], 16)
            code = _code_of(self.pid)
            data = kernel.read_memory(self._thread, stack, _STACK)
            for (word,) in _WORD.iter_unpack(data[: len(data) - len(data) % _WORD.size]):
                found = next((path for first, end, path in code if first <= word < end), "")
                if found and not Path(found).name.startswith(_BETWEEN):
                    return found
        return ""

    @property
    def name(self) -> str:
        """What connects, and in which process."""
        process, library = process_name(self.pid), Path(self.library).name
        with suppress(OSError):
            if library in {"", os.path.basename(os.readlink(f"/proc/{self.pid}/exe"))}:  # noqa: PTH115, PTH119
                return process
        return f"{library} in {process}"

    @property
    def is_to_itself(self) -> bool:
        """Whether the process listens there itself; or any, if it has another network than this process."""
        owner = owner_of_listener(self.address, self.pid)
        if owner is None:
            return False
        with suppress(OSError):
            if os.stat(f"/proc/{self.pid}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino:  # noqa: PTH116
                return True
        with suppress(OSError):
            return owner in sockets_of(f"/proc/{self.pid}/fd")
        return False


def _code_of(pid: int) -> list[tuple[int, int, str]]:
    """Return where the libraries of a process have their code: first address, the one after the last, path."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split(None, 5)
        if "x" in words[1] and len(words) == 6:
            first, _, end = words[0].partition("-")
            found.append((int(first, 16), int(end, 16), words[5]))
    return found


class Connects:
    """Answers for `install` in another process.

    Args:
        listener: the descriptor that it returned.
        lead: connects what does not go on by itself; the name that it is called with has the library in it.
        goes_on: whether a call goes on by itself.
    """

    def __init__(self, listener: int, lead: Lead, goes_on: Callable[[Connect], bool]) -> None:
        self._listener, self._lead, self._goes_on = Listener(listener), lead, goes_on

    def run(self) -> None:
        """Answer until no process is left."""
        while (call := self._listener.receive()) is not None:
            try:
                found = self._found(call)
            except (OSError, ValueError):  # the kernel itself tells what is wrong with the call
                found = None
            if found is None:
                self._listener.send(call, GO_ON)
            else:
                threading.Thread(target=self._answer, args=(call, found), daemon=True).start()

    def _found(self, call: SystemCall) -> Connect | None:
        """Return a call that is to be led."""
        length = kernel.signed(call.args[2])
        address = parse(kernel.read_memory(call.pid, call.args[1], length)) if 2 <= length <= MAX_SOCKADDR else None
        if address is None or not self._listener.still_waits(call):
            return None
        pid = _process_of(call.pid)
        own = socket.socket(fileno=_copy_of(pid, kernel.signed(call.args[0])))
        if own.type == socket.SOCK_STREAM and not _is_connected(own):
            found = Connect(call, own, address, pid)
            if not self._goes_on(found):
                return found
        own.close()
        return None

    def _answer(self, call: SystemCall, found: Connect) -> None:
        with found.own as own:
            with suppress(OSError):
                own.setsockopt(socket.IPPROTO_TCP, _FASTOPEN_CONNECT, 0)
            try:
                code = self._lead(found.address, own, found.pid, found.name)
            except OSError as error:
                code = error.errno or errno.ECONNREFUSED
            self._listener.send(call, -code)


def _process_of(thread: int) -> int:
    status = Path(f"/proc/{thread}/status").read_text(encoding="utf-8", errors="replace")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Tgid:"))


def _is_connected(own: socket.socket) -> bool:
    with suppress(OSError):
        own.getpeername()
        return True
    return False
