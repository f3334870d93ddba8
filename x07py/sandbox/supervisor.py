"""Answers what the filter hands over: makes sockets, connects them, and tells virtual time.

The program never connects: the supervisor reads the address once, judges its own copy, and connects its own duplicate
of the socket. So nothing that the program writes to memory meanwhile, in whichever thread, changes where a connection
goes. No answer ever lets the kernel continue the program's own call.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import resource
import select
import socket
import struct
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from x07py.sandbox.answers import UNREADABLE, Access, Call, Denials, Refused, process_name, target_of
from x07py.sandbox.clock import VirtualClock
from x07py.sandbox.kernel import connect, read_memory, signed, syscall_numbers
from x07py.sandbox.metadata import Metadata
from x07py.sandbox.network import MAX_SOCKADDR, Address, Rules, parse
from x07py.sandbox.observe import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_RECV, _SEND, _ID_VALID, _ADDFD, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103, 0x40082104
_SYNC_WAKE_UP = 1
_ADDFD_FLAG_SEND = 2
_CONTINUE = 1
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_MAX_THREADS = 64
_MAX_WAITING = 1024
_MAX_SETTLED = 4096


class Supervisor:
    """Serves one listener until no process is left under its filter.

    Growth: one duplicate descriptor for each socket that is not connected yet, at most 1,024 and half of what this
    process may open; the oldest are given up.

    Args:
        listener: the descriptor that the filter was installed with.
        connect: where connections may go.
        denials: where denials are noted.
        listen: what may be bound.
        writable: folders and files, without links, in which modes and times may be changed.
        seed: virtual time and randomness from this seed; None for the real ones.
        on_access: called with each decision, before it takes effect; if it raises, the access is refused.
        observe: let files and programs through and tell `on_access` of them; for a filter that hands them over.
    """

    def __init__(
        self,
        listener: int,
        *,
        connect: Rules,
        denials: Denials,
        listen: Rules | None = None,
        writable: Iterable[str] = (),
        seed: bytes | None = None,
        on_access: Callable[[Access], None] | None = None,
        observe: bool = False,
    ) -> None:
        self.listener = listener
        self.connect_rules, self.listen_rules = connect, listen or Rules()
        self._denials, self.on_access = denials, on_access
        self.connects = 0
        self._judged = functools.lru_cache(_MAX_WAITING)(self._judge)
        self._lock = threading.Lock()
        self._receiving = threading.Lock()
        self._idle = 0
        self._threads = 0
        self._waiting: OrderedDict[int, socket.socket] = OrderedDict()
        self._most_waiting = min(_MAX_WAITING, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._settled: OrderedDict[int, None] = OrderedDict()
        self._bound: set[int] = set()
        self._epoll: select.epoll | None = None
        self._names = {number: name for name, number in syscall_numbers().items()}
        try:
            fcntl.ioctl(listener, _SET_FLAGS, _SYNC_WAKE_UP)
        except OSError:
            self.synchronous = False
        else:
            self.synchronous = True
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._handlers: dict[str, Callable[[Call], int | None]] = {
            "socket": self._socket,
            "connect": self._connect,
            "bind": self._bind,
            "listen": self._listen,
        }
        self._handlers |= Metadata(writable, self.still_waits).handlers()
        if seed is not None:
            self._handlers |= VirtualClock(seed, self.still_waits).handlers()
        if observe:
            self._handlers |= Observer(self._note, self._go_on).handlers()

    def start(self) -> None:
        """Serve in threads of this process."""
        self._spawn()
        self._spawn()

    def _spawn(self) -> None:
        with self._lock:
            if self._threads >= _MAX_THREADS:
                return
            self._threads += 1
            self._idle += 1
        threading.Thread(target=self._serve, name="x07-supervisor", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._receiving:
                call = self._receive()
            if call is None:
                return
            self._answer(call)

    def _receive(self) -> Call | None:
        """Return the next call, or None when no process is left."""
        while True:
            buffer = bytearray(_NOTIFICATION.size)
            for _, event in self._poll.poll():
                if not event & select.POLLIN:
                    return None
            try:
                fcntl.ioctl(self.listener, _RECV, buffer)
            except OSError as error:
                if error.errno in {errno.EINTR, errno.ENOENT}:  # the caller died, or the last process did
                    continue
                return None
            ident, pid, _, number, _, _, *args = _NOTIFICATION.unpack(buffer)
            return Call(ident, pid, number, tuple(args))

    def _answer(self, call: Call) -> None:
        value, code = 0, 0
        try:
            answer = self._handlers[self._names[call.number]](call)
            if answer is None:
                return
            value = answer
        except Refused as refused:
            code = refused.code
        except OSError as error:
            code = error.errno or errno.EACCES
        except Exception:  # noqa: BLE001 (whatever goes wrong here, the program gets a refusal and the service goes on)
            code = errno.EACCES
        self._send(call, value, code)

    def _send(self, call: Call, value: int, code: int) -> None:
        try:
            fcntl.ioctl(self.listener, _SEND, struct.pack("=QqiI", call.id, 0 if code else value, -code, 0))
        except OSError:
            return  # the caller is gone

    def _go_on(self, call: Call) -> None:
        """Let the kernel carry out the call itself: for observing alone, where nothing is refused."""
        with contextlib.suppress(OSError):  # the caller is gone
            fcntl.ioctl(self.listener, _SEND, struct.pack("=QqiI", call.id, 0, 0, _CONTINUE))

    def still_waits(self, call: Call) -> bool:
        """Tell whether the caller is still the same process, waiting for this answer."""
        try:
            fcntl.ioctl(self.listener, _ID_VALID, struct.pack("=Q", call.id))
        except OSError:
            return False
        return True

    def _socket(self, call: Call) -> int | None:
        """Make a TCP socket here and put it into the program; keep a duplicate until it is connected."""
        family, kind, _ = (arg & 0xFFFFFFFF for arg in call.args[:3])
        if kind & ~(socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC):
            raise Refused(errno.EINVAL)
        made = socket.socket(family, socket.SOCK_STREAM | kind & socket.SOCK_NONBLOCK, socket.IPPROTO_TCP)
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
            fcntl.ioctl(
                self.listener, _ADDFD, struct.pack("=QIIII", call.id, _ADDFD_FLAG_SEND, made.fileno(), 0, flags)
            )
        except OSError as error:
            self._forget(inode)
            raise Refused(error.errno or errno.EACCES) from None
        return None

    def _forget(self, inode: int) -> None:
        with self._lock:
            gone = self._waiting.pop(inode, None)
        if gone is not None:
            gone.close()

    def _inode(self, call: Call) -> int:
        """Return the inode of the socket that the call's descriptor is."""
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

    def _sockaddr(self, kind: str, call: Call) -> bytes:
        length = signed(call.args[2])
        if not 2 <= length <= MAX_SOCKADDR:
            raise Refused(errno.EINVAL)
        try:
            data = read_memory(call.pid, call.args[1], length)
        except OSError as error:
            if error.errno == errno.EFAULT:
                raise Refused(errno.EFAULT) from None
            raise Refused(self._deny(kind, UNREADABLE, call)) from None
        if len(data) != length:
            raise Refused(errno.EFAULT)
        if not self.still_waits(call):
            raise Refused(errno.EINTR)
        return data

    def _connect(self, call: Call) -> int:
        data = self._sockaddr("connect", call)
        inode = self._inode(call)
        address, permitted = self._judged(data)
        if address is None or not permitted:
            raise Refused(self._deny("connect", target_of(data), call))
        if self.on_access is not None:
            self._note("connect", str(address), call)
        with self._lock:
            own, settled = self._waiting.get(inode), inode in self._settled
        if own is None:
            raise Refused(errno.EISCONN if settled else errno.EACCES)
        if own.family == socket.AF_INET and not address.ipv4:
            raise Refused(errno.EAFNOSUPPORT)
        return self._connect_own(own, inode, _raw(address, own.family))

    def _judge(self, data: bytes) -> tuple[Address | None, bool]:
        """Return the address that a ``struct sockaddr`` means, and whether it is allowed."""
        address = parse(data)
        return address, address is not None and self.connect_rules.permits(address)

    def _connect_own(self, own: socket.socket, inode: int, target: bytes) -> int:
        """Connect our duplicate; another thread receives meanwhile."""
        with self._lock:
            if self._idle <= 1 and self._threads >= _MAX_THREADS:
                raise Refused(errno.EAGAIN)
            self._idle -= 1
            short = self._idle < 1
        if short:
            self._spawn()
        try:
            self.connects += 1
            code = connect(own.fileno(), target)
        finally:
            with self._lock:
                self._idle += 1
        if code == 0:
            self._settle(inode)
        elif code in {errno.EINPROGRESS, errno.EALREADY}:
            self._watch(own)
        if code:
            raise Refused(code)
        return 0

    def _settle(self, inode: int) -> None:
        with self._lock:
            self._settled[inode] = None
            if len(self._settled) > _MAX_SETTLED:
                self._settled.popitem(last=False)
        self._forget(inode)

    def _watch(self, own: socket.socket) -> None:
        """Drop our duplicate as soon as the connection stands or fails, so that a close reaches the peer at once."""
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
                    self._settle(inode)

    def _bind(self, call: Call) -> int:
        data = self._sockaddr("listen", call)
        inode = self._inode(call)
        address = parse(data)
        if address is not None and address.port == 0:  # so libraries ask whether there is IPv6: no news to the user
            self._note("listen", str(address), call, allowed=False)
            raise Refused(errno.EACCES)
        if address is None or not self.listen_rules.permits(address):
            raise Refused(self._deny("listen", str(address) if address else "another address family", call))
        with self._lock:
            own = self._waiting.get(inode)
        if own is None:
            raise Refused(errno.EACCES)
        self._note("listen", str(address), call)
        own.bind(address.sockaddr(own.family))
        with self._lock:
            self._bound.add(inode)
        return 0

    def _listen(self, call: Call) -> int:
        inode = self._inode(call)
        with self._lock:
            own = self._waiting.get(inode) if inode in self._bound else None
        if own is None:
            raise Refused(self._deny("listen", "a socket that is not bound", call))
        own.listen(min(call.args[1] & 0xFFFFFFFF, 4096))
        self._settle(inode)
        return 0

    def _note(self, kind: str, target: str, call: Call, *, allowed: bool = True) -> str:
        """Tell of a decision and return the name of the process that it was about."""
        if allowed and self.on_access is None:
            return ""
        process = process_name(call.pid)
        if self.on_access is not None:
            self.on_access(Access(kind, target, allowed, call.pid, process))
        return process

    def _deny(self, kind: str, target: str, call: Call) -> int:
        """Note a denial and return the error number that the program gets."""
        self._denials.add(kind, target, call.pid, self._note(kind, target, call, allowed=False))
        return errno.EACCES


@functools.lru_cache(_MAX_WAITING)
def _raw(address: Address, family: int) -> bytes:
    """Return the ``struct sockaddr`` of an address for a socket of `family`."""
    host, port = address.sockaddr(family)
    if family == socket.AF_INET:
        return struct.pack("=H", family) + struct.pack("!H", port) + socket.inet_aton(host) + b"\0" * 8
    raw = struct.pack("=H", family) + struct.pack("!HI", port, 0)
    return raw + socket.inet_pton(socket.AF_INET6, host) + b"\0" * 4
