"""A port between a client and its broker that passes Kafka's frames on one by one, and can cut a connection there."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from x07py.wire.kafka import apis
from x07py.wire.stand_in import Address

Cut = Callable[[socket.socket, socket.socket], None]
PRODUCE = struct.pack(">h", apis.PRODUCE)
SIZE = struct.Struct(">i")


class Gate:
    """Passes connections of Kafka's protocol on, and cuts the first that publish, after it has passed that on.

    Args:
        target: where to.
        trips: how many are cut.
        cut: waits, with both ends of a connection, until that is to happen.
    """

    def __init__(self, target: Address, trips: int, cut: Cut, key: bytes = PRODUCE) -> None:
        self._target, self.trips, self._cut, self._key = target, trips, cut, key
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._listening.getsockname()[:2])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                there = socket.create_connection(self._target)
                threading.Thread(target=self._pass_on, args=(client, there), daemon=True).start()

    def _pass_on(self, client: socket.socket, there: socket.socket) -> None:
        """Pass a request and its answer on, one after the other."""
        with client, there, suppress(OSError):
            while request := frame(client):
                there.sendall(request)
                if request[4:6] == self._key and self.trips:
                    self.trips -= 1
                    self._cut(client, there)
                    return
                client.sendall(frame(there))


def frame(source: socket.socket) -> bytes:
    """Return the next frame with its length; nothing at the end."""
    size = source.recv(SIZE.size, socket.MSG_WAITALL)
    return size + source.recv(SIZE.unpack(size)[0], socket.MSG_WAITALL) if size else b""
