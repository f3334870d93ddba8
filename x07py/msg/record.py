"""Message records, ``msg.rr.entry_v1`` (``X7MR``): what was published or delivered, independent of the broker."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

_U32 = struct.Struct("<I")
_HEAD = struct.Struct("<I8sIII")
MAGIC = b"X7MR\x01\0\0\0"
"""What follows the length of a record: its format and version."""
_pack, _unpack = _U32.pack, _U32.unpack_from
_MAX_I31 = 2**31
_FREE_KIND = 128


class MessageRecord(NamedTuple):
    """One publish or delivery.

    Args:
        op_tag: 1 publish, 2 deliver.
        driver_kind: number of the driver: 1 and 2 are x07py's own, those of others start at 128.
        endpoint_hash: id of the broker profile (the name is the reference's; it is not a hash).
        env: the encoded envelope; not validated, any bytes are kept.
        ack_tag: 1 or 2; every known record has 1.
        ack: what the broker answered.
    """

    op_tag: int
    driver_kind: int
    endpoint_hash: str
    env: bytes
    ack_tag: int
    ack: bytes

    def encode(self) -> bytes:
        """Return the ``X7MR`` bytes.

        Raises:
            RecordError: 9602 if a tag is none, 9601 if the encoding would have 2 GiB or more.
        """
        return self.writer(self.op_tag, self.driver_kind, self.endpoint_hash, self.ack_tag)(self.env, self.ack)

    @staticmethod
    def writer(op_tag: int, driver_kind: int, endpoint_hash: str, ack_tag: int) -> Callable[[bytes, bytes], bytes]:
        """Return a function that encodes records which differ in envelope and ack only.

        Raises:
            RecordError: 9602 if a tag is none; the function raises 9601 for 2 GiB or more.
        """
        pieces = MessageRecord.in_pieces(op_tag, driver_kind, endpoint_hash, ack_tag)
        return lambda env, ack: b"".join(pieces(env, ack))

    @staticmethod
    def in_pieces(
        op_tag: int, driver_kind: int, endpoint_hash: str, ack_tag: int
    ) -> Callable[[bytes, bytes], tuple[bytes, ...]]:
        """Return a function as that of `writer`, which leaves the pieces of a record apart and so copies nothing."""
        for name, tag in (("op_tag", op_tag), ("ack_tag", ack_tag)):
            if tag not in (1, 2):
                raise RecordError(9602, f"{name} is {tag}", hint="it is 1 or 2")
        if driver_kind not in (1, 2) and not _FREE_KIND <= driver_kind < _MAX_I31:
            raise RecordError(9602, f"driver_kind is {driver_kind}", hint="it is 1, 2, or 128 and more")
        endpoint = endpoint_hash.encode("utf-8", "surrogateescape")
        head = struct.pack("<8sIII", MAGIC, op_tag, driver_kind, len(endpoint)) + endpoint
        ack_part = _pack(ack_tag)
        fixed = len(head) + 12

        def write(env: bytes, ack: bytes) -> tuple[bytes, ...]:
            size = fixed + len(env) + len(ack)
            if size >= _MAX_I31:
                raise RecordError(9601, f"the record would have {size + 4} bytes", hint="the limit is 2 GiB")
            return _pack(size), head, _pack(len(env)), env, ack_part, _pack(len(ack)), ack

        return write

    @staticmethod
    def reader(op_tag: int, driver_kind: int, endpoint_hash: str) -> Callable[[bytes], tuple[bytes, bytes] | None]:
        """Return a function that cuts envelope and ack out of records with these fields.

        It returns None for any other record, also a malformed one; `decode` then tells what it is.
        """
        endpoint = endpoint_hash.encode("utf-8", "surrogateescape")
        head = struct.pack("<8sIII", MAGIC, op_tag, driver_kind, len(endpoint)) + endpoint
        env_at = 8 + len(head)
        least = env_at + 8

        def read(data: bytes) -> tuple[bytes, bytes] | None:
            size = len(data)
            if size < least or not data.startswith(head, 4):
                return None
            tag_at = env_at + _unpack(data, env_at - 4)[0]
            if tag_at + 8 > size or _unpack(data)[0] != size - 4 or _unpack(data, tag_at)[0] >= _MAX_I31:
                return None
            ack_at = tag_at + 8
            if _unpack(data, tag_at + 4)[0] != size - ack_at:
                return None
            return data[env_at:tag_at], data[ack_at:]

        return read

    @classmethod
    def decode(cls, data: bytes) -> MessageRecord:
        """Return the record that `data` holds; tags are not checked, as in the reference.

        Raises:
            RecordError: 9603 for broken framing, 9604 for other magic bytes or another version.
        """
        size = len(data)
        if size < 28 or _unpack(data)[0] != size - 4 or size - 4 >= _MAX_I31:
            raise _error(9603, "the length does not match", 0)
        _, magic, op_tag, driver_kind, endpoint_size = _HEAD.unpack_from(data)
        if magic != MAGIC:
            raise _error(9604, "not X7MR version 1", 4)
        try:
            env_at = 24 + endpoint_size
            tag_at = env_at + 4 + _unpack(data, env_at)[0]
            ack_at = tag_at + 4
            fits = ack_at + 4 + _unpack(data, ack_at)[0] == size
        except struct.error:
            fits = False
        ack_tag = _unpack(data, tag_at)[0] if fits else 0
        if not fits or max(op_tag, driver_kind, ack_tag) >= _MAX_I31:
            raise _error(9603, "endpoint, envelope and ack do not fill the record", 20)
        endpoint = data[24:env_at].decode("utf-8", "surrogateescape")
        return cls(op_tag, driver_kind, endpoint, data[env_at + 4 : tag_at], ack_tag, data[ack_at + 4 :])


def _error(code: int, message: str, where: int) -> RecordError:
    return RecordError(code, message, where=f"byte {where}", hint="the bytes are damaged or are no message record")
