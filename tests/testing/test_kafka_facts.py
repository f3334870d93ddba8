"""What a broker said of a message: the short way says and reads what the long way does, or leaves it to that."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from x07py.drivers.base import canonical_json
from x07py.errors import CassetteError, CodecError
from x07py.msg import Envelope, MessageRecord, from_native, to_native
from x07py.msg.plain import key_and_value, request_of
from x07py.testing.kafka_facts import facts_of, told_of
from x07py.testing.kafka_values import meta_of

NUMBERS = st.integers(0, 2**40)


def a_message(given: dict[str, Any]) -> Message:
    return Message(**{name: value for name, value in given.items() if value is not None})


MESSAGES = st.fixed_dictionaries(
    {
        "topic": st.text(min_size=1, max_size=9).filter(lambda one: "\0" not in one),
        "partition": st.integers(-1, 2**20),
        "offset": st.integers(-1001, 2**40),
        "timestamp": st.tuples(st.integers(0, 2), NUMBERS),
        "leader_epoch": st.none() | st.integers(0, 2**20),
        "latency": st.none() | st.floats(0, 1e6),
    }
).map(a_message)


@given(MESSAGES, st.none() | st.integers(0, 2**20))
def test_it_is_written_as_canonical_json_of_the_same(message: Message, report: int | None) -> None:
    whole = {**meta_of(message), **({} if report is None else {"report": report})}
    assert told_of(message, report) == canonical_json(whole)


@given(MESSAGES, st.none() | st.integers(0, 2**20), st.binary(max_size=9), st.binary(max_size=9))
def test_what_is_read_makes_the_same_message(message: Message, report: int | None, key: bytes, value: bytes) -> None:
    found = facts_of(told_of(message, report))
    if found is None:
        return
    again = found.message(key, value)
    assert found.report == report
    assert (again.key(), again.value(), again.headers(), again.error()) == (key, value, None, None)
    assert meta_of(again) == meta_of(message)


def test_most_messages_are_read_so() -> None:
    message = Message(topic="a", partition=1, offset=2, timestamp=(1, 3), leader_epoch=0)
    assert facts_of(told_of(message)) is not None
    assert facts_of(told_of(message, 4)) is not None
    assert facts_of(b'{"batch":7,' + told_of(message)[1:]) is not None


@pytest.mark.parametrize("latency", [b"1.2.3", b"e", b"--1", b"1e+"])
def test_a_number_that_is_none_is_refused(latency: bytes) -> None:
    rest = b'"offset":1,"partition":0,"report":0,"timestamp":1,"timestamp_type":1,"topic":"a"}'
    with pytest.raises(CassetteError) as caught:
        facts_of(b'{"latency":%b,' % latency + rest)
    assert caught.value.code == 2072


PARTS = st.none() | st.binary(max_size=30)
HEADERS = st.lists(st.tuples(st.sampled_from(["a", "b", "x07-c", "é"]), st.none() | st.binary(max_size=4)), max_size=3)


@given(st.text(max_size=9), PARTS, PARTS, HEADERS)
def test_a_plain_record_is_encoded_as_its_envelope(
    topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    short = request_of(topic, key, value, headers)
    if short is not None:
        assert short == from_native(topic, key, value, headers).encode()


@given(st.binary(max_size=30), st.binary(max_size=30), st.data())
def test_key_and_value_are_cut_out_of_whole_records_only(key: bytes, value: bytes, data: st.DataObject) -> None:
    whole = MessageRecord.writer(2, 1, "confluent-kafka", 1)(Envelope("a", key, value).encode(), b"ACK")
    assert key_and_value(whole) == (key, value)
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    for one in (damaged, whole[:at], whole + b"\0"):
        found = key_and_value(one)
        if found is not None:
            assert found == to_native(Envelope.decode(MessageRecord.decode(one).env))[:2]
    with pytest.raises(CodecError):
        MessageRecord.decode(whole[:at])
