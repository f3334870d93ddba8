"""Recorded messages as records of the wire, without making objects of either; `x07py.msg.plain` has the way back.

Most records have a key, a value and no or plain headers; their parts are cut out of one form and put into the other.
Whatever is not that plain takes the way through `x07py.msg`, which alone decides what is an error.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from x07py.msg import MessageRecord, to_native
from x07py.msg.envelope import MAGIC, Envelope
from x07py.wire.kafka.batches import NO_HEADERS, headers_bytes, number_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


_U32 = struct.Struct("<I")
_unpack = _U32.unpack_from
_RESERVED = b"x07-"
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


def _plain_parts(data: bytes) -> Parts | None:
    """Return the parts of a record without reserved headers; None if it has any, or is not well-formed."""
    try:
        env_at = 28 + _unpack(data, 20)[0]
        end = env_at + _unpack(data, env_at - 4)[0]
        key_at = env_at + 20 + _unpack(data, env_at + 12)[0]
        key_end = key_at + _unpack(data, key_at - 4)[0]
        value_end = key_end + 4 + _unpack(data, key_end)[0]
        block_at = value_end + 4
        if block_at + _unpack(data, value_end)[0] != end or end > len(data) or not data.startswith(MAGIC, env_at + 4):
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
