"""One connection of an explored program, in the loop of its world."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

from x07py.errors import UsageError

if TYPE_CHECKING:
    import socket

_READ = 1 << 18
_LENGTH = struct.Struct(">i")
_LARGEST_FRAME = 1 << 27


class Cut(Exception):  # noqa: N818  (what happens to the connection)
    """The connection is lost here."""


class Stream:
    """A connection whose first bytes may be looked at before they are taken.

    Args:
        reader: what comes from the program.
        writer: what goes to it.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.buffer: bytearray = bytearray()

    async def more(self) -> bool:
        """Wait for more bytes; False once the program has ended the connection."""
        data = await self._reader.read(_READ)
        self.buffer += data
        return bool(data)

    def take(self, size: int) -> bytes:
        """Return bytes that have come, which are gone from the buffer."""
        data = bytes(memoryview(self.buffer)[:size])
        del self.buffer[:size]
        return data

    async def frame(self) -> bytes | None:
        """Return what comes next behind a length of four bytes, None at the end of the connection."""
        while len(self.buffer) < _LENGTH.size:
            if not await self.more():
                return None
        size = _LENGTH.unpack_from(self.buffer)[0]
        if not 0 <= size <= _LARGEST_FRAME:
            raise Cut
        while len(self.buffer) < _LENGTH.size + size:
            if not await self.more():
                return None
        self.take(_LENGTH.size)
        return self.take(size)

    def send(self, *data: bytes | memoryview) -> None:
        """Send to the program; nobody waits for it to read."""
        self._writer.writelines(data)

    def end(self) -> None:
        """Let the program see the end, behind what was sent."""
        self._writer.close()

    def cut(self) -> None:
        """Lose the connection, and what is still on its way."""
        self._writer.transport.abort()


async def stream_of(connection: socket.socket) -> Stream:
    """Return the stream of a connected socket."""
    return Stream(*await asyncio.open_connection(sock=connection))


def not_simulated(what: str, hint: str = "") -> UsageError:
    """Return the error for something that a program does and that is not explored over the wire.

    Args:
        what: what it does, in a sentence without its end.
        hint: what helps.
    """
    return UsageError(
        "X07EXPLORE_WIRE",
        f"{what}, which is not explored over the wire",
        hint=hint or "docs/guide/explore.md says what is; a program that uses open_driver is explored in virtual time",
    )
