"""TLS of this process's connections: in clear up to the stand-in, with the program's own settings from there on.

Where Python's ``ssl`` would begin a handshake on a socket that leads to a stand-in, a short greeting is sent instead.
The other end then shakes hands with the broker, with the context and the host name that the program gave, and answers
when that has succeeded or failed; certificates, versions and errors are the broker's. In a replay nobody is there to
shake hands with. Tried and dropped: a certificate made up for the stand-in, which no program's context would trust.
"""

from __future__ import annotations

import _ssl
import os
import secrets
import select
import socket
import ssl
import threading
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from x07py.wire.process.replaced import of_python

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.stand_in import Connection

_MAGIC = secrets.token_bytes(16)
GREETING = len(_MAGIC) + 8
"""Bytes of a greeting."""
_numbers = count(1)
_wanted: dict[int, Wanted] = {}


def magic() -> bytes:
    """Return what greetings of this program begin with."""
    return _MAGIC


def set_magic(of_parent: bytes) -> None:
    """Let greetings of this process begin as its parent's do."""
    global _MAGIC  # noqa: PLW0603 - one a process
    _MAGIC = of_parent


class Wanted:
    """A handshake that a program wants: with which context and which host name.

    Attributes:
        error: why it failed, once it has.
        session: the connection's TLS session with the broker, None in a replay.
    """

    def __init__(self, context: ssl.SSLContext, hostname: str | None) -> None:
        self.context: ssl.SSLContext = context
        self.hostname: str | None = hostname
        self.error: OSError | None = None
        self.session: ssl.SSLSocket | None = None
        self.number: int = next(_numbers)
        _wanted[self.number] = self

    @property
    def greeting(self) -> bytes:
        """What the program's end sends."""
        return _MAGIC + os.getpid().to_bytes(4, "big") + self.number.to_bytes(4, "big")


def is_greeting(data: bytes) -> bool | None:
    """Tell whether a connection begins with a greeting; None if that takes more bytes."""
    if not _MAGIC.startswith(data[:16]):
        return False
    return True if len(data) >= GREETING else None


def wanted(greeting: bytes) -> Wanted | None:
    """Return the handshake that a greeting asks for; None if another process asks, whose context is not here."""
    pid, number = int.from_bytes(greeting[16:20], "big"), int.from_bytes(greeting[20:GREETING], "big")
    return _wanted.pop(number, None) if pid == os.getpid() else None


def shake_hands(asked: Wanted, upstream: Connection | None) -> Connection | None:
    """Do a handshake with the broker, if there is one, and return the connection over TLS.

    Raises:
        OSError: it failed; the program's own handshake then fails with the same.
    """
    if upstream is None:
        return None
    try:
        asked.session = asked.context.wrap_socket(cast(socket.socket, upstream), server_hostname=asked.hostname)
    except OSError as error:
        asked.error = error
        raise
    return Stream(asked.session)


class Stream:
    """A TLS connection that one thread may read while another writes, which OpenSSL does not allow by itself."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection, self._lock = connection, threading.Lock()
        connection.setblocking(False)

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        data: bytes = self._when_ready(partial(self._connection.recv, size))
        return data

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._when_ready(partial(self._connection.send, rest)) :]

    def _when_ready(self, act: Callable[[], Any]) -> Any:
        while True:
            try:
                with self._lock:
                    return act()
            except ssl.SSLWantReadError:
                select.select([self._connection], [], [])
            except ssl.SSLWantWriteError:
                select.select([], [self._connection], [])

    def fileno(self) -> int:
        """Return what the operating system knows the connection by."""
        return self._connection.fileno()

    def shutdown(self, how: int) -> None:
        """End the connection."""
        socket.socket.shutdown(self._connection, how)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class _InClear:
    """Stands where OpenSSL's part of a connection would, and leaves everything as it is."""

    def __init__(self, asked: Wanted, owner: Any) -> None:
        self._asked, self.owner = asked, owner
        self.context, self.server_hostname, self.server_side = asked.context, asked.hostname, False
        self.session, self.session_reused = None, False
        self._greeted = False

    def do_handshake(self) -> None:
        """Ask for a handshake with the broker, and wait until it is done."""
        if not self._greeted:
            self._write(self._asked.greeting)
            self._greeted = True
        answer = self._read(1)
        if answer != b"\x01":
            raise self._asked.error or ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the connection ended in the handshake")

    def read(self, size: int, buffer: Any = None) -> Any:
        """Return what has come, or put it into `buffer` and return how much."""
        data = self._read(size)
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        """Send data and return how much."""
        return self._write(data)

    def _read(self, size: int) -> bytes:
        raise NotImplementedError

    def _write(self, data: Any) -> int:
        raise NotImplementedError

    def shutdown(self) -> Any:
        """End TLS, and return what goes on in clear."""
        return self.owner

    def pending(self) -> int:
        """Return how much has come and was not read."""
        return 0

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._asked.session, "_sslobj", None) if not name.startswith("__") else None
        return getattr(own, name) if own is not None else _nothing


def _nothing(*_: Any) -> None:
    """What a connection without TLS says of its certificates, ciphers and protocols."""


class _OnSocket(_InClear):
    def _read(self, size: int) -> bytes:
        try:
            return socket.SocketType.recv(self.owner, size)
        except BlockingIOError:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "nothing has come") from None

    def _write(self, data: Any) -> int:
        try:
            return socket.socket.send(self.owner, data)
        except BlockingIOError:
            raise ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "the other end does not read") from None


class _OnBuffers(_InClear):
    def __init__(self, asked: Wanted, owner: Any, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        super().__init__(asked, owner)
        self._incoming, self._outgoing = incoming, outgoing

    def _read(self, size: int) -> bytes:
        data = self._incoming.read(size)
        if not data and not self._incoming.eof:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "nothing has come")
        return data

    def _write(self, data: Any) -> int:
        return self._outgoing.write(data)

    def pending(self) -> int:
        return self._incoming.pending


_CONTEXT = of_python(_ssl._SSLContext, "ssl")
_OWN = {name: getattr(_CONTEXT, name) for name in ("_wrap_socket", "_wrap_bio")}
_leads_to_stand_in: Callable[[Any], bool]


def _wrap_socket(self: Any, connection: Any, server_side: bool, hostname: Any = None, **options: Any) -> Any:
    if server_side or not _leads_to_stand_in(connection):
        return _OWN["_wrap_socket"](self, connection, server_side, hostname, **options)
    return _OnSocket(Wanted(self, hostname), options.get("owner"))


def _wrap_bio(self: Any, incoming: Any, outgoing: Any, server_side: bool, hostname: Any = None, **options: Any) -> Any:
    hostname = options.get("server_hostname", hostname)
    if server_side:
        return _OWN["_wrap_bio"](self, incoming, outgoing, server_side, **options)
    return _OnBuffers(Wanted(self, hostname), options.get("owner"), incoming, outgoing)


def install(leads_to_stand_in: Callable[[Any], bool]) -> None:
    """Leave TLS out where a socket leads to a stand-in."""
    global _leads_to_stand_in  # noqa: PLW0603 - one patch a process
    _leads_to_stand_in = leads_to_stand_in
    _CONTEXT._wrap_socket = _wrap_socket  # type: ignore[attr-defined]
    _CONTEXT._wrap_bio = _wrap_bio  # type: ignore[attr-defined]


def remove() -> None:
    """Undo `install`."""
    for name in _OWN:
        delattr(_CONTEXT, name)
