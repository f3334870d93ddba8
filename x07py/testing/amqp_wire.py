"""The program's end of an AMQP connection: what aiormq takes for a socket, and frames instead of bytes behind it.

This is the lowest seam that aiormq documents (a transport factory), below everything that aio-pika does, so that
unmodified programs of any shape, their iterators, robust connections and error handling run as they are. Tried and
dropped: standing in for aiormq's channel, which would have meant to write its states, locks and errors a second time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from pamqp import frame as frames
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HEAD, _READ = 7, 65536
_WITH_CONTENT = (Basic.Publish, Basic.Deliver, Basic.GetOk, Basic.Return)


class Unit(NamedTuple):
    """One method with its content if it has one: channel, method (or protocol header, heartbeat), properties, body."""

    channel: int
    method: Any
    properties: Any
    body: bytes
    raw: bytes


class Assembler:
    """Makes units of bytes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._open: dict[int, list[Any]] = {}

    def feed(self, data: bytes) -> Iterator[Unit]:
        """Yield the units that are complete with `data`."""
        buffer = self._bytes
        buffer += data
        while (size := _size_of(buffer)) and len(buffer) >= size:
            raw = bytes(buffer[:size])
            del buffer[:size]
            _, channel, frame = frames.unmarshal(raw)
            unit = self._add(channel, frame, raw)
            if unit is not None:
                yield unit

    def _add(self, channel: int, frame: Any, raw: bytes) -> Unit | None:
        if isinstance(frame, _WITH_CONTENT):
            self._open[channel] = [frame, None, bytearray(), raw]
            return None
        if not isinstance(frame, ContentHeader | ContentBody):
            return Unit(channel, frame, None, b"", raw)
        begun = self._open[channel]
        begun[3] += raw
        if isinstance(frame, ContentHeader):
            begun[1] = frame
        else:
            begun[2] += frame.value
        method, header, body, everything = begun
        if len(body) < header.body_size:
            return None
        del self._open[channel]
        return Unit(channel, method, header.properties, bytes(body), everything)


def _size_of(buffer: bytearray) -> int:
    """Return the size of the frame that `buffer` begins with, 0 if that is not known yet."""
    if buffer[:4] == b"AMQP":
        return 8
    if len(buffer) < _HEAD:
        return 0
    return _HEAD + int.from_bytes(buffer[3:7], "big") + 1


class Wire:
    """Reader and writer of one connection, as aiormq uses them.

    Args:
        heard: called with each unit that the program sends.
        left: called when the program has closed its end.
    """

    def __init__(self, heard: Callable[[Unit], None], left: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.reader = asyncio.StreamReader()
        self._heard, self._left = heard, left
        self._assembler = Assembler()
        self._live: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._closed = False

    def attach(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        said: Callable[[Unit], None],
        lost: Callable[[], None],
    ) -> None:
        """Connect the wire to a broker.

        Args:
            reader: the broker's end.
            writer: the broker's end.
            said: called with each unit that the broker sends.
            lost: called when the broker is gone.
        """
        self._live = writer
        self.reader.set_transport(self)  # type: ignore[arg-type]
        self._listening = asyncio.create_task(self._listen(reader, said, lost))

    async def _listen(
        self, reader: asyncio.StreamReader, said: Callable[[Unit], None], lost: Callable[[], None]
    ) -> None:
        assembler = Assembler()
        try:
            while data := await reader.read(_READ):
                for unit in assembler.feed(data):
                    said(unit)
                await self._flowing.wait()
        except OSError as error:
            lost()
            self.reader.set_exception(error)
        else:
            lost()
            self.reader.feed_eof()

    def pause_reading(self) -> None:
        """Called by the reader when the program does not keep up: the broker then waits too."""
        self._flowing.clear()

    def resume_reading(self) -> None:
        """Called by the reader when the program has caught up."""
        self._flowing.set()

    def tell(self, data: bytes) -> None:
        """Send bytes to the program."""
        if not self.reader.at_eof() and self.reader.exception() is None:
            self.reader.feed_data(data)

    def send(self, data: bytes) -> None:
        """Send bytes to the broker."""
        if self._live is not None and not self._live.is_closing():
            self._live.write(data)

    def end(self) -> None:
        """Let the program see the end of the connection."""
        self.reader.feed_eof()

    def fail(self, error: Exception) -> None:
        """Let the program see the connection break with `error`."""
        self.reader.set_exception(error)

    @property
    def transport(self) -> Wire:
        """What aiormq aborts."""
        return self

    def abort(self) -> None:
        """Drop the connection."""
        if self._live is not None:
            self._live.transport.abort()

    def write(self, data: bytes) -> None:
        """Take what the program sends."""
        for unit in self._assembler.feed(data):
            self._heard(unit)

    async def drain(self) -> None:
        """Wait until the broker has taken what was sent."""
        if self._live is not None:
            await self._live.drain()

    def is_closing(self) -> bool:
        """Tell whether the program has closed the connection."""
        return self._closed

    def can_write_eof(self) -> bool:
        """Tell whether the broker can be told that nothing more comes."""
        return self._live is not None and self._live.can_write_eof()

    def write_eof(self) -> None:
        """Tell the broker that nothing more comes."""
        if self._live is not None:
            self._live.write_eof()

    def close(self) -> None:
        """Close the connection."""
        if not self._closed:
            self._closed = True
            self._left()
        if self._listening is not None:
            self._listening.cancel()
        if self._live is not None:
            self._live.close()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""
        if self._live is not None:
            await self._live.wait_closed()


def marshal(channel: int, *parts: Any) -> bytes:
    """Return the bytes of frames."""
    return b"".join([frames.marshal(part, channel) for part in parts])


HEARTBEAT = Heartbeat().marshal()
