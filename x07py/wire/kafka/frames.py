"""Frames: a length of four bytes, a header, a message. Whatever a peer sends, reading it takes bounded memory."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.wire.kafka import apis
from x07py.wire.kafka.errors import wire_error
from x07py.wire.kafka.lengths import ImpossibleCountError, read_varint
from x07py.wire.kafka.messages import build, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from x07py.wire.kafka.messages import Plain
    from x07py.wire.stand_in import Connection

MAX_FRAME = 512 * 2**20
"""The largest frame, in bytes, that is read; brokers refuse more than 100 MiB unless they are told otherwise."""
_MAX_TAGS = 1000
_READ = 2**18
_WITHIN = "the connection ended within a frame"
_LENGTH, _HEAD, _CORRELATION = struct.Struct(">i"), struct.Struct(">hhih"), struct.Struct(">i")


class Request(NamedTuple):
    """One request.

    Args:
        key: its number in `apis`.
        version: its version.
        correlation: what its answer must bear.
        client_id: what the client calls itself.
        frame: the whole request without its length.
        body_at: where its message begins.
    """

    key: int
    version: int
    correlation: int
    client_id: str
    frame: bytes
    body_at: int

    @property
    def is_newer(self) -> bool:
        """Whether it asks for versions in a version of its own that is not known; it is answered in the oldest."""
        return self.key == apis.API_VERSIONS and self.version > apis.APIS[self.key].high

    def body(self) -> Any:
        """Return the message.

        Raises:
            DriverError: 9650 if it is malformed.
        """
        return decode(apis.request_class(self.key, self.version), self.frame, self.body_at)


class Reader:
    """Reads frames from one end of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def frame(self) -> bytes | None:
        """Return the next frame without its length, or None once the peer has ended.

        Raises:
            DriverError: 9650 if its length cannot be meant.
            ConnectionResetError: the peer ended within it, as one does that is killed or has read enough.
        """
        if not self._fill(4):
            if self._buffer:
                raise ConnectionResetError(_WITHIN)
            return None
        size = _LENGTH.unpack_from(self._buffer)[0]
        if not 4 <= size <= MAX_FRAME:
            raise wire_error(f"a frame says that it has {size} bytes; this is not Kafka's protocol")
        if not self._fill(4 + size):
            raise ConnectionResetError(_WITHIN)
        frame = bytes(memoryview(self._buffer)[4 : 4 + size])
        del self._buffer[: 4 + size]
        return frame

    def _fill(self, size: int) -> bool:
        while len(self._buffer) < size:
            data = self._connection.recv(_READ)
            if not data:
                return False
            self._buffer += data
        return True


def parse_request(frame: bytes) -> Request:
    """Return the request in a frame.

    Raises:
        DriverError: 9650 if the header is malformed, or the request or its version is not implemented.
    """
    if len(frame) < _HEAD.size:
        raise wire_error(f"a request of {len(frame)} bytes, which is less than a header")
    key, version, correlation, size = _HEAD.unpack_from(frame)
    at = _HEAD.size + max(size, 0)
    if size < -1 or at > len(frame):
        raise wire_error("a request whose client id is longer than the request")
    client_id = frame[_HEAD.size : at].decode("utf-8", "replace")
    request = Request(key, version, correlation, client_id, frame, at)
    if request.is_newer:
        return request
    apis.known(key, version)
    if apis.request_class(key, version).__flexible__:
        request = request._replace(body_at=_skip_tags(frame, at))
    return request


def oldest(request: Request) -> bytes:
    """Return the frame of an ApiVersions in version 0, which has no body; brokers' answers to others vary."""
    name = request.client_id.encode()
    return _HEAD.pack(request.key, 0, request.correlation, len(name)) + name


def _skip_tags(frame: bytes, at: int) -> int:
    count, at = _varint(frame, at)
    if count > _MAX_TAGS:
        raise wire_error(f"a header that says it has {count} tagged fields")
    for _ in range(count):
        _, at = _varint(frame, at)
        size, at = _varint(frame, at)
        at += size
    if at > len(frame):
        raise wire_error("a tagged field of a header is longer than the request")
    return at


def _varint(frame: bytes, at: int) -> tuple[int, int]:
    try:
        return read_varint(frame, at)
    except (ImpossibleCountError, IndexError):
        raise wire_error("a header that ends within a number") from None


def answer(request: Request, data: Mapping[str, Plain]) -> bytes:
    """Return the frame that answers a request.

    Args:
        request: what is answered.
        data: the answer as plain data; fields that the version does not have are left out.
    """
    kind = apis.response_class(request.key, request.version)
    return framed(request, encode(build(kind, data)), flexible=kind.__flexible__)


def framed(request: Request, body: bytes, *, flexible: bool) -> bytes:
    """Return the frame of an encoded answer; only that to ApiVersions never has a flexible header."""
    header = _CORRELATION.pack(request.correlation)
    if flexible and request.key != apis.API_VERSIONS:
        header += b"\0"
    return _LENGTH.pack(len(header) + len(body)) + header + body


def response_body(request: Request, frame: bytes) -> Any:
    """Return the message in a broker's answer to `request`.

    Raises:
        DriverError: 9650 if it is malformed or answers another request.
    """
    kind = apis.response_class(request.key, request.version)
    if len(frame) < _CORRELATION.size or _CORRELATION.unpack_from(frame)[0] != request.correlation:
        raise wire_error("the broker answered another request than the one that was sent")
    at = _CORRELATION.size
    if kind.__flexible__ and request.key != apis.API_VERSIONS:
        at = _skip_tags(frame, at)
    return decode(kind, frame, at, more_may_follow=True)


def unsupported_api_versions(request: Request) -> bytes:
    """Return the answer to an ApiVersions of an unknown version: error 35 in version 0, and what is implemented."""
    keys = [{"api_key": key, "min_version": low, "max_version": high} for key, low, high in apis.advertised()]
    return answer(request._replace(version=0), {"error_code": 35, "api_keys": keys})
