"""What a stand-in for a broker is, and what it is given: one connection of a client, and the cassette.

A way in (Python's sockets, a supervisor's pair, a listening port) hands each connection over; which stand-in serves it
is decided by the first bytes that the client sends, so that ports and libraries need no table. The connection is in
clear: whoever made it has taken TLS off, and `CassetteSession.open_upstream` puts it on again with the client's own
settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from x07py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.errors import X07Error
    from x07py.wire.tape import Tape

_T = TypeVar("_T", bound="Tape")


class Address(NamedTuple):
    """Where a client wanted to go: the name or number that it asked for, and the port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, default_host: str = "127.0.0.1") -> Address:
    """Return the address in ``HOST:PORT`` or ``:PORT``; an IPv6 host stands in brackets.

    Raises:
        UsageError: ``X07_ADDRESS`` if it is none.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 2**16):
        raise UsageError("X07_ADDRESS", f"{text!r} is no address", hint="give HOST:PORT, for example 127.0.0.1:9092")
    return Address(host.strip("[]") or default_host, int(port))


class Connection(Protocol):
    """A blocking stream; `recv` and `sendall` may be called from two threads at once."""

    def recv(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none once the other end has closed."""
        ...

    def sendall(self, data: bytes | bytearray | memoryview, /) -> None:
        """Send everything.

        Raises:
            OSError: the other end is gone.
        """
        ...

    def fileno(self) -> int:
        """Return what the operating system knows the connection by."""
        ...

    def shutdown(self, how: int, /) -> None:
        """End one direction or both, as `socket.shutdown`; a `recv` that waits in another thread returns."""
        ...

    def close(self) -> None:
        """End both directions."""
        ...


class CassetteSession(Protocol):
    """The cassette of a run, for one connection."""

    def tape(self, kind: type[_T], /) -> _T:
        """Return the cassette's tape of a kind: one for all connections, made as ``kind(session, rules)``.

        The tape tells whether there is a broker (`live`) and whether recorded answers are given (`replays`).
        """
        ...

    def open_upstream(self, address: Address | None = None) -> Connection:
        """Connect to the real broker, over TLS if the client asked for it; only while recording.

        Args:
            address: another broker of the same cluster; None for what the client asked for.

        Raises:
            OSError: it cannot be reached.
        """
        ...

    def reach(self, address: Address, /) -> Address:
        """Return where the client has to connect to for a broker of the cluster; only while recording.

        Args:
            address: where the broker says that it is.
        """
        ...

    def fail(self, error: X07Error, /) -> None:
        """End the use of the cassette with an error; the block, the test or the command raises it."""
        ...


class StandIn(Protocol):
    """A broker's protocol from the broker's side."""

    name: str
    """What people call the protocol, for messages."""

    def prepare(self) -> type[Tape]:
        """Load what serving takes, and return the kind of its tape.

        Called where no client waits yet: clients give a broker ten seconds for its first answer, and on a busy machine
        loading can take as long.

        Raises:
            NotInstalledError: a distribution that it needs is not installed.
        """
        ...

    def answer(self, connection: Connection, session: CassetteSession) -> Callable[[bytes], None] | None:
        """Begin to serve a connection of a replay where no thread can: in a world in which no time passes.

        Returns:
            What takes the bytes that the client sends, in the client's own thread; None if the protocol cannot be
            served so.
        """
        ...

    def serve(self, connection: Connection, address: Address, session: CassetteSession) -> None:
        """Serve one connection until it ends, in a thread of its own; `connection` has not been read from.

        Args:
            connection: the client's end.
            address: what the client asked for.
            session: the cassette.
        """
        ...
