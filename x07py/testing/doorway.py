"""The port by which a program's connection comes to its cassette, where the kernel hands the connection over."""

from __future__ import annotations

import errno
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from x07py.errors import X07Error
from x07py.sandbox.network import Address, mapped
from x07py.wire.listener import connect
from x07py.wire.stand_in import Address as Place
from x07py.wire.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from x07py.wire.stand_in import Connection

ACCEPT_S = 10.0
"""How long a connection to a port of this machine may take."""
_BACKLOG = 4096
"""Room for the program's connection behind those of whoever finds its port in the instant before."""


class Behind(Protocol):
    """What a program's connections are led to: the door of its cassette, here or in another process."""

    @property
    def broken(self) -> X07Error | None:
        """What the cassette has failed with."""
        ...

    @property
    def records(self) -> bool:
        """Whether there are brokers."""
        ...

    def is_named(self, address: Place) -> bool:
        """Tell whether connections to an address pass in a replay too."""
        ...

    def admit(self, client: socket.socket, visit: Visit) -> None:
        """Serve a connection.

        Args:
            client: the other end of it.
            visit: where it wants to go.

        Raises:
            OSError: the broker cannot be reached.
            X07Error: the cassette has failed before.
        """
        ...


class Doorway:
    """Leads each connection of a program to the door of its cassette.

    The program's own socket is connected here, to a port that lives as long as that takes. Whoever else comes to the
    port is not let in: the end that is taken is the one whose peer is the program's socket, by both addresses. All of
    it is done before the program learns that it is connected, so nothing that it does afterwards comes too early.

    Args:
        door: the cassette's door.
        listening: gives a listener on the loopback address, of IPv6 or not, for one connection.
    """

    def __init__(
        self, door: Behind, listening: Callable[[bool], AbstractContextManager[socket.socket]] | None = None
    ) -> None:
        self._door, self._listening = door, listening or listen
        self._arriving = 0
        self._none_arrives = threading.Condition()

    def lead(self, address: Address, own: socket.socket, pid: int, process: str) -> int:
        """Connect the program's socket to the cassette, and return what its call says: 0, or an error number.

        Args:
            address: where it wants to go.
            own: a duplicate of its socket.
            pid: the process.
            process: its name.

        Raises:
            OSError: the broker cannot be reached, or the cassette has failed before.
        """
        place = Place(*address.sockaddr(socket.AF_INET if address.ipv4 else socket.AF_INET6))
        if self._door.broken is not None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, str(self._door.broken))
        ready: list[Connection] = []
        if self._door.records or self._door.is_named(place):
            try:
                ready.append(connect(place))
            except TimeoutError as error:
                raise OSError(errno.ETIMEDOUT, str(error)) from None
        visit = Visit(place, f"{process} (process {pid})", lambda to: ready.pop() if ready else connect(to))
        with self._none_arrives:
            self._arriving += 1
        try:
            return self._let_in(own, visit)
        except X07Error as error:
            raise ConnectionRefusedError(errno.ECONNREFUSED, str(error)) from None
        finally:
            for one in ready:
                one.close()
            with self._none_arrives:
                self._arriving -= 1
                self._none_arrives.notify_all()

    def _let_in(self, own: socket.socket, visit: Visit) -> int:
        with self._listening(":" in visit.address.host) as listener:
            code = own.connect_ex(_place(listener.getsockname()).sockaddr(own.family))
            if code not in {0, errno.EINPROGRESS}:
                return code
            client = _accept(listener, _place(own.getsockname()))
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._door.admit(client, visit)
        except BaseException:
            client.close()
            raise
        return code

    def close(self) -> None:
        """Wait for the connections that are about to arrive; the program has ended."""
        with self._none_arrives:
            self._none_arrives.wait_for(lambda: not self._arriving, ACCEPT_S)


def listen(is_ipv6: bool) -> socket.socket:
    """Return what listens at a port of the loopback address.

    Raises:
        OSError: there is none.
    """
    family, host = (socket.AF_INET6, "::1") if is_ipv6 else (socket.AF_INET, "127.0.0.1")
    return socket.create_server((host, 0), family=family, backlog=_BACKLOG)


def _place(name: tuple[Any, ...]) -> Address:
    """Return the address that a socket tells of itself or of its peer."""
    host = name[0].partition("%")[0]
    return Address(mapped(socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)), name[1])


def _accept(listener: socket.socket, program: Address) -> socket.socket:
    """Take the connection of the program's socket, and let go whoever else has found the port.

    Args:
        listener: where it comes.
        program: the address of the program's end.

    Raises:
        TimeoutError: it did not come.
    """
    ends = time.monotonic() + ACCEPT_S
    while (left := ends - time.monotonic()) > 0:
        listener.settimeout(left)
        client, peer = listener.accept()
        if _place(peer) == program:
            client.settimeout(None)
            return client
        client.close()
    raise TimeoutError(errno.ETIMEDOUT, "the connection did not arrive")
