"""DataModel documents."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.msg.strategies import VALUES
from tests.support.damage import changed_bytes, truncations
from x07py.errors import DataModelError
from x07py.msg import datamodel
from x07py.msg.datamodel import ErrorDocument, Number, decode, encode


def test_worked_examples() -> None:
    poll = bytes.fromhex("01 04 01000000 03 03000000 454e56")
    assert decode(poll) == [b"ENV"]
    assert encode([b"ENV"]) == poll
    envelope = bytes.fromhex(
        "01 05 04000000 07000000 68656164657273 05 02000000 01000000 61 03 01000000 31 01000000 62 03 01000000 32"
        "03000000 6b6579 03 02000000 6b31 05000000 746f706963 03 06000000 6576656e7473"
        "05000000 76616c7565 03 02000000 7631"
    )
    assert len(envelope) == 94
    value: datamodel.Value = {
        b"headers": {b"a": b"1", b"b": b"2"},
        b"key": b"k1",
        b"topic": b"events",
        b"value": b"v1",
    }
    assert decode(envelope) == value
    assert encode(value) == envelope


def test_scalars() -> None:
    for value, raw in ((None, b"\1\0"), (True, b"\1\1\1"), (Number(b"42"), b"\1\2\2\0\0\x0042")):
        assert encode(value) == raw
        assert decode(raw) == value
    assert isinstance(decode(b"\1\2\2\0\0\x0042"), Number)


def test_error_documents() -> None:
    for document in (ErrorDocument(7, b""), ErrorDocument(0, b"why")):
        assert decode(encode(document)) == document
    for document in (ErrorDocument(0, b""), ErrorDocument(7, b"why"), ErrorDocument(-1, b"")):
        with pytest.raises(DataModelError) as caught:
            encode(document)
        assert caught.value.code == 9591


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02",
        b"\1",
        b"\1\6",
        b"\1\3\xff\xff\xff\xff",
        b"\1\4\xff\xff\xff\x7f",
        b"\1\5\xff\xff\xff\x7f",
        b"\1\0\0",
        b"\1\5\2\0\0\0" + b"\1\0\0\0b\0" + b"\1\0\0\0a\0",
        b"\1" + b"\4\1\0\0\0" * 65 + b"\0",
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(DataModelError) as caught:
        decode(data)
    assert caught.value.code == 9590


def test_an_error_has_a_code_or_a_message() -> None:
    for document in (b"\0" + bytes(8), b"\0\x05\0\0\0\x01\0\0\0x"):
        with pytest.raises(DataModelError) as caught:
            decode(document)
        assert caught.value.code == 9590


def test_a_map_has_bytes_as_keys() -> None:
    with pytest.raises(DataModelError) as caught:
        encode({"a": b""})  # type: ignore[dict-item]
    assert caught.value.code == 9591


def test_what_has_no_encoding() -> None:
    deep: datamodel.Value = None
    for _ in range(66):
        deep = [deep]
    for value in (1, "text", 1.5, deep):
        with pytest.raises(DataModelError) as caught:
            encode(value)  # type: ignore[arg-type]
        assert caught.value.code == 9591


@settings(max_examples=60)
@given(VALUES)
def test_round_trip_and_damage(value: datamodel.Value) -> None:
    data = encode(value)
    assert decode(data) == value
    for damaged in truncations(data):
        with pytest.raises(DataModelError):
            decode(damaged)
    for damaged in changed_bytes(data):
        try:
            again = decode(damaged)
        except DataModelError as error:
            assert error.code == 9590
        else:
            if not isinstance(again, ErrorDocument):
                assert decode(encode(again)) == again
