"""Encoding and decoding one message: envelopes against CloudEvents, msgpack and plain struct packing.

The message has a value of 200 bytes, a key, and three headers; every round trip is checked before it is measured.
CloudEvents' structured mode needs JSON, so the value is JSON text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgpack
from cloudevents.core.bindings import kafka as binding
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from bench.measure import alternate, table, write
from x07py import Envelope
from x07py.msg import MessageRecord

ROUNDS, CALLS = 15, 4000
HEADERS = {"ce_id": "order-000017", "ce_source": "/shop", "ce_type": "order.placed"}
VALUE = (b'{"id":17,"text":"' + b"x" * 200)[:198] + b'"}'
KEY, TOPIC = b"customer-42", "orders"

Pair = tuple[Callable[[], Any], Callable[[], Any]]


def _envelope() -> Pair:
    data = Envelope(TOPIC, KEY, VALUE, HEADERS).encode()

    def decode() -> tuple[object, ...]:
        found = Envelope.decode(data)
        return found.topic, found.key, found.value, found.headers["ce_id"]

    assert decode() == (TOPIC, KEY, VALUE, HEADERS["ce_id"])
    return (lambda: Envelope(TOPIC, KEY, VALUE, HEADERS).encode()), decode


def _record() -> Pair:
    env = Envelope(TOPIC, KEY, VALUE, HEADERS).encode()
    data = MessageRecord(1, 1, "local_dev_v1", env, 1, b"OK").encode()
    assert MessageRecord.decode(data).env == env
    return (lambda: MessageRecord(1, 1, "local_dev_v1", env, 1, b"OK").encode()), lambda: MessageRecord.decode(data)


def _msgpack() -> Pair:
    fields = [TOPIC, KEY, VALUE, HEADERS]
    data = msgpack.packb(fields)
    assert msgpack.unpackb(data) == fields
    return (lambda: msgpack.packb([TOPIC, KEY, VALUE, HEADERS])), lambda: msgpack.unpackb(data)


def _struct() -> Pair:
    """Length-prefixed fields, written and read without any check."""
    u32 = struct.Struct("<I")

    def pack() -> bytes:
        parts = []
        for field in (TOPIC.encode(), KEY, VALUE):
            parts += [u32.pack(len(field)), field]
        parts.append(u32.pack(len(HEADERS)))
        for name, text in sorted(HEADERS.items()):
            for field in (name.encode(), text.encode()):
                parts += [u32.pack(len(field)), field]
        return b"".join(parts)

    data = pack()

    def unpack() -> tuple[str, bytes, bytes, dict[str, str]]:
        place = 0

        def take() -> bytes:
            nonlocal place
            size = u32.unpack_from(data, place)[0]
            start = place + 4
            place = start + size
            return data[start:place]

        topic, key, value = take().decode(), take(), take()
        count = u32.unpack_from(data, place)[0]
        place += 4
        return topic, key, value, {take().decode(): take().decode() for _ in range(count)}

    assert unpack() == (TOPIC, KEY, VALUE, HEADERS)
    return pack, unpack


def _cloudevents(*, structured: bool) -> Pair:
    attributes = {"id": HEADERS["ce_id"], "source": HEADERS["ce_source"], "type": HEADERS["ce_type"]}
    attributes |= {"specversion": "1.0", "datacontenttype": "application/json"}
    form = JSONFormat()
    to, back = (
        (binding.to_structured, binding.from_structured) if structured else (binding.to_binary, binding.from_binary)
    )

    def encode() -> Any:
        return to(CloudEvent(attributes=dict(attributes), data=VALUE if not structured else {"id": 17}), form)

    message = encode()

    def decode() -> Any:
        return back(message, form, CloudEvent)

    assert decode().get_id() == HEADERS["ce_id"]
    return encode, decode


def main() -> None:
    """Measure, print and write the results."""
    pairs = {
        "x07py Envelope": _envelope(),
        "x07py MessageRecord": _record(),
        "struct, unchecked": _struct(),
        "msgpack": _msgpack(),
        "CloudEvents binary": _cloudevents(structured=False),
        "CloudEvents structured": _cloudevents(structured=True),
    }
    encoding = alternate(ROUNDS, CALLS, {name: pair[0] for name, pair in pairs.items()})
    decoding = alternate(ROUNDS, CALLS, {name: pair[1] for name, pair in pairs.items()})
    ours = encoding["x07py Envelope"] + decoding["x07py Envelope"]
    results, rows = {}, []
    for name in pairs:
        both = encoding[name] + decoding[name]
        results[name] = {"encode_us": encoding[name] * 1e6, "decode_us": decoding[name] * 1e6, "ratio": both / ours}
        rows.append(
            [name, *(f"{1e6 * one:.2f}" for one in (encoding[name], decoding[name], both)), f"{both / ours:.2f}"]
        )
    text = table(["codec", "encode µs", "decode µs", "both µs", "both, to x07py's"], rows)
    write("codecs", "make bench-codecs", ["x07py", "cloudevents", "msgpack"], results, text)


if __name__ == "__main__":
    main()
