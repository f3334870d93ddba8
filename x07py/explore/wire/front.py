"""Where the connections of one start of the program come in, and which simulated broker takes each.

Python's sockets hand theirs over; librdkafka, which has sockets of its own, is led to a port: see
`x07py.testing.explored`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from x07py.errors import UsageError, X07Error
from x07py.explore.wire.stream import Cut, Stream, not_simulated, stream_of
from x07py.testing.explored import EXPLORED
from x07py.wire.foreign import what_came
from x07py.wire.process import tls
from x07py.wire.process.control import VARIABLE, Control
from x07py.wire.protocols import is_open, protocol_of
from x07py.wire.stand_in import Address

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any, Protocol

    class Served(Protocol):
        """One connection that a broker serves."""

        async def run(self, stream: Stream) -> None:
            """Serve it to its end."""
            ...

        def gone(self) -> None:
            """Take note that it has ended."""
            ...


_LAST_S = 2.0
_OWN_PORT = "127.0.0.1"


class Front:
    """The entrance of one start.

    Args:
        serve: returns what serves a connection of a protocol, named as in `PROTOCOLS`, at an address; None for one that
            is not simulated.
        fail: ends the history with an error.
    """

    def __init__(self, serve: Callable[[str, Address], Served | None], fail: Callable[[X07Error], None]) -> None:
        self._serve, self._fail = serve, fail
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Take connections from now on."""
        self._server = await asyncio.start_server(self._take, _OWN_PORT, 0)
        self._port = Address(_OWN_PORT, self._server.sockets[0].getsockname()[1])
        self._control = Control(self._admit, self._refuse, records=False)

    @property
    def environment(self) -> dict[str, str]:
        """What tells the program where to connect."""
        return {VARIABLE: self._control.text, EXPLORED: str(self._port)}

    def _admit(
        self, far: socket.socket, address: Address, host: str, made_by: str, broker: socket.socket | None
    ) -> None:
        """Take a connection that the program hands over; called in a thread."""
        del host, broker
        self._in_loop(self._begin, far, address, made_by)

    def _refuse(self, address: Address, made_by: str, why: str) -> None:
        """Hear of a connection that the program cannot hand over; called in a thread."""
        self._in_loop(self._fail, not_simulated(f"{made_by} connects to {address}, {why}"))

    def _in_loop(self, call: Callable[..., object], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the history is over
            raise ConnectionRefusedError from None

    def _begin(self, far: socket.socket, address: Address, made_by: str) -> None:
        self._start(self._handed_over(far, address, made_by))

    async def _handed_over(self, far: socket.socket, address: Address, made_by: str) -> None:
        far.setblocking(False)
        await self._run(await stream_of(far), address, made_by)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._start(self._run(Stream(reader, writer), self._port, "librdkafka"))

    def _start(self, coroutine: Any) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, stream: Stream, address: Address, made_by: str) -> None:
        try:
            await self._served(stream, address, made_by)
            stream.end()
        except (Cut, asyncio.CancelledError):
            stream.cut()
        except OSError:  # the program has gone
            stream.cut()
        except X07Error as error:
            stream.cut()
            self._fail(error)
        except Exception as error:  # noqa: BLE001  (nobody else would hear of it)
            stream.cut()
            self._fail(_broke(address, made_by, error))

    async def _served(self, stream: Stream, address: Address, made_by: str) -> None:
        first = await _first_bytes(stream)
        if not first:
            return
        protocol = protocol_of(first)
        served = self._serve(protocol.name, address) if protocol is not None else None
        if served is None:
            how = f"over {protocol.name}" if protocol is not None else what_came(first)
            raise not_simulated(f"{made_by} connects to {address} {how}", "leave it out of what is explored")
        try:
            await served.run(stream)
        finally:
            served.gone()

    async def drained(self) -> None:
        """Wait until all that an ended program has sent is taken."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_S)

    async def close(self) -> None:
        """Take nothing more, and lose what is open."""
        self._control.close()
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _first_bytes(stream: Stream) -> bytes:
    """Return what a client begins with, after taking off a wish for TLS; empty at the end of the connection."""
    while True:
        first = bytes(stream.buffer)
        greeting = tls.is_greeting(first)
        if greeting:
            stream.take(tls.GREETING)
            stream.send(b"\x01")
        elif (first and greeting is False and not is_open(first)) or not await stream.more():
            return first


def _broke(address: Address, made_by: str, error: Exception) -> UsageError:
    what = f"serving {made_by} at {address} failed: {type(error).__name__}: {error}"
    return UsageError("X07EXPLORE_WIRE", what, hint="this is a fault of x07py: please report it")
