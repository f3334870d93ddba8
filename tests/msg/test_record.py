"""``X7MR`` records: worked examples, golden data, codes, damage."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from tests.msg.strategies import RECORDS
from tests.msg.test_envelope import HELLO
from tests.support import golden
from tests.support.damage import changed_bytes, truncations
from x07py import Envelope
from x07py.errors import RecordError
from x07py.msg import MessageRecord

ENV = bytes.fromhex(
    "31000000 58374d52 01000000 01000000 01000000 0c000000 6c6f63616c5f6465765f7631 03000000 454e56"
    "01000000 02000000 4f4b"
)


def code_of(data: bytes) -> object:
    with pytest.raises(RecordError) as caught:
        MessageRecord.decode(data)
    return caught.value.code


def test_worked_examples() -> None:
    publish = MessageRecord(1, 1, "local_dev_v1", b"ENV", 1, b"OK")
    assert publish.encode() == ENV
    assert MessageRecord.decode(ENV) == publish
    deliver = MessageRecord(2, 2, "amqp_local", HELLO, 1, b"ACK").encode()
    assert len(deliver) == 92
    assert deliver[:20] == bytes.fromhex("58000000 58374d52 01000000 02000000 02000000")
    assert MessageRecord.decode(deliver).env == HELLO


@golden.needs_golden
def test_golden() -> None:
    data = golden.read("msg_rr_entry.golden.bin")
    cases = json.loads(golden.read("msg_rr_entry_cases.json"))
    made = []
    for case in cases:
        envelope = Envelope(case["topic"], case["key"].encode(), case["value"].encode(), case["headers"])
        tags = (case["op_tag"], case["driver_kind"], case["endpoint_hash"])
        made.append(MessageRecord(*tags, envelope.encode(), case["ack_tag"], case["ack"].encode()))
    assert b"".join(record.encode() for record in made) == data
    first = made[0].encode()
    assert MessageRecord.decode(data[: len(first)]) == made[0]
    assert MessageRecord.decode(data[len(first) :]) == made[1]


@pytest.mark.parametrize("tags", [(0, 1, 1), (3, 1, 1), (1, 0, 1), (1, 3, 1), (1, 1, 0), (1, 1, 3)])
def test_tags_are_one_or_two_when_written(tags: tuple[int, int, int]) -> None:
    with pytest.raises(RecordError) as caught:
        MessageRecord(tags[0], tags[1], "p", b"", tags[2], b"").encode()
    assert caught.value.code == 9602


def test_tags_are_not_checked_when_read() -> None:
    data = ENV[:12] + b"\x09\0\0\0" + ENV[16:]
    assert MessageRecord.decode(data).op_tag == 9


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 9603),
        (ENV + b"\0", 9603),
        (ENV[:4] + b"X7MS" + ENV[8:], 9604),
        (ENV[:8] + b"\x02" + ENV[9:], 9604),
        (ENV[:20] + b"\xff\xff\xff\xff" + ENV[24:], 9603),
        (ENV[:15] + b"\x80" + ENV[16:], 9603),
        (b"\xff\xff\xff\xff" + ENV[4:], 9603),
    ],
)
def test_decode_codes(data: bytes, code: int) -> None:
    assert code_of(data) == code


def test_too_large() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 2**31

    with pytest.raises(RecordError) as caught:
        MessageRecord(1, 1, "p", Huge(), 1, b"").encode()
    assert caught.value.code == 9601


@settings(max_examples=50)
@given(RECORDS)
def test_round_trip_and_damage(record: MessageRecord) -> None:
    data = record.encode()
    assert MessageRecord.decode(data) == record
    for damaged in truncations(data):
        assert code_of(damaged) in {9603, 9604}
    for damaged in changed_bytes(data):
        try:
            value = MessageRecord.decode(damaged)
        except RecordError as error:
            assert error.code in {9603, 9604}
        else:
            if {value.op_tag, value.driver_kind, value.ack_tag} <= {1, 2}:
                assert value.encode() == damaged
