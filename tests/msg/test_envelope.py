"""``X7ME`` envelopes: the worked examples of the format, error codes, damage, and caches that must not lie."""

from __future__ import annotations

import json
import pickle
import struct
import tracemalloc

import pytest
from hypothesis import given, settings

from tests.msg.strategies import ENVELOPES
from tests.support import golden
from tests.support.damage import changed_bytes, truncations
from x07py import Envelope
from x07py.errors import EnvelopeError
from x07py.msg import check_topic, columns, measure
from x07py.msg import envelope as envelope_module

EVENTS = bytes.fromhex(
    "3a000000 58374d45 01000000 06000000 6576656e7473 02000000 6b31 02000000 7631 18000000"
    "02000000 01000000 61 01000000 31 01000000 62 01000000 32"
)
HELLO = bytes.fromhex("27000000 58374d45 01000000 06000000 6576656e7473 00000000 05000000 68656c6c6f 04000000 00000000")


def block(*pairs: tuple[bytes, bytes], count: int | None = None) -> bytes:
    parts = [struct.pack("<I", len(pairs) if count is None else count)]
    for pair in pairs:
        for part in pair:
            parts += [struct.pack("<I", len(part)), part]
    return b"".join(parts)


def framed(headers: bytes, magic: bytes = b"X7ME", version: int = 1) -> bytes:
    fields = [b"events", b"k", b"v", headers]
    body = magic + struct.pack("<I", version) + b"".join(struct.pack("<I", len(f)) + f for f in fields)
    return struct.pack("<I", len(body)) + body


def code_of(data: bytes) -> object:
    with pytest.raises(EnvelopeError) as caught:
        Envelope.decode(data)
    assert caught.value.hint
    return caught.value.code


def test_worked_examples() -> None:
    first = Envelope("events", b"k1", b"v1", {"b": "2", "a": "1"})
    assert first.encode() == EVENTS
    assert len(EVENTS) == 62
    assert Envelope("events", value=b"hello").encode() == HELLO
    assert len(HELLO) == 43
    decoded = Envelope.decode(EVENTS)
    assert decoded == first
    assert (decoded.topic, decoded.key, decoded.value) == ("events", b"k1", b"v1")
    assert dict(decoded.headers) == {"a": "1", "b": "2"}
    assert dict(Envelope.decode(HELLO).headers) == {}


@golden.needs_golden
def test_golden() -> None:
    data = golden.read("envelope.golden.bin")
    cases = json.loads(golden.read("envelope_cases.json"))
    made = [Envelope(case["topic"], case["key"].encode(), case["value"].encode(), case["headers"]) for case in cases]
    assert b"".join(envelope.encode() for envelope in made) == data
    pos = 0
    for envelope in made:
        end = pos + 4 + int.from_bytes(data[pos : pos + 4], "little")
        assert Envelope.decode(data[pos:end]) == envelope
        pos = end
    assert pos == len(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 9507),
        (b"\0\0\0", 9507),
        (EVENTS + b"\0", 9507),
        (b"\xff\xff\xff\xff" + EVENTS[4:], 9507),
        (framed(block(), magic=b"X7MF"), 9508),
        (framed(block(), version=2), 9508),
        (EVENTS[:12] + b"\xff\xff\xff\x7f" + EVENTS[16:], 9507),
        (framed(b""), 9509),
        (framed(block((b"a", b"1")) + b"x"), 9509),
        (framed(block((b"a", b"1"), count=2)), 9509),
        (framed(block(count=0x7FFFFFFF)), 9509),
        (framed(block(count=0xFFFFFFFF)), 9509),
        (framed(block((b"", b"1"))), 9504),
        (framed(block((b"\x80", b"1"))), 9504),
        (framed(block((b"b", b"1"), (b"a", b"2"))), 9504),
        (framed(block((b"a", b"1"), (b"a", b"2"))), 9504),
        (framed(block((b"a", b"\xff"))), 9505),
        (framed(block((b"a", b"\xed\xa0\x80"))), 9505),
        (framed(block((b"a", b"\xc0\xaf"))), 9505),
    ],
)
def test_decode_codes(data: bytes, code: int) -> None:
    assert code_of(data) == code


def test_the_first_fault_in_byte_order_decides() -> None:
    assert code_of(framed(block((b"a", b"\xff"), (b"\x80", b"1")))) == 9505
    assert code_of(framed(block((b"\x80", b"1"), (b"a", b"\xff")))) == 9504


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"": "1"}, 9504),
        ({"é": "1"}, 9504),
        ({"a": "\ud800"}, 9505),
        ({"a": 1}, 9503),
        ({1: "a"}, 9503),
        ({"a": b"1"}, 9503),
    ],
)
def test_encode_codes(headers: dict[str, str], code: int) -> None:
    with pytest.raises(EnvelopeError) as caught:
        Envelope("events", headers=headers)
    assert caught.value.code == code


def test_too_large() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 2**31

    with pytest.raises(EnvelopeError) as caught:
        Envelope("events", value=Huge())
    assert caught.value.code == 9506


def test_topic_catalogue() -> None:
    limits = {"events": 2}
    check_topic(Envelope("events", value=b"vv"), limits)
    for envelope, code in ((Envelope("others"), 9501), (Envelope("events", value=b"vvv"), 9502)):
        with pytest.raises(EnvelopeError) as caught:
            check_topic(envelope, limits)
        assert caught.value.code == code


@given(ENVELOPES)
def test_round_trip(envelope: Envelope) -> None:
    data = envelope.encode()
    again = Envelope.decode(data)
    assert again == envelope
    assert hash(again) == hash(envelope)
    assert (again.topic, again.key, again.value) == (envelope.topic, envelope.key, envelope.value)
    assert dict(again.headers) == dict(envelope.headers)
    rebuilt = Envelope(again.topic, again.key, again.value, again.headers)
    assert rebuilt.encode() == data
    assert pickle.loads(pickle.dumps(envelope)) == envelope


@settings(max_examples=25)
@given(ENVELOPES)
def test_damage_is_a_value_or_a_code(envelope: Envelope) -> None:
    data = envelope.encode()
    for damaged in truncations(data):
        assert code_of(damaged) in {9507, 9508, 9509}
    for damaged in changed_bytes(data):
        try:
            value = Envelope.decode(damaged)
        except EnvelopeError as error:
            assert error.code in {9504, 9505, 9507, 9508, 9509}
        else:
            assert Envelope(value.topic, value.key, value.value, value.headers).encode() == damaged


def test_a_shape_that_was_seen_hides_no_fault() -> None:
    good = framed(block((b"ce_id", b"12345"), (b"x", b"ab")))
    Envelope.decode(good)
    for damaged in changed_bytes(good):
        try:
            cached: object = dict(Envelope.decode(damaged).headers)
        except EnvelopeError as error:
            cached = error.code
        envelope_module._shapes.clear()
        try:
            fresh: object = dict(Envelope.decode(damaged).headers)
        except EnvelopeError as error:
            fresh = error.code
        assert cached == fresh
        Envelope.decode(good)


def test_a_hostile_count_takes_no_memory() -> None:
    data = framed(block((b"a", b"1"), count=0x7FFFFFF0))
    tracemalloc.start()
    assert code_of(data) == 9509
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_an_envelope_cannot_be_changed() -> None:
    envelope = Envelope("t", headers={"a": "1"})
    for name in ("topic", "key", "value", "headers", "other"):
        with pytest.raises(AttributeError):
            setattr(envelope, name, b"x")
    with pytest.raises(TypeError):
        envelope.headers["a"] = "2"  # type: ignore[index]


def test_the_topic_keeps_foreign_bytes() -> None:
    data = Envelope(b"\xff\x00t".decode("utf-8", "surrogateescape")).encode()
    assert b"\xff\x00t" in data
    assert Envelope.decode(data).encode() == data


def test_a_batch_measured_at_once_is_what_its_envelopes_are() -> None:
    plain = [Envelope("a", b"k", b"v" * 9), Envelope("a", b"", b"v"), Envelope("ä" * 1030, b"key", b"")]
    headed = [*plain, Envelope("a", headers={"name": "text"})]
    for batch in ([], plain[:1], plain[:2], plain, headed):
        found, sizes = measure(batch), [one.size for one in batch]
        assert found.size == sum(sizes) == sum(len(one.encode()) for one in batch)
        assert found.bound >= max(sizes, default=0)
        assert (set(found.topics), found.has_headers) == ({one.topic for one in batch}, batch is headed)


def test_a_batch_is_columns_if_its_messages_differ_in_key_and_value_alone() -> None:
    first = Envelope("a", b"k", b"v")
    assert columns([first, Envelope("a", b"l", b"")]) == ("a", [b"v", b""], [b"k", b"l"])
    for other in (Envelope("b", b"k"), Envelope("a", b""), Envelope("a", b"k", headers={"name": "text"})):
        assert columns([first, other]) is None
