"""Message envelopes, ``msg.envelope_v1``: topic, key, value and headers as one canonical run of bytes (``X7ME``).

There is exactly one encoding of an envelope, so equality of envelopes is equality of bytes. Header names are non-empty
ASCII: the reference decodes an empty name that it refuses to encode; here both directions refuse it.

Speed comes from doing less. An envelope is encoded, and its size counted, when somebody asks for it, and what could not
be encoded is refused when it is made; a decoded one keeps the bytes that it came of. Most messages of a stream have the
same header names with values of the same lengths; such a block is cut up by one `struct` call that was made for its
shape (`_Shape`), and checked by comparing everything between the values with what that shape has. Whatever does not
match goes through the full check, which alone decides what is an error. A cache of whole header blocks was tried and
lost: identifiers and times make nearly every block unique.
"""

from __future__ import annotations

import hashlib
import struct
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from x07py.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_U32 = struct.Struct("<I")
_HEAD = struct.Struct("<I8sI")
_pack, _unpack = _U32.pack, _U32.unpack_from
_MAX_I31 = 2**31
MAGIC = b"X7ME\x01\0\0\0"
"""What follows the length of an envelope: its format and version."""
_EMPTY_BLOCK = b"\0\0\0\0"
_MAX_CACHED = 1024
_LARGE = 2**30
"""Key and value of fewer bytes, and a topic that is kept in mind, are no envelope that is too large."""
_LENGTHS = [_pack(size) for size in range(256)]
_K = TypeVar("_K")
_V = TypeVar("_V")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_encoded_names: dict[str, bytes] = {}
_heads: dict[str, bytes] = {}
"""By topic, what stands between the length of an encoding and its key: magic bytes, and the topic with its length."""
_decoded_topics: dict[bytes, str] = {}


class _Shape(NamedTuple):
    """A header block that was seen: how to cut it up, what stands between the values, and the names."""

    cut: struct.Struct
    between: tuple[bytes, ...]
    names: tuple[str, ...]


_shapes: dict[int, _Shape] = {}


class Envelope:
    """One message, immutable; equal to another if their bytes are equal.

    Args:
        topic: name of the topic (Kafka) or routing key (AMQP). Bytes of the wire that are not UTF-8 stand as surrogate
            escapes, so that every envelope round-trips.
        key: partition key; empty for none.
        value: the body.
        headers: ASCII names and text values.

    Raises:
        EnvelopeError: 9503 if a header is not text, 9504 for an empty or non-ASCII name, 9505 for a value that UTF-8
            cannot encode, 9506 if the encoding would have 2 GiB or more.
    """

    __slots__ = ("_block", "_encoded", "_headers", "_key", "_topic", "_value")

    def __init__(
        self, topic: str, key: bytes = b"", value: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        if type(key) is not bytes or type(value) is not bytes:
            key, value = _kept(key), _kept(value)
        self._topic = topic
        self._key = key
        self._value = value
        self._encoded = b""
        if headers:
            self._headers: Mapping[str, str] = dict(headers)
            self._block = _encode_headers(headers)
        else:
            self._headers = _NO_HEADERS
            self._block = _EMPTY_BLOCK
        if headers or topic not in _heads or len(key) + len(value) > _LARGE:
            self._refuse_too_large()

    def _refuse_too_large(self) -> None:
        size = self.size
        if size >= _MAX_I31 + 4:
            raise EnvelopeError(9506, f"the envelope would have {size} bytes", hint="the limit is 2 GiB")

    @classmethod
    def decode(cls, data: bytes) -> Envelope:
        """Return the envelope that `data` holds.

        Raises:
            EnvelopeError: 9507 for broken framing, 9508 for other magic bytes or another version, 9509 for a broken
                header block, 9504 for a header name that is empty, not ASCII or out of order, 9505 for a header value
                that is not UTF-8. The first fault in byte order decides.
        """
        size = len(data)
        try:
            length, magic, topic_size = _HEAD.unpack_from(data)
            key_at = 16 + topic_size
            value_at = key_at + 4 + _unpack(data, key_at)[0]
            block_at = value_at + 4 + _unpack(data, value_at)[0]
            block_size = _unpack(data, block_at)[0]
        except struct.error:
            raise _framing_error(data) from None
        if length != size - 4 or magic != MAGIC or block_at + 4 + block_size != size or size > _MAX_I31:
            raise _framing_error(data)
        self = cls.__new__(cls)
        empty = block_size == 4 and data.endswith(_EMPTY_BLOCK)
        self._headers = _NO_HEADERS if empty else _decode_headers(data, block_at + 4, block_size)
        topic = data[16:key_at]
        self._topic = _decoded_topics.get(topic) or _decode_topic(topic)
        self._key = data[key_at + 4 : value_at]
        self._value = data[value_at + 4 : block_at]
        self._encoded = data
        return self

    @property
    def topic(self) -> str:
        """The topic or routing key."""
        return self._topic

    @property
    def key(self) -> bytes:
        """The partition key."""
        return self._key

    @property
    def value(self) -> bytes:
        """The body."""
        return self._value

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; a read-only view."""
        return MappingProxyType(self._headers) if type(self._headers) is dict else self._headers

    @property
    def size(self) -> int:
        """Bytes of the encoding."""
        if self._encoded:
            return len(self._encoded)
        head = _heads.get(self._topic) or _encode_topic(self._topic)
        return 16 + len(head) + len(self._key) + len(self._value) + len(self._block)

    def encode(self) -> bytes:
        """Return the ``X7ME`` bytes."""
        encoded = self._encoded
        if not encoded:
            head = _heads.get(self._topic) or _encode_topic(self._topic)
            key, value, block = self._key, self._value, self._block
            self._encoded = encoded = b"".join(
                (
                    _pack(12 + len(head) + len(key) + len(value) + len(block)),
                    head,
                    _pack(len(key)),
                    key,
                    _pack(len(value)),
                    value,
                    _pack(len(block)),
                    block,
                )
            )
        return encoded

    def digest(self) -> str:
        """Return the lower-case hex SHA-256 of the encoding."""
        return hashlib.sha256(self.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.encode() == other.encode() if isinstance(other, Envelope) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.encode())

    def __repr__(self) -> str:
        return f"Envelope({self._topic!r}, key={self._key!r}, value={self._value!r}, headers={dict(self._headers)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return Envelope.decode, (self.encode(),)


class Measured(NamedTuple):
    """What a batch of envelopes amounts to."""

    size: int
    """Bytes of all encodings."""
    bound: int
    """Bytes that no encoding exceeds."""
    topics: frozenset[str]
    has_headers: bool


def measure(envelopes: Sequence[Envelope]) -> Measured:
    """Measure a batch at once; asking each envelope for each of its properties would take several times as long."""
    topics = frozenset([envelope._topic for envelope in envelopes])
    if [True for envelope in envelopes if envelope._headers is not _NO_HEADERS]:
        sizes = [envelope.size for envelope in envelopes]
        return Measured(sum(sizes), max(sizes), topics, True)
    sizes = [len(envelope._key) + len(envelope._value) for envelope in envelopes]
    frames = {topic: len(head_of(topic)) + 20 for topic in topics}
    most = max(frames.values(), default=0)
    framing = sum([frames[envelope._topic] for envelope in envelopes]) if len(frames) > 1 else len(sizes) * most
    return Measured(sum(sizes) + framing, max(sizes, default=0) + most, topics, False)


class Columns(NamedTuple):
    """A batch whose messages have one topic, keys and no headers."""

    topic: str
    values: list[bytes]
    keys: list[bytes]


def columns(envelopes: Sequence[Envelope]) -> Columns | None:
    """Return a batch as columns; None if a message has another topic than the first, headers, or no key."""
    topic = envelopes[0]._topic
    if [True for envelope in envelopes if envelope._headers is not _NO_HEADERS or envelope._topic != topic]:
        return None
    keys = [envelope._key for envelope in envelopes]
    return Columns(topic, [envelope._value for envelope in envelopes], keys) if all(keys) else None


def plain_parts(envelopes: Iterable[Envelope]) -> Iterator[tuple[str, bytes, bytes] | None]:
    """Yield topic, value and key of each envelope, in the order that clients of Kafka take them; None if it has
    headers, which may change the others."""
    for envelope in envelopes:
        yield (envelope._topic, envelope._value, envelope._key) if envelope._headers is _NO_HEADERS else None


def _kept(part: Any) -> bytes:
    """Return bytes as they are, and of a buffer that may change a copy; anything else is a TypeError."""
    return part if isinstance(part, bytes) else bytes(memoryview(part))


def _error(code: int, message: str, where: int) -> EnvelopeError:
    return EnvelopeError(code, message, where=f"byte {where}", hint="the bytes are damaged or are no envelope")


def _framing_error(data: bytes) -> EnvelopeError:
    """Return the error of an envelope whose frame is broken, in the order of the format's rules."""
    if len(data) < 12 or _unpack(data)[0] != len(data) - 4 or len(data) > _MAX_I31:
        return _error(9507, "the length does not match", 0)
    if not data.startswith(MAGIC, 4):
        return _error(9508, "not X7ME version 1", 4)
    return _error(9507, "topic, key, value and headers do not fill the envelope", 12)


def _remember(cache: dict[_K, _V], key: _K, value: _V) -> _V:
    """Keep a small thing for the next message; a full cache starts again."""
    if len(cache) >= _MAX_CACHED:
        cache.clear()
    cache[key] = value
    return value


def head_of(topic: str) -> bytes:
    """Return what stands between the length of an envelope and its key.

    Args:
        topic: the envelope's.
    """
    return _heads.get(topic) or _encode_topic(topic)


def _encode_topic(topic: str) -> bytes:
    name = topic.encode("utf-8", "surrogateescape")
    head = MAGIC + _pack(len(name)) + name
    return _remember(_heads, topic, head) if len(name) <= _MAX_CACHED else head


def _decode_topic(raw: bytes) -> str:
    topic = raw.decode("utf-8", "surrogateescape")
    return _remember(_decoded_topics, raw, topic) if len(raw) <= _MAX_CACHED else topic


def _encode_headers(headers: Mapping[str, str]) -> bytes:
    parts = [_pack(len(headers))]
    names = _encoded_names
    try:
        for name in sorted(headers):
            value = headers[name].encode()
            size = len(value)
            parts += (names.get(name) or _encode_name(name), _LENGTHS[size] if size < 256 else _pack(size), value)
    except UnicodeEncodeError:
        raise EnvelopeError(9505, f"the value of header {name!r} is not text", hint="remove lone surrogates") from None
    except (AttributeError, TypeError):
        raise EnvelopeError(9503, "header names and values must be str", hint="convert them first") from None
    return b"".join(parts)


def _encode_name(name: str) -> bytes:
    if not name or not name.isascii():
        raise EnvelopeError(9504, f"header name {name!r} is empty or not ASCII", hint="use ASCII header names")
    head = _pack(len(name)) + name.encode()
    return _remember(_encoded_names, name, head) if len(name) <= _MAX_CACHED else head


def _decode_headers(data: bytes, pos: int, block_size: int) -> dict[str, str]:
    """Return the headers of the block at `pos`, which reaches to the end of `data`."""
    shape = _shapes.get(block_size)
    if shape is not None:
        parts = shape.cut.unpack_from(data, pos)
        if parts[::2] == shape.between:
            try:
                return dict(zip(shape.names, [value.decode() for value in parts[1::2]], strict=True))
            except UnicodeDecodeError:
                return _check_headers(data, pos)
    return _check_headers(data, pos)


def _check_headers(data: bytes, pos: int) -> dict[str, str]:
    """Return the headers of a block by the rules of the format, and remember its shape."""
    first, size = pos, len(data)
    if size - pos < 4 or _unpack(data, pos)[0] > (size - pos - 4) // 8:
        raise _error(9509, "the header block is cut off", pos)
    headers: dict[str, str] = {}
    between: list[bytes] = []
    layout = ["<"]
    previous = ""
    gap = pos
    pos += 4
    for _ in range(_unpack(data, first)[0]):
        start, pos = _read_header_part(data, pos, "a header name")
        name = _check_name(data[start:pos], previous, start)
        previous = name
        start, pos = _read_header_part(data, pos, f"the value of header {name!r}")
        between.append(data[gap:start])
        layout.append(f"{start - gap}s{pos - start}s")
        gap = pos
        try:
            headers[name] = data[start:pos].decode()
        except UnicodeDecodeError:
            raise _error(9505, f"the value of header {name!r} is not UTF-8", start) from None
    if pos != size:
        raise _error(9509, "bytes are left over behind the headers", pos)
    if size - first <= _MAX_CACHED:
        shape = _Shape(struct.Struct("".join(layout)), tuple(between), tuple(headers))
        _remember(_shapes, size - first, shape)
    return headers


def _read_header_part(data: bytes, pos: int, what: str) -> tuple[int, int]:
    size = len(data)
    if size - pos < 4 or _unpack(data, pos)[0] > size - pos - 4:
        raise _error(9509, f"{what} is cut off", pos)
    return pos + 4, pos + 4 + _unpack(data, pos)[0]


def _check_name(raw: bytes, previous: str, where: int) -> str:
    if not raw or not raw.isascii():
        raise _error(9504, f"header name {raw[:64]!r} is empty or not ASCII", where)
    name = raw.decode()
    if name <= previous:
        raise _error(9504, f"header {name!r} is out of order", where)
    return name


def check_topic(envelope: Envelope, limits: Mapping[str, int]) -> None:
    """Check an envelope against a topic catalogue.

    Args:
        envelope: the message.
        limits: for each topic the most bytes that a value may have.

    Raises:
        EnvelopeError: 9501 if the topic is not listed, 9502 if the value is larger than its limit.
    """
    limit = limits.get(envelope.topic)
    if limit is None:
        raise EnvelopeError(
            9501,
            f"topic {envelope.topic!r} is not in the catalogue",
            hint=f"list it in arch/msg/index.x07msg.json; there are: {', '.join(sorted(limits)[:10])}",
        )
    if len(envelope.value) > limit:
        raise EnvelopeError(
            9502,
            f"the value has {len(envelope.value)} bytes, topic {envelope.topic!r} allows {limit}",
            hint="make it smaller, or raise max_value_bytes of the topic",
        )
