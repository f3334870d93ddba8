"""A connection that is no matter of a cassette: what comes at one end goes out at the other."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from x07py.wire.waiting import is_ours

if TYPE_CHECKING:
    from x07py.wire.stand_in import Connection

_RELAY = 1 << 16


def relay(client: Connection, upstream: Connection) -> None:
    """Carry bytes both ways until both ends have closed."""
    back = threading.Thread(target=_carry, args=(upstream, client), daemon=True, name="x07-relay")
    back.start()
    _carry(client, upstream)
    back.join()
    upstream.close()


def _carry(source: Connection, sink: Connection) -> None:
    is_ours()
    with contextlib.suppress(OSError):
        while data := source.recv(_RELAY):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
