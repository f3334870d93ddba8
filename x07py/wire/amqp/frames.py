"""AMQP bytes as frames, and back; a method that carries a message comes with the whole of it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from pamqp import frame as frames
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from x07py.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIX = b"AMQP"
HEARTBEAT = Heartbeat().marshal()
_HEAD, _END, _END_OCTET, _HELLO = 7, 1, 0xCE, 8
_BODY = 3
_KINDS = frozenset((1, 2, _BODY, 8))
_ENDS = bytes((_END_OCTET,))
_BODY_HEAD, _CHANNEL_SIZE = struct.Struct(">BHI"), struct.Struct(">HI")
_LARGEST_FRAME = 2**27
_LARGEST_MESSAGE = 2**30
_WITH_CONTENT = (Basic.Publish, Basic.Deliver, Basic.GetOk, Basic.Return)
_UNREADABLE = (PAMQPException, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, struct.error)


Piece = bytes | memoryview


class Frame(NamedTuple):
    """One method with its message if it has one: channel, method (or protocol header, heartbeat), properties, body.

    ``raw`` is what came of it, in pieces, without those that were passed on ahead.
    """

    channel: int
    method: Any
    properties: Any
    body: bytes
    raw: tuple[Piece, ...]


class _Message:
    """A message whose frames have not all come."""

    __slots__ = ("body", "channel", "header", "left", "method", "raw")

    def __init__(self, channel: int, method: Any, raw: bytes) -> None:
        self.channel, self.method = channel, method
        self.raw: list[Piece] = [raw]
        self.header: ContentHeader | None = None
        self.body: list[memoryview] = []
        self.left = 0


class Decoder:
    """Makes frames of bytes; bodies are copied once, when they are whole, however large they are.

    Args:
        ahead: takes what has come of a message before the message is whole, all but its last piece; None keeps it.
    """

    def __init__(self, ahead: Callable[..., None] | None = None) -> None:
        self._ahead = ahead
        self._rest = b""
        self._open: dict[int, _Message] = {}
        self._into: _Message | None = None
        self._left = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete with `data`.

        Raises:
            ProtocolError: 9642 for bytes that are no frame of AMQP 0-9-1.
        """
        if self._rest:
            data = self._rest + data
        view, at, end = memoryview(data), 0, len(data)
        while at < end:
            if self._into is not None:
                piece = view[at : at + self._left]
                at += len(piece)
                frame = self._go_on(self._into, piece)
            else:
                size = _size(data, at)
                if not size or size > end - at:
                    break
                frame = self._read(data[at : at + size])
                at += size
            if frame is not None:
                yield frame
        self._rest = data[at:]

    def _read(self, raw: bytes) -> Frame | None:
        """Take a frame, or the head of a body's."""
        if raw[0] == _BODY:
            self._begin(raw)
            return None
        if not raw.startswith(PREFIX) and raw[-1] != _END_OCTET:
            raise _no_frame("a frame without its end")
        try:
            _, channel, frame = frames.unmarshal(raw)
        except _UNREADABLE as error:
            raise _no_frame(f"a frame that cannot be read ({error})") from None
        if isinstance(frame, _WITH_CONTENT):
            self._open[channel] = _Message(channel, frame, raw)
            return None
        if isinstance(frame, ContentHeader):
            return self._head(channel, frame, raw)
        return Frame(channel, frame, None, b"", (raw,))

    def _head(self, channel: int, header: ContentHeader, raw: bytes) -> Frame | None:
        message = self._open.get(channel)
        if message is None or message.header is not None:
            raise _no_frame("content that belongs to no method")
        if header.body_size > _LARGEST_MESSAGE:
            raise _no_frame(f"a message of more than {_LARGEST_MESSAGE:,} bytes")
        message.header, message.left = header, header.body_size
        message.raw.append(raw)
        return self._whole(message, header)

    def _begin(self, raw: bytes) -> None:
        channel, size = _CHANNEL_SIZE.unpack_from(raw, 1)
        message = self._open.get(channel)
        if message is None or message.header is None:
            raise _no_frame("content that belongs to no method")
        if size > message.left:
            raise _no_frame("more content than its header says")
        message.raw.append(raw)
        self._into, self._left = message, size + _END

    def _go_on(self, message: _Message, piece: memoryview) -> Frame | None:
        """Take more of a body's frame."""
        self._left -= len(piece)
        message.raw.append(piece)
        if not self._left:
            self._into = None
            if piece[-1] != _END_OCTET:
                raise _no_frame("a frame without its end")
            piece = piece[:-1]
        message.body.append(piece)
        message.left -= len(piece)
        frame = self._whole(message, message.header) if self._into is None else None
        if frame is None and self._ahead is not None:
            self._ahead(*message.raw)
            message.raw.clear()
        return frame

    def _whole(self, message: _Message, header: Any) -> Frame | None:
        if message.left:
            return None
        del self._open[message.channel]
        body = b"".join(message.body)
        return Frame(message.channel, message.method, header.properties, body, tuple(message.raw))


def _size(data: bytes, at: int) -> int:
    """Return the size of the frame at a place (of a body's, of its head), 0 if that is not known yet."""
    if data.startswith(PREFIX, at):
        return _HELLO
    if len(data) - at < _HEAD:
        return 0
    if data[at] not in _KINDS:
        raise _no_frame(f"a frame of the unknown type {data[at]}")
    size: int = _HEAD + _CHANNEL_SIZE.unpack_from(data, at + 1)[1] + _END
    if size > _LARGEST_FRAME:
        raise _no_frame(f"a frame of {size:,} bytes where {_LARGEST_FRAME:,} are allowed")
    return _HEAD if data[at] == _BODY else size


def _no_frame(what: str) -> ProtocolError:
    return ProtocolError(
        9642,
        f"the connection holds {what}, which is no AMQP 0-9-1",
        hint="name the address in passthrough if it is no RabbitMQ",
    )


def marshal(channel: int, *parts: Any) -> list[Piece]:
    """Return the bytes of frames in pieces; a memoryview stands for a frame of a body."""
    pieces: list[Piece] = []
    for part in parts:
        if isinstance(part, memoryview):
            pieces += (_BODY_HEAD.pack(_BODY, channel, len(part)), part, _ENDS)
        else:
            pieces.append(frames.marshal(part, channel))
    return pieces
