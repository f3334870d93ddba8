"""The CloudEvents mapping, checked against the CloudEvents SDK in both directions."""

from __future__ import annotations

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as SdkEvent
from hypothesis import given
from hypothesis import strategies as st

from x07py.errors import EnvelopeError
from x07py.msg import CloudEvent

FULL = CloudEvent(
    id="e-1",
    source="/orders",
    type="com.example.order",
    subject="o/7",
    time="2026-01-02T03:04:05Z",
    dataschema="https://example.com/schema",
    datacontenttype="application/json",
    extensions={"traceparent": "00-1", "partitionkey": "k"},
)


def test_the_sdk_reads_our_headers() -> None:
    headers = {name: value.encode() for name, value in FULL.to_headers().items()}
    event = from_binary(KafkaMessage(headers=headers, key=b"k", value=b"{}"), JSONFormat(), SdkEvent)
    assert event.get_id() == "e-1"
    assert event.get_source() == "/orders"
    assert event.get_type() == "com.example.order"
    assert event.get_subject() == "o/7"
    moment = event.get_time()
    assert moment is not None
    assert moment.isoformat() == "2026-01-02T03:04:05+00:00"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_extension("traceparent") == "00-1"


def test_we_read_the_headers_of_the_sdk() -> None:
    names = ("id", "source", "type", "specversion", "subject", "dataschema", "datacontenttype")
    attributes = {name: getattr(FULL, name) for name in names} | {"traceparent": "00-1", "partitionkey": "k"}
    message = to_binary(SdkEvent(attributes, {}), JSONFormat())
    context = CloudEvent.from_headers({name: value.decode() for name, value in message.headers.items()})
    assert {name: getattr(context, name) for name in names} == {name: getattr(FULL, name) for name in names}
    assert context.extensions["traceparent"] == "00-1"


TEXT = st.text(max_size=10)
SOME = st.text(min_size=1, max_size=10)
EXTENSIONS = st.dictionaries(st.from_regex(r"ext[a-z0-9]{1,8}", fullmatch=True), TEXT, max_size=3)


@given(st.builds(CloudEvent, SOME, SOME, SOME, SOME, subject=TEXT, datacontenttype=TEXT, extensions=EXTENSIONS))
def test_round_trip(event: CloudEvent) -> None:
    assert CloudEvent.from_headers({**event.to_headers(), "other": "ignored"}) == event


@pytest.mark.parametrize(
    "event",
    [
        CloudEvent("", "s", "t"),
        CloudEvent("i", "s", "t", extensions={"Upper": "1"}),
        CloudEvent("i", "s", "t", extensions={"id": "1"}),
        CloudEvent("i", "s", "t", extensions={"a_b": "1"}),
    ],
)
def test_what_is_no_cloudevent(event: CloudEvent) -> None:
    with pytest.raises(EnvelopeError) as caught:
        event.to_headers()
    assert caught.value.code == 9593


def test_headers_that_only_look_like_attributes_are_ignored() -> None:
    headers = {"ce_id": "1", "ce_source": "/s", "ce_type": "t", "ce_specversion": "1.0"}
    odd = {"ce_Foo-x": "1", "ce_datacontenttype": "text/plain", "ce_": "1"}
    assert CloudEvent.from_headers({**headers, **odd}).to_headers() == headers


def test_missing_headers() -> None:
    with pytest.raises(EnvelopeError) as caught:
        CloudEvent.from_headers({"ce_id": "1", "ce_source": "s"})
    assert caught.value.code == 9593
    assert "ce_type" in str(caught.value)
