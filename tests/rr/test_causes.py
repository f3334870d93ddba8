"""What became of deliveries, and which publishes they caused."""

from __future__ import annotations

import json
from typing import Any

from x07py import Envelope
from x07py.msg import MessageRecord
from x07py.rr import Entry
from x07py.rr.causes import Causes


def message(op_tag: int, topic: str, key: bytes = b"", meta: Any = None, **headers: str) -> Entry:
    """Return the entry of a publish (1) or a delivery (2)."""
    envelope = Envelope(topic, key, b"v", headers).encode()
    record = MessageRecord(op_tag, 2, "p", envelope, 1, b"OK").encode()
    op = "std.msg.amqp.publish_env_v1" if op_tag == 1 else "std.msg.amqp.consume_env_v1"
    return Entry("rr", op, "p", envelope if op_tag == 1 else b"{}", record, scope=topic, meta=json.dumps(meta or {}))


def delivery(tag: int, key: bytes = b"", batch: int = 0, **headers: str) -> Entry:
    """Return a delivery from queue q on channel 1."""
    meta = {"queue": "q", "channel": 1, "delivery_tag": tag} | ({"batch": batch} if batch else {})
    return message(2, "q", key, meta, **headers)


def settled(op: str, request: Any) -> Entry:
    """Return the entry of an acknowledgement."""
    return Entry("rr", f"std.msg.amqp.{op}_v1", "p", json.dumps(request).encode(), b"{}", scope="q")


def test_a_trace_wins_over_a_key_and_both_over_being_alone() -> None:
    entries = [
        delivery(1, b"a", 2, traceparent="one"),
        delivery(2, b"b"),
        message(1, "out", b"b", traceparent="one"),
        message(1, "out", b"b"),
        message(1, "out", b"c"),
        delivery(3, b"d", 1),
        message(1, "out", b"c"),
    ]
    assert Causes.of_entries(entries).of == {2: 0, 3: 1, 6: 5}


def test_nothing_is_said_where_several_fit() -> None:
    entries = [delivery(1, b"a", 2), delivery(2, b"a"), message(1, "out", b"a"), message(1, "out")]
    assert Causes.of_entries(entries).of == {}


def test_settlements_name_deliveries() -> None:
    entries = [
        *(delivery(tag, b"%d" % tag, 5 if tag == 1 else 0) for tag in range(1, 6)),
        settled("nack", {"delivery_tag": 2, "channel": 1}),
        settled("reject", {"ranges": {"q": {"1": [[3, 3]]}}}),
        settled("ack", {"delivery_tag": 4, "channel": 1, "multiple": True}),
        settled("ack", {"ranges": {"q": {"1": [["x", 3], 7]}}, "delivery_tag": None}),
        message(1, "out", b"2"),
    ]
    causes = Causes.of_entries(entries)
    assert causes.outcomes == {0: "acknowledged", 1: "nacked", 2: "rejected", 3: "acknowledged"}
    assert causes.of == {9: 4}
