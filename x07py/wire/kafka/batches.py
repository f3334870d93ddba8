"""Record batches, format 2: what producers send and consumers get.

A record crosses Python once in each direction, so both loops keep to local names and numbers of one byte.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from crc32c import crc32c

from x07py.wire.kafka.codecs import unpack
from x07py.wire.kafka.errors import wire_error

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = struct.Struct(">qiibIhiqqqhii")
_AFTER_CRC = struct.Struct(">hiqqqhii")
_PREFIX = struct.Struct(">qi")
_AFTER_CRC_AT = 21
_LEAST = _HEAD.size
_CODEC, _LOG_APPEND, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
Headers = list[tuple[str, bytes | None]]


class Record(NamedTuple):
    """One record: its offset, its time in milliseconds, key, value, and headers in order."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Batch(NamedTuple):
    """What producers send at once to a partition.

    Args:
        base_offset: offset of the first record.
        leader_epoch: epoch of the partition's leader, -1 if it is not known.
        log_append_time: whether the broker set the records' time.
        transactional: whether it belongs to a transaction.
        control: whether it holds marks of transactions instead of records.
        producer_id: number of the idempotent producer, -1 without one.
        base_sequence: the producer's number of the first record, -1 without one.
        last_offset: offset of the last record, also of one that compaction took away.
        records: what it holds; none for a control batch.
    """

    base_offset: int
    leader_epoch: int
    log_append_time: bool
    transactional: bool
    control: bool
    producer_id: int
    base_sequence: int
    last_offset: int
    records: list[Record]


def read_batches(data: bytes) -> list[Batch]:
    """Return the batches in the records of a partition; a last one that was cut off is left out, as brokers cut.

    Raises:
        DriverError: 9650 if they are malformed, of another format, or do not fit their checksum.
    """
    batches, at = [], 0
    while len(data) - at >= _PREFIX.size:
        _, length = _PREFIX.unpack_from(data, at)
        end = at + _PREFIX.size + length
        if length < 0 or (end <= len(data) and length < _LEAST - _PREFIX.size):
            raise wire_error(f"a record batch says that it has {length} bytes")
        if end > len(data):
            break
        batches.append(_read_batch(data, at, end))
        at = end
    return batches


def _read_batch(data: bytes, at: int, end: int) -> Batch:
    base, _, epoch, magic, crc, attributes, last, first_time, max_time, producer, _, sequence, count = (
        _HEAD.unpack_from(data, at)
    )
    if magic != 2:
        raise wire_error(f"records in format {magic}; only format 2, of Kafka 0.11 and later, can be recorded")
    if crc32c(memoryview(data)[at + _AFTER_CRC_AT : end]) != crc:
        raise wire_error("a record batch does not fit its checksum")
    append = bool(attributes & _LOG_APPEND)
    records: list[Record] = []
    if not attributes & _CONTROL:
        payload = unpack(attributes & _CODEC, data[at + _LEAST : end])
        if not 0 <= count <= len(payload):
            raise wire_error(f"a record batch of {len(payload)} bytes says that it has {count} records")
        try:
            records = _read_records(payload, count, base, first_time)
        except IndexError:
            raise wire_error("a record batch ends within a record") from None
        if append:
            records = [record._replace(timestamp=max_time) for record in records]
    transactional, control = bool(attributes & _TRANSACTIONAL), bool(attributes & _CONTROL)
    return Batch(base, epoch, append, transactional, control, producer, sequence, base + last, records)


def _read_records(data: bytes, count: int, base: int, first_time: int) -> list[Record]:
    records: list[Record] = []
    at, total = 0, len(data)
    varint, make = _varint, Record
    for _ in range(count):
        size = data[at]
        if size < 0x80:
            size, at = (size >> 1) ^ -(size & 1), at + 1
        else:
            size, at = varint(data, at)
        end = at + size
        if size < 0 or end > total:
            raise IndexError
        delta = data[at + 1]
        if delta < 0x80:
            delta, at = (delta >> 1) ^ -(delta & 1), at + 2
        else:
            delta, at = varint(data, at + 1)
        offset = data[at]
        if offset < 0x80:
            offset, at = (offset >> 1) ^ -(offset & 1), at + 1
        else:
            offset, at = varint(data, at)
        key, at = _bytes(data, at)
        value, at = _bytes(data, at)
        headers: Headers = _read_headers(data, at) if data[at] else []
        records.append(make(base + offset, first_time + delta, key, value, headers))
        at = end
    return records


def _read_headers(data: bytes, at: int) -> Headers:
    headers: Headers = []
    many, at = _varint(data, at)
    for _ in range(many):
        name, at = _bytes(data, at)
        content, at = _bytes(data, at)
        headers.append(((name or b"").decode("utf-8", "surrogateescape"), content))
    return headers


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, shift = byte & 0x7F, 7
    while byte >= 0x80:
        if shift > 63:
            raise IndexError
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), at + 1


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    size = data[at]
    if size < 0x80:
        size, at = (size >> 1) ^ -(size & 1), at + 1
    else:
        size, at = _varint(data, at)
    if size < 0:
        return None, at
    end = at + size
    if end > len(data):
        raise IndexError
    return data[at:end], end


def write_batch(records: Sequence[Record], *, log_append_time: bool = False) -> bytes:
    """Return one uncompressed batch, with the offsets that the records have; there must be at least one.

    Args:
        records: what it holds, in the order of their offsets.
        log_append_time: whether the time of the last is that at which the broker took the batch.
    """
    writer = BatchWriter(records[0].offset, records[0].timestamp)
    for offset, timestamp, key, value, headers in records:
        writer.add(offset, timestamp, key, value, headers_bytes(headers) if headers else NO_HEADERS)
    return writer.finish(log_append_time=log_append_time)


def skip(offset: int, end: int) -> bytes:
    """Return a batch that takes consumers past offsets of which they are shown nothing: the mark of a transaction that
    was committed, of no producer.

    Args:
        offset: the first offset.
        end: the first behind them.
    """
    writer = BatchWriter(offset, 0)
    writer.add(offset, 0, _COMMIT_MARK, _COMMIT_MARK_VALUE, NO_HEADERS)
    return writer.finish(log_append_time=False, control_until=end - 1)


class BatchWriter:
    """Makes one uncompressed batch, record by record.

    Args:
        base: the offset of the first record.
        first_time: its time.
    """

    def __init__(self, base: int, first_time: int) -> None:
        self._base, self._first_time = base, first_time
        self._last, self._last_time, self._count = base, first_time, 0
        self._parts: list[bytes] = []

    def add(self, offset: int, timestamp: int, key: bytes | None, value: bytes | None, headers: bytes) -> None:
        """Add a record; its headers stand as on the wire."""
        number, small, most = number_bytes, _SMALL, _MOST
        delta = (offset - self._base) << 1
        passed = timestamp - self._first_time
        body = b"".join(
            (
                b"\0",
                small[passed << 1] if 0 <= passed < most else number(passed),
                small[delta] if delta < 2 * most else number(delta >> 1),
                b"\1" if key is None else small[len(key) << 1] if len(key) < most else number(len(key)),
                key or b"",
                b"\1" if value is None else small[len(value) << 1] if len(value) < most else number(len(value)),
                value or b"",
                headers,
            )
        )
        self._parts += (small[len(body) << 1] if len(body) < most else number(len(body)), body)
        self._last, self._count = offset, self._count + 1
        if timestamp > self._last_time:
            self._last_time = timestamp

    def finish(self, *, log_append_time: bool, control_until: int | None = None) -> bytes:
        """Return the batch.

        Args:
            log_append_time: whether the time of the last record is that at which the broker took the batch.
            control_until: for one that holds the mark of a transaction, the last offset that it stands for.
        """
        attributes, last = (_LOG_APPEND if log_append_time else 0), self._last
        if control_until is not None:
            attributes, last = attributes | _CONTROL | _TRANSACTIONAL, control_until
        times = (self._first_time, self._last_time)
        head = _AFTER_CRC.pack(attributes, last - self._base, *times, -1, -1, -1, self._count)
        tail = head + b"".join(self._parts)
        length = len(tail) + _AFTER_CRC_AT - _PREFIX.size
        return struct.pack(">qiibI", self._base, length, -1, 2, crc32c(tail)) + tail


def headers_bytes(headers: Headers) -> bytes:
    """Return headers as they stand in a record."""
    parts = [number_bytes(len(headers))]
    for name, content in headers:
        raw = name.encode("utf-8", "surrogateescape")
        parts += (number_bytes(len(raw)), raw)
        parts += (b"\1",) if content is None else (number_bytes(len(content)), content)
    return b"".join(parts)


def number_bytes(value: int) -> bytes:
    """Return a number as records write it: of variable length, signs alternating."""
    coded = (value << 1) ^ (value >> 63)
    if coded < 2 * _MOST:
        return _SMALL[coded]
    return _long(coded)


def _long(coded: int) -> bytes:
    out = bytearray()
    while coded >= 0x80:
        out.append(coded & 0x7F | 0x80)
        coded >>= 7
    out.append(coded)
    return bytes(out)


_MOST = 1024
"""Numbers below this are looked up."""
_SMALL = tuple(_long(coded) for coded in range(2 * _MOST))
_COMMIT_MARK, _COMMIT_MARK_VALUE = struct.pack(">hh", 0, 1), struct.pack(">hi", 0, 0)
NO_HEADERS = b"\0"
"""The headers of a record that has none."""
