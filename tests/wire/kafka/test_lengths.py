"""Counts that a message claims: held against its bytes, for every message and version that kio knows."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import struct
import typing
import uuid
from typing import Any

import pytest
from kio.index import load_request_schema, load_response_schema
from kio.schema.errors import ErrorCode

from x07py.errors import DriverError
from x07py.wire.kafka.frames import parse_request
from x07py.wire.kafka.lengths import check_counts
from x07py.wire.kafka.messages import decode, encode

FOREIGN = bytes.fromhex("0000000a007a0000000000000000aaffff02ffffffff5d00ffaaffff007a00000000000002ff")
"""A request of 38 bytes that claims a list of 195 thousand millions; found by fuzzing."""
_SAMPLES: dict[str, Any] = {
    "string": "x" * 200,
    "bytes": b"yz",
    "records": b"",
    "bool": True,
    "uuid": uuid.UUID(int=5),
    "error_code": ErrorCode.none,
    "float64": 0.5,
    "timedelta_i32": datetime.timedelta(seconds=1),
    "timedelta_i64": datetime.timedelta(seconds=1),
    "datetime_i64": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
}


def messages() -> list[type[Any]]:
    """Return the classes of all requests and responses in all versions."""
    found = []
    for load, key in itertools.product((load_request_schema, load_response_schema), range(100)):
        for version in range(30):
            try:
                found.append(load(key, version))
            except Exception:  # noqa: BLE001 - kio says in several ways that there is none
                continue
    return found


def filled(cls: Any, many: int) -> Any:
    """Return a message with `many` elements in each list; None in what may be missing if there are none."""
    return cls(**{field.name: _value(field, many) for field in dataclasses.fields(cls)})


def _value(field: dataclasses.Field[Any], many: int) -> Any:
    kind = field.type
    parts = typing.get_args(kind)
    if type(None) in parts:
        if many == 0 and field.metadata.get("tag") is None:
            return None
        kind = next(part for part in parts if part is not type(None))
    if typing.get_origin(kind) is not tuple:
        return filled(kind, many) if dataclasses.is_dataclass(kind) else _SAMPLES.get(field.metadata["kafka_type"], 7)
    inner = typing.get_args(kind)[0]
    inner = next((part for part in typing.get_args(inner) if part is not type(None)), inner)
    one = filled(inner, many) if dataclasses.is_dataclass(inner) else _SAMPLES.get(field.metadata["kafka_type"], 7)
    return (one,) * many


@pytest.mark.parametrize("many", [0, 2])
def test_each_message_ends_where_it_ends(many: int) -> None:
    known = messages()
    assert len(known) > 500
    for cls in known:
        data = encode(filled(cls, many))
        assert check_counts(cls, b"ab" + data, 2) == 2 + len(data), (cls.__module__, many)


def test_a_list_that_is_longer_than_the_message_is_refused() -> None:
    """kio's own reader would end the process here."""
    request = parse_request(FOREIGN)
    with pytest.raises(DriverError, match=r"malformed ProduceRequest: a list of \d{9,} in \d+ bytes") as refused:
        request.body()
    assert refused.value.code == 9650


def test_each_list_is_held_against_the_bytes_behind_it() -> None:
    """Wherever a count is written over with a large one, it is refused, or what is read stays as small as the bytes."""
    for cls in (load_request_schema(0, 11), load_request_schema(1, 4), load_request_schema(11, 9)):
        data = encode(filled(cls, 2))
        for at in range(len(data)):
            for large in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff\x0f"):
                changed = data[:at] + large + data[at + len(large) :]
                try:
                    decode(cls, changed)
                except DriverError as error:
                    assert error.code == 9650


def test_a_length_of_many_bytes_is_no_length() -> None:
    with pytest.raises(DriverError, match="a length of more than five bytes"):
        decode(load_request_schema(11, 9), b"\xff" * 1_000_000)


def test_what_ends_within_a_length_is_no_count() -> None:
    cls = load_request_schema(3, 8)
    with pytest.raises(struct.error):
        check_counts(cls, b"\0\0", 0)
    with pytest.raises(DriverError, match="malformed MetadataRequest"):
        decode(cls, b"\0\0")
