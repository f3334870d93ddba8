"""Records of brokers as encoded envelopes, and back, without making objects of either.

Most records have a key, a value and no or plain headers. Whatever is not that plain is None here, and takes the way
through `Envelope` and `x07py.msg.native`, which alone decide what is an error.
"""

from __future__ import annotations

import struct
from operator import itemgetter
from typing import TYPE_CHECKING

from x07py.msg.envelope import MAGIC, head_of
from x07py.msg.record import MAGIC as RECORD_MAGIC

if TYPE_CHECKING:
    from collections.abc import Sequence

_U32 = struct.Struct("<I")
_unpack, _pack = _U32.unpack_from, _U32.pack
_EMPTY = _pack(0)
_MOST = 2**31
_NO_HEADERS = _pack(4) + _EMPTY
"""A block of headers that has none, with its length."""


def request_of(
    topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
) -> bytes | None:
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
    head = head_of(topic)
    size = 12 + len(head) + len(key) + len(value) + len(block)
    parts = (_pack(size), head, _pack(len(key)), key, _pack(len(value)), value, _pack(len(block)), block)
    return b"".join(parts) if size < _MOST else None


def _plain_block(headers: Sequence[tuple[str, bytes | None]]) -> bytes | None:
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


def key_and_value(record: bytes) -> tuple[bytes, bytes] | None:
    """Return key and value of the envelope in a message record (``X7MR``); None if it has headers, or is not plain."""
    try:
        env_at = 28 + _unpack(record, 20)[0]
        end = env_at + _unpack(record, env_at - 4)[0]
        key_at = env_at + 20 + _unpack(record, env_at + 12)[0]
        key_end = key_at + _unpack(record, key_at - 4)[0]
        value_end = key_end + 4 + _unpack(record, key_end)[0]
        ends = end + 8 + _unpack(record, end + 4)[0] == len(record) == _unpack(record)[0] + 4
        fits = ends and value_end + 8 == end == env_at + 4 + _unpack(record, env_at)[0]
    except struct.error:
        return None
    if not fits or not record.startswith(_NO_HEADERS, value_end):
        return None
    if not record.startswith(RECORD_MAGIC, 4) or not record.startswith(MAGIC, env_at + 4):
        return None
    return record[key_at:key_end], record[key_end + 4 : value_end]
