"""What Kafka carries and an envelope cannot: nothing is lost on the way there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from x07py import Envelope
from x07py.errors import EnvelopeError
from x07py.msg import from_native, to_native

Headers = list[tuple[str, bytes | None]]
HEADERS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(["a", "b", "", "é", "x07-headers", "x07-null-key"]), st.text(max_size=5)),
        st.one_of(st.none(), st.binary(max_size=8)),
    ),
    max_size=5,
)


def by_name(headers: Headers) -> dict[str, list[bytes | None]]:
    grouped: dict[str, list[bytes | None]] = {}
    for name, value in headers:
        grouped.setdefault(name, []).append(value)
    return grouped


@given(st.one_of(st.none(), st.binary(max_size=8)), st.one_of(st.none(), st.binary(max_size=8)), HEADERS)
def test_every_record_comes_back(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    envelope = Envelope.decode(from_native("t", key, value, headers).encode())
    same_key, same_value, same_headers = to_native(envelope)
    assert (same_key, same_value) == (key, value)
    assert by_name(same_headers) == by_name(headers)


def test_text_headers_are_native() -> None:
    assert to_native(Envelope("t", b"k", b"v", {"ce_id": "1"})) == (b"k", b"v", [("ce_id", b"1")])


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope("t", b"k", headers={"x07-null-key": "1"}),
        Envelope("t", b"", headers={"x07-null-key": "yes"}),
        Envelope("t", value=b"v", headers={"x07-null-value": "1"}),
        Envelope("t", headers={"x07-headers": "not json"}),
        Envelope("t", headers={"x07-headers": "[1]"}),
        Envelope("t", headers={"x07-headers": '[["a","*"]]'}),
    ],
)
def test_reserved_headers_have_one_form(envelope: Envelope) -> None:
    with pytest.raises(EnvelopeError) as caught:
        to_native(envelope)
    assert caught.value.code == 9592
    assert "'t'" in str(caught.value)
