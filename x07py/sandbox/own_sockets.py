"""The supervisor's duplicates of the sockets that it has made for the program, until they are connected or listen."""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import threading
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

from x07py.sandbox.kernel import signed
from x07py.sandbox.notifications import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.sandbox.listener import Listener
    from x07py.sandbox.network import Address
    from x07py.sandbox.notifications import SystemCall

_MAX_WAITING = 1024
_MAX_SETTLED = 4096
_TYPES: dict[int, tuple[int, ...]] = {
    socket.AF_INET: (socket.SOCK_STREAM,),
    socket.AF_INET6: (socket.SOCK_STREAM,),
    socket.AF_UNIX: (socket.SOCK_STREAM, socket.SOCK_SEQPACKET),
}
_TYPE_BITS = 0xF


def _open_elsewhere() -> Iterator[int]:
    """Yield the inode of each socket that other processes have open.

    Raises:
        PermissionError: one that may be the program's cannot be looked at, as after ``prctl(PR_SET_DUMPABLE, 0)``.
    """
    for pid in os.listdir("/proc"):  # noqa: PTH208
        if pid.isdigit() and int(pid) != os.getpid():
            with suppress(FileNotFoundError, ProcessLookupError):
                try:
                    yield from sockets_of(f"/proc/{pid}/fd")
                except PermissionError:
                    if _may_be_the_programs(pid):
                        raise


def sockets_of(folder: str) -> Iterator[int]:
    """Yield the inode of each socket among the descriptors of a process, ``/proc/PID/fd``."""
    for number in os.listdir(folder):  # noqa: PTH208
        with suppress(FileNotFoundError):
            link = os.readlink(f"{folder}/{number}")  # noqa: PTH115
            if link.startswith("socket:["):
                yield int(link[8:-1])


def _may_be_the_programs(pid: str) -> bool:
    """Tell whether a process is this user's and under a filter, as all of the program's are."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        said = dict(line.split(":", 1) for line in file)
    return int(said["Uid"].split()[0]) == os.getuid() and said.get("Seccomp", "2").strip() == "2"


class OwnSockets:
    """Makes sockets, and knows by its inode which one a call means; any thread may use it.

    Growth: one duplicate descriptor for each socket that is not connected yet, at most 1,024 and half of what this
    process may open; the oldest are given up.

    Args:
        listener: puts what is made into the program.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._waiting: OrderedDict[int, socket.socket] = OrderedDict()
        self._most_waiting = min(_MAX_WAITING, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._settled: OrderedDict[int, None] = OrderedDict()
        self._bound: set[int] = set()
        self._listening: set[int] = set()
        self._epoll: select.epoll | None = None

    def make(self, call: SystemCall) -> None:
        """Make the socket that ``socket`` asks for and put it into the program; keep a duplicate until it is connected.

        Raises:
            Refused: a type that is not made, or no room for it in the program.
        """
        family, kind, _ = (arg & 0xFFFFFFFF for arg in call.args[:3])
        type_ = kind & _TYPE_BITS
        if type_ not in _TYPES[family] or kind & ~(_TYPE_BITS | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC):
            raise Refused(errno.EINVAL)
        protocol = 0 if family == socket.AF_UNIX else socket.IPPROTO_TCP
        made = socket.socket(family, type_ | kind & socket.SOCK_NONBLOCK, protocol)
        flags = os.O_CLOEXEC if kind & socket.SOCK_CLOEXEC else 0
        inode = os.fstat(made.fileno()).st_ino
        with self._lock:
            self._settled.pop(inode, None)
            self._bound.discard(inode)
            self._waiting[inode] = made
            evicted = self._waiting.popitem(last=False)[1] if len(self._waiting) > self._most_waiting else None
        if evicted is not None:
            evicted.close()
        try:
            self._listener.give(call, made.fileno(), flags)
        except OSError as error:
            self._forget(inode)
            raise Refused(error.errno or errno.EACCES) from None

    @staticmethod
    def inode(call: SystemCall) -> int:
        """Return the inode of the socket that the call's descriptor is.

        Raises:
            Refused: it is none.
        """
        number = signed(call.args[0])
        try:
            link = os.readlink(f"/proc/{call.pid}/fd/{number}")  # noqa: PTH115 (half the time of a pathlib object)
        except FileNotFoundError:
            raise Refused(errno.EBADF) from None
        except OSError:
            raise Refused(errno.EACCES) from None
        if not link.startswith("socket:["):
            raise Refused(errno.ENOTSOCK)
        return int(link[8:-1])

    def get(self, inode: int) -> socket.socket:
        """Return the duplicate of a socket that is neither connected nor listens.

        Raises:
            Refused: there is none; ``EISCONN`` if it was connected.
        """
        with self._lock:
            own, settled = self._waiting.get(inode), inode in self._settled
        if own is None:
            raise Refused(errno.EISCONN if settled else errno.EACCES)
        return own

    def bind_to(self, own: socket.socket, address: Address) -> None:
        """Bind a duplicate; if the address is in use, perhaps by another one of a socket that is closed.

        Raises:
            OSError: the kernel refused.
        """
        try:
            own.bind(address.sockaddr(own.family))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            with self._lock:
                bound = self._bound & self._waiting.keys()
            try:
                gone = bound - set(_open_elsewhere())
            except PermissionError:  # the one that hides may have any of them
                raise error from None
            for inode in gone:
                self._forget(inode)
            own.bind(address.sockaddr(own.family))

    def bind(self, inode: int) -> None:
        """Note that a socket is bound."""
        with self._lock:
            self._bound.add(inode)

    def is_bound(self, inode: int) -> bool:
        """Tell whether a socket is bound and does not listen yet."""
        with self._lock:
            return inode in self._bound and inode in self._waiting

    def listen(self, inode: int, backlog: int) -> None:
        """Have a bound socket listen."""
        self.get(inode).listen(backlog)
        self._listening.add(inode)
        self.settle(inode)

    def listens(self, inode: int | None) -> bool:
        """Tell whether a socket is one of the program's that listens."""
        return inode in self._listening

    def settle(self, inode: int) -> None:
        """Give up the duplicate of a socket that is connected or listens."""
        with self._lock:
            self._settled[inode] = None
            if len(self._settled) > _MAX_SETTLED:
                self._settled.popitem(last=False)
        self._forget(inode)

    def _forget(self, inode: int) -> None:
        with self._lock:
            gone = self._waiting.pop(inode, None)
        if gone is not None:
            gone.close()

    def settle_later(self, own: socket.socket) -> None:
        """Drop a duplicate as soon as its connection stands or fails, so that a close reaches the peer at once."""
        with self._lock:
            if self._epoll is None:
                self._epoll = select.epoll()
                threading.Thread(target=self._settle_all, name="x07-settle", daemon=True).start()
            epoll = self._epoll
        try:
            epoll.register(own.fileno(), select.EPOLLOUT | select.EPOLLONESHOT)
        except FileExistsError:
            return

    def _settle_all(self) -> None:
        assert self._epoll is not None  # noqa: S101 (made by the caller that started this thread)
        while True:
            for handle, _ in self._epoll.poll():
                with self._lock:
                    done = [inode for inode, own in self._waiting.items() if own.fileno() == handle]
                for inode in done:
                    self.settle(inode)
