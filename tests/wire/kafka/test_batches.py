"""Record batches against kafka-python's: what is written is read by both."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record import MemoryRecords

from x07py.errors import DriverError
from x07py.wire.kafka.batches import Record, read_batches, write_batch
from x07py.wire.kafka.codecs import MAX_SIZE, unpack

TIME = 1_700_000_000_000
texts = st.none() | st.binary(max_size=300)
headers = st.lists(st.tuples(st.text(max_size=9).filter(lambda t: "\0" not in t), texts), max_size=3)
records = st.lists(st.tuples(st.integers(0, 2**20), texts, texts, headers), min_size=1, max_size=20)


@given(records, st.integers(0, 2**40))
def test_what_is_written_is_read_the_same(rows: list[tuple[Any, ...]], base: int) -> None:
    batch = [Record(base + n, TIME + delta, key, value, list(head)) for n, (delta, key, value, head) in enumerate(rows)]
    (found,) = read_batches(write_batch(batch))
    assert (found.base_offset, found.last_offset, found.records) == (base, base + len(rows) - 1, batch)


@given(records)
def test_kafka_python_reads_what_is_written(rows: list[tuple[Any, ...]]) -> None:
    batch = [Record(n, TIME + delta, key, value, list(head)) for n, (delta, key, value, head) in enumerate(rows)]
    theirs = list(MemoryRecords(write_batch(batch)).next_batch())
    assert [(one.offset, one.timestamp, one.key, one.value, one.headers) for one in theirs] == [
        tuple(one) for one in batch
    ]


def test_a_batch_that_the_broker_cut_off_is_left_out() -> None:
    whole = write_batch([Record(0, TIME, b"k", b"v", [])])
    assert len(read_batches(whole + whole[:-1])) == 1


def spoiled(at: int, data: bytes) -> bytes:
    """Return a batch with `data` at a place of its head."""
    batch = bytearray(write_batch([Record(0, TIME, b"k", b"v", [])]))
    batch[at : at + len(data)] = data
    return bytes(batch)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (spoiled(16, b"\1"), "format 1"),
        (spoiled(17, b"\0\0\0\0"), "checksum"),
        (spoiled(8, struct.pack(">i", 3)), "says that it has 3 bytes"),
        (spoiled(8, struct.pack(">i", -1)), "says that it has -1 bytes"),
    ],
    ids=["old format", "checksum", "too short", "negative"],
)
def test_what_is_no_batch_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(DriverError, match=words) as failure:
        read_batches(data)
    assert failure.value.code == 9650


PACKERS: dict[int, Callable[[bytes], Any]] = {
    1: gzip.compress,
    2: cramjam.snappy.compress_raw,
    3: cramjam.lz4.compress,
    4: cramjam.zstd.compress,
}


@pytest.mark.parametrize("codec", PACKERS)
def test_a_batch_that_unpacks_to_too_much_is_refused_with_the_limit(codec: int) -> None:
    pack = PACKERS[codec]
    assert len(unpack(codec, bytes(pack(bytes(MAX_SIZE))))) == MAX_SIZE
    with pytest.raises(DriverError, match="larger than the 48 MiB that a batch may unpack to"):
        unpack(codec, bytes(pack(bytes(MAX_SIZE + 1))))
