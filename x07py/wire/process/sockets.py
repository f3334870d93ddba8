"""Sockets of this process that lead to a stand-in: the same file descriptor, with one end of a pair under it.

The methods of `socket.socket` itself are replaced, so it does not matter who made a socket, by which name, or when:
blocking, non-blocking and asyncio's ways of connecting all come through them. Sockets of libraries written in C do not.
"""

from __future__ import annotations

import _socket
import errno
import os
import socket
from typing import TYPE_CHECKING, Any, Protocol

from x07py.wire.process import names, tls
from x07py.wire.process.listeners import listens
from x07py.wire.process.replaced import SOCKET
from x07py.wire.process.replacing import put_in_place_of
from x07py.wire.stand_in import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.process.names import Names

_INET = (socket.AF_INET, socket.AF_INET6)
_BUFFER = 1 << 20
MARK = 6
"""The priority (`SO_PRIORITY`) of sockets that may connect by themselves: what another process can see of a socket."""
_own = socket.SocketType
_SENDING = ("send", "sendall", "sendmsg")


class Doors(Protocol):
    """What decides about connections: the innermost cassette."""

    names: Names

    def admit(self, address: Address, host: str, timeout: float | None) -> socket.socket | None:
        """Return the program's end of a connection that is being served, or None to let the socket connect itself.

        Args:
            address: name and port that the program asked for.
            host: what the name was looked up to be.
            timeout: seconds that connecting may take.

        Raises:
            OSError: the broker cannot be reached.
            X07Error: the connection is refused.
        """
        ...

    def datagram(self, address: Address) -> None:
        """Take note of a datagram.

        Raises:
            X07Error: it is refused.
        """
        ...

    def looks_up(self, host: str) -> bool:
        """Tell whether a name is looked up, or gets an address that is made up."""
        ...

    def descriptors(self) -> set[int]:
        """Return the file descriptors that are the cassette's, whatever a program closes that closes all it has."""
        ...


class Way:
    """The way in; one a process, in place while any cassette is in use.

    Attributes:
        known: inodes of sockets that are connected by themselves, and may be.
        is_watched: whether the kernel hands over what connects by itself, unless it is marked with `MARK`.
    """

    def __init__(self) -> None:
        self._doors: list[Doors] = []
        self._peers: dict[int, tuple[Any, Any]] = {}
        self._blank: set[int] = set()
        self.known: set[int] = set()
        self.is_watched: bool = False
        self._arrived: dict[int, list[socket.socket]] = {}
        self._told: dict[int, Callable[[], None]] = {}

    def open(self, doors: Doors) -> None:
        """Let connections that are made from now on be admitted by `doors`."""
        self._doors.append(doors)
        if len(self._doors) == 1:
            _install(self)

    def close(self, doors: Doors) -> None:
        """End the use of `doors`; sockets that lead to a stand-in go on leading there."""
        self._doors.remove(doors)
        if not self._doors:
            _remove()

    def forget(self) -> None:
        """End the use of all doors, in a process in which they are copies."""
        for doors in list(self._doors):
            self.close(doors)

    @property
    def all(self) -> tuple[Doors, ...]:
        """The doors of all cassettes in use."""
        return tuple(self._doors)

    @property
    def doors(self) -> Doors | None:
        """The doors of the innermost cassette."""
        return self._doors[-1] if self._doors else None

    def leads_to_stand_in(self, one: socket.socket) -> bool:
        """Tell whether a socket leads to a stand-in, or will once it connects."""
        if self.peer(one) is not None:
            return True
        if self.doors is None or one.family not in _INET:
            return False
        try:
            _own.getpeername(one)
        except OSError:
            return True
        return False

    def peer(self, one: socket.socket) -> tuple[Any, Any] | None:
        """Return the two addresses of a socket that leads to a stand-in: its own and the other; None of another one."""
        return self._peers.get(_inode(one)) if self._peers and one.fileno() >= 0 else None

    def tell_of_sending(self, near: socket.socket, tell: Callable[[], None]) -> None:
        """Call `tell` whenever the program has sent something on a socket, in the thread that did."""
        if not self._told:
            for name in _SENDING:
                setattr(SOCKET, name, _telling(name))
        self._told[_inode(near)] = tell

    def has_sent(self, one: socket.socket) -> None:
        """Tell whoever wants to know that something was sent."""
        tell = self._told.get(_inode(one)) if self._told and one.fileno() >= 0 else None
        if tell is not None:
            tell()

    def is_pair(self, one: socket.socket) -> bool:
        """Tell whether a socket is one end of a pair, connected or not yet: what TCP alone has does not apply to it."""
        return self.peer(one) is not None or (bool(self._blank) and one.fileno() >= 0 and _inode(one) in self._blank)

    def stand_for(self) -> int:
        """Return a file descriptor for a socket that the kernel does not let the program have."""
        near, far = socket.socketpair()
        far.close()
        self._blank.add(_inode(near))
        return near.detach()

    def connect(self, one: socket.socket, address: Any) -> bool:
        """Lead a socket to a stand-in; False if it is to connect by itself."""
        doors = self.doors
        if doors is None or one.family not in _INET:
            return False
        if one.type != socket.SOCK_STREAM:
            self.datagram(one, address)
            return False
        if self.peer(one) is not None:
            raise OSError(errno.EISCONN, os.strerror(errno.EISCONN))
        host, port = names.text(address[0]), int(address[1])
        if listens(host, port):
            return self._connect_here(one, address)
        near = doors.admit(Address(doors.names.name(host), port), host, one.gettimeout())
        if near is None:
            self.goes_on(one)
            return False
        put_in_place_of(one, near)
        rest = address[2:] or ((0, 0) if one.family == socket.AF_INET6 else ())
        local = ("::1" if one.family == socket.AF_INET6 else "127.0.0.1", 40_000 + one.fileno() % 20_000, *rest)
        self._peers[_inode(one)] = (local, (host, port, *rest))
        return True

    def goes_on(self, one: socket.socket) -> None:
        """Take note of a socket that connects by itself."""
        self.known.add(_inode(one))
        if self.is_watched:
            _own.setsockopt(one, socket.SOL_SOCKET, socket.SO_PRIORITY, MARK)

    def datagram(self, one: socket.socket, address: Any) -> None:
        """Take note of where a socket sends datagrams."""
        doors = self.doors
        if doors is not None and address is not None and one.family in _INET and one.type != socket.SOCK_STREAM:
            host = names.text(address[0])
            doors.datagram(Address(doors.names.name(host), int(address[1])))

    def _connect_here(self, one: socket.socket, address: Any) -> bool:
        """Connect to a listener of this process, by a pair if there is not even a loopback interface."""
        try:
            _own.connect(one, address)
        except OSError as error:
            if error.errno != errno.ENETUNREACH:
                raise
            near, far = socket.socketpair()
            put_in_place_of(one, near)
            self._arrived.setdefault(int(address[1]), []).append(far)
        return True

    def accept(self, one: socket.socket) -> Any:
        """Return file descriptor and address of a connection that a listener of this process gets."""
        arrived = self._arrived.get(_own.getsockname(one)[1]) if self._arrived and one.family in _INET else None
        return (arrived.pop(0).detach(), ("127.0.0.1", 0)) if arrived else _own._accept(one)  # type: ignore[attr-defined]


WAY = Way()
"""The process's way in."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a connection to a stand-in."""
    ends = socket.socketpair()
    for end in ends:
        _own.setsockopt(end, socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    return ends


def look_up(host: str, port: int) -> list[str]:
    """Return the numbers that a name stands for, past every cassette.

    Raises:
        OSError: it stands for none.
    """
    return list(dict.fromkeys(str(row[4][0]) for row in _OWN_LOOKUP(host, port, 0, socket.SOCK_STREAM)))


def connect_for_real(address: tuple[str, int], timeout: float | None) -> socket.socket:
    """Return a socket that is connected to an address, past every cassette.

    Raises:
        OSError: it cannot be reached.
    """
    failure: OSError | None = None
    for family, kind, proto, _, where in _OWN_LOOKUP(address[0], address[1], 0, socket.SOCK_STREAM):
        one = socket.socket(family, kind, proto)
        try:
            one.settimeout(timeout)
            WAY.goes_on(one)
            _own.connect(one, where)
            one.settimeout(None)
            _own.setsockopt(one, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            one.close()
            failure = error
        else:
            return one
    raise failure or OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))


def _inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def _init(self: socket.socket, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002
    """Make a socket; where a world has no network, one that can lead to a stand-in and nowhere else."""
    try:
        _OWN_INIT(self, family, type, proto, fileno)
    except PermissionError:
        if WAY.doors is None or fileno is not None or family not in (-1, *_INET):
            raise
        kind = socket.SOCK_STREAM if type == -1 else type
        _OWN_INIT(self, socket.AF_INET if family == -1 else family, kind, max(proto, 0), WAY.stand_for())


def _telling(name: str) -> Callable[..., Any]:
    own = getattr(_own, name)

    def send(self: socket.socket, *args: Any) -> Any:
        sent = own(self, *args)
        WAY.has_sent(self)
        return sent

    return send


def _connect(self: socket.socket, address: Any) -> None:
    if not WAY.connect(self, address):
        _own.connect(self, address)


def _connect_ex(self: socket.socket, address: Any) -> int:
    try:
        return 0 if WAY.connect(self, address) else _own.connect_ex(self, address)
    except OSError as error:
        return error.errno or errno.ECONNREFUSED


def _accept(self: socket.socket) -> Any:
    return WAY.accept(self)


def _sendto(self: socket.socket, data: Any, *rest: Any) -> int:
    WAY.datagram(self, rest[-1])
    return _own.sendto(self, data, *rest)


def _getpeername(self: socket.socket) -> Any:
    known = WAY.peer(self)
    return known[1] if known else _own.getpeername(self)


def _getsockname(self: socket.socket) -> Any:
    known = WAY.peer(self)
    return known[0] if known else _own.getsockname(self)


def _setsockopt(self: socket.socket, level: int, *rest: Any) -> None:
    if level == socket.SOL_SOCKET or not WAY.is_pair(self):
        _own.setsockopt(self, level, *rest)


def _getsockopt(self: socket.socket, level: int, *rest: Any) -> Any:
    if level == socket.SOL_SOCKET or not WAY.is_pair(self):
        return _own.getsockopt(self, level, *rest)
    return 0 if len(rest) == 1 else bytes(rest[1])


def _getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:  # noqa: A002
    doors = WAY.doors
    if doors is None or names.is_local(host):
        return _OWN_LOOKUP(host, port, family, type, proto, flags)
    name = names.text(host)
    if not doors.looks_up(name):
        return doors.names.make_up(name, port, family, type, proto)
    found = _OWN_LOOKUP(host, port, family, type, proto, flags)
    doors.names.learn(found, name)
    return found


def _close(fd: int) -> None:
    if not any(fd in doors.descriptors() for doors in WAY.all):
        _OWN_CLOSE(fd)


def _closerange(first: int, end: int, /) -> None:
    for number in sorted({one for doors in WAY.all for one in doors.descriptors() if first <= one < end}):
        _OWN_CLOSERANGE(first, number)
        first = number + 1
    _OWN_CLOSERANGE(first, end)


def _gethostbyname(host: Any) -> Any:
    return _getaddrinfo(host, 0, socket.AF_INET)[0][4][0]


_OWN_LOOKUP, _OWN_BY_NAME = _socket.getaddrinfo, _socket.gethostbyname
_OWN_INIT = SOCKET.__init__
_OWN_CLOSE, _OWN_CLOSERANGE = os.close, os.closerange
_METHODS: dict[str, Any] = {
    "connect": _connect,
    "connect_ex": _connect_ex,
    "sendto": _sendto,
    "_accept": _accept,
    "getpeername": _getpeername,
    "getsockname": _getsockname,
    "setsockopt": _setsockopt,
    "getsockopt": _getsockopt,
}


def _install(way: Way) -> None:
    for name, method in _METHODS.items():
        setattr(SOCKET, name, method)
    SOCKET.__init__ = _init  # type: ignore[method-assign]
    _socket.getaddrinfo = _getaddrinfo
    socket.gethostbyname = _gethostbyname
    os.close, os.closerange = _close, _closerange
    tls.install(way.leads_to_stand_in)


def _remove() -> None:
    """Let new sockets connect by themselves again; those that lead to a stand-in still answer as they did."""
    for name in ("connect", "connect_ex"):
        delattr(SOCKET, name)
    SOCKET.__init__ = _OWN_INIT  # type: ignore[method-assign]
    _socket.getaddrinfo = _OWN_LOOKUP
    socket.gethostbyname = _OWN_BY_NAME
    os.close, os.closerange = _OWN_CLOSE, _OWN_CLOSERANGE
    tls.remove()
