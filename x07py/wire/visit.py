"""One connection that a program makes, as a way in hands it over to a cassette's door."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from x07py.wire.stand_in import Address, Connection


class Visit(NamedTuple):
    """One connection that a program makes.

    Args:
        address: where it wants to go.
        caller: who makes it, for messages.
        connect: connects to an address for real.
        reach: tells where the program finds a broker whose address it is told; to the broker, where its sockets lead
            here anyway.
        at_port: whether it came to a port that stands for one broker, where nothing else is to pass.
    """

    address: Address
    caller: str
    connect: Callable[[Address], Connection]
    reach: Callable[[Address], Address] = lambda address: address
    at_port: bool = False

    def __str__(self) -> str:
        return f"{self.address} ({self.caller})"


def nowhere(address: Address) -> socket.socket:
    """Refuse to connect, for connections that are there already.

    Raises:
        ConnectionRefusedError: always.
    """
    raise ConnectionRefusedError(errno.ECONNREFUSED, str(address))
