"""A TCP proxy between a client and a broker that can cut its connections, stall them, or refuse new ones."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Self


class Proxy:
    """Listens on a port of 127.0.0.1 and passes everything on to `target`, until told otherwise; a context manager."""

    def __init__(self, target: str, port: int = 0) -> None:
        self._host, _, self._to = target.rpartition(":")
        self._port = port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._left: int | None = None
        self.refusing = False
        self.connections = self.cuts = 0
        self._arrivals = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            link = writer.get_extra_info("socket")
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def cut_after(self, count: int) -> None:
        """Reset every connection when `count` more bytes have gone to the broker, be it in the middle of a message."""
        self._left = count

    def stall(self) -> None:
        """Keep the connections, and pass nothing on."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on again."""
        self._flowing.set()

    async def connected(self, count: int) -> None:
        """Return when so many connections have come since the beginning."""
        async with self._arrivals:
            await self._arrivals.wait_for(lambda: self.connections >= count)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._arrivals:
            self.connections += 1
            self._arrivals.notify_all()
        if self.refusing:
            writer.transport.abort()
            return
        with suppress(OSError):
            there, back = await asyncio.open_connection(self._host, int(self._to))
            self._writers |= {writer, back}
            for source, sink in ((reader, back), (there, writer)):
                task = asyncio.create_task(self._pass_on(source, sink, inward=sink is back))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, inward: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._flowing.wait()
                if inward and self._left is not None:
                    data, self._left = data[: self._left], self._left - len(data)
                sink.write(data)
                await sink.drain()
                if self._left is not None and self._left <= 0:
                    self._left, self.cuts = None, self.cuts + 1
                    self.cut()
        sink.close()
        self._writers.discard(sink)
