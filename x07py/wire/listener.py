"""A port at which a cassette's door takes connections: for programs of other languages, machines and processes.

A recording stands in front of one broker. A cluster names its other brokers in its answers; each of them gets a port of
its own beside the first when it is named, so that no connection of the client leads past the recording.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from x07py.wire.process.sockets import connect_for_real
from x07py.wire.process.tls import Stream
from x07py.wire.stand_in import Address
from x07py.wire.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.door import Door
    from x07py.wire.stand_in import Connection

_CONNECT_S = 10.0
_AGAIN_S = 0.01


def connect(address: Address) -> socket.socket:
    """Return a connection to an address, past the cassettes of this process.

    Raises:
        OSError: it cannot be reached.
    """
    return connect_for_real(address, _CONNECT_S)


def connect_over_tls(address: Address) -> Connection:
    """Return a TLS connection to an address, past the cassettes of this process.

    Its certificate has to be for the address's host, and signed by whom the machine trusts or `SSL_CERT_FILE` names.

    Raises:
        OSError: it cannot be reached, or no handshake comes about.
    """
    connection = connect(address)
    try:
        connection.settimeout(_CONNECT_S)
        return Stream(ssl.create_default_context().wrap_socket(connection, server_hostname=address.host))
    except BaseException:
        connection.close()
        raise


class Listener:
    """The ports of one cassette.

    Args:
        door: takes the connections.
        at: where to listen; port 0 takes a free one.
        upstream: the broker behind the first port while recording; None in a replay.
        caller: who connects, for messages; None for the client's address.
        connecting: connects to a broker.

    Attributes:
        address: where the first port listens.
        connections: how many connections came.

    Raises:
        OSError: the address cannot be listened at.
    """

    def __init__(
        self,
        door: Door,
        at: Address,
        upstream: Address | None = None,
        *,
        caller: str | None = None,
        connecting: Callable[[Address], Connection] = connect,
    ) -> None:
        self._door, self._caller, self._connecting = door, caller, connecting
        self._lock = threading.Lock()
        self._listening: list[socket.socket] = []
        self._ports: dict[Address, int] = {}
        self._open: set[socket.socket] = set()
        self.connections: int = 0
        self._host = at.host
        self.address: Address = Address(at.host, self._listen(at.port, upstream))

    def _listen(self, port: int, upstream: Address | None) -> int:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.create_server((self._host, port), family=family, backlog=128)
        self._listening.append(listening)
        found: int = listening.getsockname()[1]
        if upstream is not None:
            self._ports[upstream] = found
        accept = partial(self._accept, listening, upstream)
        threading.Thread(target=accept, daemon=True, name="x07-listener").start()
        return found

    def _accept(self, listening: socket.socket, upstream: Address | None) -> None:
        while listening.fileno() >= 0:
            try:
                self._take(*listening.accept(), upstream)
            except (OSError, RuntimeError):  # this client is gone already, or we are at a limit of files or threads
                time.sleep(_AGAIN_S)

    def _take(self, client: socket.socket, peer: tuple[Any, ...], upstream: Address | None) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self.connections += 1
            self._open = {one for one in self._open if one.fileno() >= 0} | {client}
        here = Address(*client.getsockname()[:2])
        caller = self._caller or f"the client at {Address(*peer[:2])}"
        reach = partial(self._reach, here)
        visit = Visit(upstream or here, caller, self._connecting, reach, at_port=True)
        try:
            self._door.admit(client, visit, to_refuse=True)
        except (OSError, RuntimeError):
            client.close()
            raise

    def _reach(self, here: Address, address: Address) -> Address:
        """Return where a client that came to `here` finds the broker at `address`."""
        with self._lock:
            port = self._ports.get(address)
            if port is None:
                port = self._listen(0, address)
        return Address(here.host, port)

    def close(self) -> None:
        """Listen no more, and end the connections that are open."""
        for listening in self._listening:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        for client in self._open:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
