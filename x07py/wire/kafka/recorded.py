"""Recorded messages as records of the wire, and records as they are recorded, without making objects of either.

Most records have a key, a value and no or plain headers; their parts are cut out of one form and put into the other.
Whatever is not that plain takes the way through `x07py.msg`, which alone decides what is an error.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

from x07py.msg import MessageRecord, to_native
from x07py.msg.envelope import Envelope
from x07py.wire.kafka.batches import NO_HEADERS, headers_bytes, number_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.kafka.batches import Headers

_U32 = struct.Struct("<I")
_unpack, _pack = _U32.unpack_from, _U32.pack
_EMPTY = _pack(0)
_MOST = 2**31
_RESERVED = b"x07-"
_MAGIC = b"X7ME\x01\0\0\0"
LATE = b'"late":true'
"""Stands in the metadata of a delivery that a member of a group had asked for before it got its assignment."""
AGAIN = "$again"
"""Stands in the answer to a change that a client sent again, if its broker answered otherwise then."""
Parts = tuple[bytes | None, bytes | None, bytes]
"""Key, value, and headers as they stand on the wire."""


def parts_of(record: bytes, changed: Callable[[bytes], Envelope] | None) -> Parts:
    """Return what a recorded delivery holds.

    Args:
        record: the entry's response.
        changed: makes the envelope of a record where headers may have got other values in this run; None if none has.

    Raises:
        CodecError: it holds no message.
    """
    found = _plain_parts(record) if changed is None else None
    if found is not None:
        return found
    envelope = changed(record) if changed is not None else Envelope.decode(MessageRecord.decode(record).env)
    key, value, headers = to_native(envelope)
    return key, value, headers_bytes(headers) if headers else NO_HEADERS


def request_of(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> bytes | None:
    """Return what is recorded as request of publishing a record; None where only `x07py.msg.from_native` can tell.

    Args:
        topic: where it goes.
        key: its key.
        value: its value.
        headers: its headers.
    """
    if key is None or value is None:
        return None
    block = _EMPTY if not headers else _plain_block(headers)
    if block is None:
        return None
    head = _head(topic)
    size = 12 + len(head) + len(key) + len(value) + len(block)
    parts = (_pack(size), head, _pack(len(key)), key, _pack(len(value)), value, _pack(len(block)), block)
    return b"".join(parts) if size < _MOST else None


@lru_cache(maxsize=1024)
def _head(topic: str) -> bytes:
    """Return what stands between the length of an envelope and its key."""
    name = topic.encode("utf-8", "surrogateescape")
    return _MAGIC + _pack(len(name)) + name


def _plain_block(headers: Headers) -> bytes | None:
    parts = [_pack(len(headers))]
    previous = ""
    for name, content in headers if len(headers) == 1 else sorted(headers, key=itemgetter(0)):
        if content is None or name <= previous or not name.isascii() or name.startswith("x07-"):
            return None
        if not content.isascii():
            return None
        previous = name
        parts += (_pack(len(name)), name.encode(), _pack(len(content)), content)
    return b"".join(parts)


def _plain_parts(data: bytes) -> Parts | None:
    """Return the parts of a record without reserved headers; None if it has any, or is not well-formed."""
    try:
        env_at = 28 + _unpack(data, 20)[0]
        end = env_at + _unpack(data, env_at - 4)[0]
        key_at = env_at + 20 + _unpack(data, env_at + 12)[0]
        key_end = key_at + _unpack(data, key_at - 4)[0]
        value_end = key_end + 4 + _unpack(data, key_end)[0]
        block_at = value_end + 4
        if block_at + _unpack(data, value_end)[0] != end or end > len(data) or not data.startswith(_MAGIC, env_at + 4):
            return None
        count = _unpack(data, block_at)[0]
        if not count:
            return data[key_at:key_end], data[key_end + 4 : value_end], NO_HEADERS
        if data.find(_RESERVED, block_at, end) >= 0:
            return None
        headers = [number_bytes(count)]
        at = block_at + 4
        for _ in range(2 * count):
            size = _unpack(data, at)[0]
            at += 4 + size
            if at > end:
                return None
            headers += (number_bytes(size), data[at - size : at])
    except (struct.error, MemoryError):
        return None
    return data[key_at:key_end], data[key_end + 4 : value_end], b"".join(headers)
