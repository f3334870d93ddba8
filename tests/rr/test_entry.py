"""Entry documents: order of the rules, limits, damage, and the quick path agreeing with the full one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rr.builders import OP, entry, framed
from tests.support import golden
from tests.support.damage import changed_bytes, truncations
from x07py.errors import CassetteError
from x07py.msg import MessageRecord, datamodel
from x07py.rr import Cassette, Entry, EntryTemplate, Row
from x07py.rr.entry import UNLIMITED, EntryLimits, scan_entry
from x07py.rr.index import Index

TEXT = st.binary(max_size=10).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ENTRIES = st.builds(
    Entry,
    kind=TEXT,
    op=TEXT,
    key=TEXT,
    req=st.binary(max_size=30),
    resp=st.binary(max_size=30),
    err=st.integers(-(2**31), 2**32 - 1),
    latency_ticks=st.integers(0, 2**32 - 1),
    meta=TEXT,
    scope=TEXT,
    req_sha256=TEXT,
    extra=st.dictionaries(st.sampled_from(["seq", "v", "zzz", "a"]), st.just(b"\x02\x01\0\0\x007"), max_size=2),
)
WORKED = bytes.fromhex("01 05 06000000 03000000 657272 02 01000000 30 03000000 6b6579 03 0c000000") + (
    b"local_dev_v1\x04\0\0\0kind\x03\x02\0\0\0rr\x02\0\0\0op\x03\x1c\0\0\0std.msg.kafka.publish_env_v1"
    b"\x03\0\0\0req\x03\x03\0\0\0ENV\x04\0\0\0resp\x03\x35\0\0\0"
    + MessageRecord(1, 1, "local_dev_v1", b"ENV", 1, b"OK").encode()
)


def code_of(payload: bytes, limits: EntryLimits = UNLIMITED) -> object:
    with pytest.raises(CassetteError) as caught:
        scan_entry(payload, 0, len(payload), limits)
    return caught.value.code


def document(**changes: object) -> bytes:
    """Return an entry document with fields replaced, or left out where the change is None."""
    fields: dict[bytes, object] = {
        b"err": datamodel.Number(b"0"),
        b"key": b"k",
        b"kind": b"rr",
        b"op": b"o",
        b"req": b"q",
        b"resp": b"p",
    }
    fields.update({name.encode(): value for name, value in changes.items()})
    return datamodel.encode({name: value for name, value in fields.items() if value is not None})  # type: ignore[misc]


def test_worked_example() -> None:
    assert len(WORKED) == 178
    one = Entry.decode(WORKED)
    assert (one.kind, one.op, one.key, one.req, one.err) == ("rr", OP, "local_dev_v1", b"ENV", 0)
    assert one.encode() == WORKED


@golden.needs_golden
@pytest.mark.parametrize("name", ["kafka_publish_poll_v1.x07rr.bin", "amqp_pub_consume_v1.x07rr.bin"])
def test_golden(name: str) -> None:
    data = golden.read(name)
    cassette = Cassette.load(data)
    assert len(cassette) == 2
    assert cassette.to_bytes() == data
    assert Cassette.from_entries(cassette.entries).to_bytes() == data
    assert [MessageRecord.decode(one.resp).op_tag for one in cassette.entries] == [1, 2]


@given(ENTRIES)
def test_round_trip(one: Entry) -> None:
    payload = one.encode()
    again = Entry.decode(payload)
    assert again == one
    value = datamodel.decode(payload)
    assert isinstance(value, dict)
    assert value[b"req"] == one.req


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\1\4\0\0\0\0",
        b"\0\0\0\0\0\0",
        document()[:-1],
        document() + b"\0",
        document(err=None),
        document(resp=None),
        document(err=b"0"),
        document(key=datamodel.Number(b"1")),
        document(latency_ticks=b"1"),
        document(latency_ticks=datamodel.Number(b"")),
        document(latency_ticks=datamodel.Number(b"-1")),
        document(latency_ticks=datamodel.Number(b"4294967296")),
        b"\1\5\xff\xff\xff\x7f" + document()[6:],
        document()[:6] + document()[6:].replace(b"\3\0\0\0key", b"\3\0\0\0kez"),
    ],
)
def test_malformed(payload: bytes) -> None:
    assert code_of(payload) == 2008


def test_limits_count_when_the_field_is_met() -> None:
    limits = EntryLimits(req=4, resp=4, key=4)
    assert code_of(document(req=b"x" * 5), limits) == 2005
    assert code_of(document(resp=b"x" * 5), limits) == 2006
    assert code_of(document(key=b"x" * 5), limits) == 2007
    assert code_of(document(key=b"x" * 5, op=None), limits) == 2007
    scan_entry(document(key=b"x" * 4, req=b"x" * 4, resp=b"x" * 4), 0, len(document()) + 9, limits)


def test_nesting() -> None:
    for levels, fits in ((64, True), (65, False)):
        nested: datamodel.Value = b"x"
        for _ in range(levels):
            nested = [nested]
        raw = b"\x03\0\0\0zzz" + _encoded(nested)
        payload = bytearray(document())
        payload[2] += 1
        if fits:
            scan_entry(bytes(payload) + raw, 0, len(payload) + len(raw), UNLIMITED)
        else:
            assert code_of(bytes(payload) + raw) == 2008


def _encoded(value: datamodel.Value) -> bytes:
    if isinstance(value, list):
        return b"\4" + struct.pack("<I", len(value)) + b"".join(map(_encoded, value))
    assert isinstance(value, bytes)
    return b"\3" + struct.pack("<I", len(value)) + value


def test_an_err_that_is_no_number() -> None:
    for text in (b"", b"x", b"-", b"99999999999", b"1 "):
        with pytest.raises(CassetteError) as caught:
            Entry.decode(document(err=datamodel.Number(text)))
        assert caught.value.code == 2008


def test_an_entry_that_ends_early_inside_its_frame() -> None:
    whole = framed(entry(0, scope="s", meta="{}", req_sha256="0" * 64))
    payload = entry(1, scope="s", meta="{}", req_sha256="0" * 64).encode()
    for size in range(len(payload)):
        with pytest.raises(CassetteError) as caught:
            Cassette.load(whole + struct.pack("<I", size) + payload[:size])
        assert caught.value.code == 2008


@settings(max_examples=12)
@given(st.lists(ENTRIES, min_size=1, max_size=2))
def test_damage_of_a_cassette(entries: list[Entry]) -> None:
    data = framed(*entries)
    starts = {0}
    for one in entries:
        starts.add(max(starts) + 4 + len(one.encode()))
    for damaged in truncations(data):
        if len(damaged) in starts:
            assert len(Cassette.load(damaged)) < len(entries)
        else:
            with pytest.raises(CassetteError) as caught:
                Cassette.load(damaged)
            assert caught.value.code == 2014
    for damaged in changed_bytes(data):
        try:
            cassette = Cassette.load(damaged)
        except CassetteError as error:
            assert error.code in {2008, 2014}
        else:
            assert cassette.to_bytes() == damaged
            for number in range(len(cassette)):
                try:
                    assert cassette.entries[number].encode()
                except CassetteError as error:
                    assert error.code == 2008


ROWS = st.lists(
    st.builds(
        Row,
        st.binary(max_size=20),
        st.binary(max_size=20) | st.tuples(st.binary(max_size=20), st.binary(max_size=20)),
        st.sampled_from([b"", b'{"partition":0}']),
        st.sampled_from([0, 0, 2009]),
        st.sampled_from([0, 0, 15]),
    ),
    min_size=1,
    max_size=8,
)


@given(ROWS, st.sampled_from(["", "topic"]))
def test_the_template_writes_what_an_entry_encodes(rows: list[Row], scope: str) -> None:
    from hashlib import sha256

    template = EntryTemplate("rr", OP, "p", scope)
    frames = b"".join(template.frames(rows, UNLIMITED))
    whole = [r.resp if isinstance(r.resp, bytes) else b"".join(r.resp) for r in rows]
    expected = [
        Entry("rr", OP, "p", r.req, resp, r.err, r.ticks, r.meta.decode(), scope, sha256(r.req).hexdigest())
        for r, resp in zip(rows, whole, strict=True)
    ]
    assert frames == framed(*expected)


@given(ROWS, st.integers(0, 10**6))
def test_the_quick_path_sees_what_the_full_one_sees(rows: list[Row], place: int) -> None:
    template = EntryTemplate("rr", OP, "p", "t")
    data = bytearray(b"".join(template.frames([*rows, *rows], UNLIMITED)))
    data[place % len(data)] ^= 1 + place % 255

    def read(full: bool) -> object:
        class Slow(Index):
            def _read_common(self, start: int, end: int) -> bool:  # noqa: ARG002
                return False

        try:
            index = (Slow if full else Index)(bytes(data), max_entries=100, limits=EntryLimits(15, 15, 15))
        except CassetteError as error:
            return error.code, error.where
        entries = [decoded(index, number) for number in range(len(index))]
        return index.positions, index.buckets, index.bucket_of, index.errors, index.ticks, entries

    def decoded(index: Index, number: int) -> object:
        try:
            return index.entry(number)
        except CassetteError as error:
            return error.code

    assert read(full=False) == read(full=True)


def test_digest() -> None:
    entry(req_sha256="").check_digest(0)
    with pytest.raises(CassetteError) as caught:
        entry(req_sha256="0" * 64).check_digest(3)
    assert caught.value.code == 2062
    assert "entry 3" in str(caught.value)
