"""What goes out on a connection, without whoever has something to send ever waiting for the reader.

A stand-in that waited until a client reads would not read itself meanwhile; a client that sends and does not read would
then wait for it for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import ssl
import struct
import termios
import threading
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.stand_in import Connection

_MUCH = 4 * 2**20
_SMALL, _PIECES = 2**16, 64
_INT = struct.Struct("=i")


class Outgoing:
    """The sending side of a connection.

    Sends at once what the other end takes at once; a thread sends the rest, and lives as long as there is any.

    Args:
        connection: where to.
        drained: called, without a lock held, when there was much and it has gone out.
    """

    def __init__(self, connection: Connection, drained: Callable[[], None]) -> None:
        self._connection, self._drained = connection, drained
        self._plain = connection if isinstance(connection, socket.socket) and not _is_tls(connection) else None
        self._waiting: deque[bytes | memoryview] = deque()
        self._size = 0
        self._lock = threading.Lock()
        self._sending = self._ends = self._gone = False

    @property
    def is_unread(self) -> bool:
        """Whether the other end, in a process of this machine, has still to read something."""
        if self._waiting:
            return True
        if self._plain is None or self._gone or self._plain.family != socket.AF_UNIX:
            return False
        with contextlib.suppress(OSError, ValueError):
            (unread,) = _INT.unpack(fcntl.ioctl(self._plain, termios.TIOCOUTQ, bytes(_INT.size)))
            return bool(unread)
        return False

    @property
    def is_full(self) -> bool:
        """Whether so much waits that a broker would stop for a while."""
        return self._size > _MUCH

    def put(self, *data: bytes | memoryview) -> None:
        """Take data; it goes out with the next `flush`, which another thread may be in the middle of."""
        with self._lock:
            self._waiting += data
            self._size += sum(map(len, data))

    def end(self) -> None:
        """Let the other end see the end of the stream once everything has gone out."""
        self._ends = True
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            if self._sending or self._gone:
                return
            if self._plain is not None:
                self._send_at_once(self._plain)
            if self._waiting or (self._ends and not self._gone):
                self._sending = True
                threading.Thread(target=self._send_rest, daemon=True, name="x07-send").start()

    def _send_at_once(self, plain: socket.socket) -> None:
        waiting = self._waiting
        try:
            while waiting:
                if self._size < _SMALL and len(waiting) > 1:
                    data = b"".join(waiting)
                    waiting.clear()
                    waiting.append(data)
                self._sent(plain.sendmsg(list(islice(waiting, _PIECES)), (), socket.MSG_DONTWAIT))
            if self._ends:
                self._gone = True
                plain.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self._drop()

    def _send_rest(self) -> None:
        was_full = False
        while True:
            with self._lock:
                if not self._waiting:
                    self._sending = False
                    if self._ends and not self._gone:
                        self._gone = True
                        with contextlib.suppress(OSError):
                            self._connection.shutdown(socket.SHUT_WR)
                    break
                pieces = list(islice(self._waiting, _PIECES))
            was_full = was_full or self.is_full
            try:
                sent = self._send(pieces)
            except OSError:
                sent = 0
                self._drop()
            with self._lock:
                self._sent(sent)
            if was_full and not self.is_full:
                was_full = False
                self._drained()

    def _send(self, pieces: list[bytes | memoryview]) -> int:
        """Send some of what waits, and return how much."""
        if self._plain is not None:
            return self._plain.sendmsg(pieces)
        data = b"".join(pieces)
        self._connection.sendall(data)
        return len(data)

    def _sent(self, size: int) -> None:
        """Forget what has gone out."""
        waiting = self._waiting
        self._size -= size
        while waiting and size >= len(waiting[0]):
            size -= len(waiting.popleft())
        if size:
            waiting[0] = memoryview(waiting[0])[size:]

    def _drop(self) -> None:
        """Nobody reads any more."""
        self._gone = True
        self._waiting.clear()
        self._size = 0


def _is_tls(connection: socket.socket) -> bool:
    return isinstance(connection, ssl.SSLSocket)
