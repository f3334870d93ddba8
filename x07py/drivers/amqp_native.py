"""Envelopes as AMQP messages and back.

The topic is the routing key, the value is the body. The key travels as the header ``x07-key`` of the message. Envelope
headers named like an AMQP property (``content-type``, ``correlation-id``, ``priority``) become that property,
all others become text in the header table. What a map of text cannot hold (numbers, tables, lists, as in
``x-death``) stands, encoded as AMQP encodes a table, in Base64 in the envelope's header ``x07-amqp-headers``.

``x07-exchange`` in an envelope names the exchange to publish to; without it the default exchange delivers to the queue
that is called like the topic. Neither of the two headers is ever on the wire.
"""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from pamqp import decode, encode
from pamqp.commands import Basic

from x07py.errors import AmqpError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable

EXCHANGE, TYPED, KEY = "x07-exchange", "x07-amqp-headers", "x07-key"
_TEXT = {
    name: name.replace("-", "_")
    for name in (
        "content-type",
        "content-encoding",
        "correlation-id",
        "reply-to",
        "expiration",
        "message-id",
        "user-id",
        "app-id",
    )
} | {"type": "message_type"}
_NUMBERS = {"priority": "priority", "delivery-mode": "delivery_mode"}
_PERSISTENT = 2
_MAX_NAME = 255
_MAX_HEADER_NAME = 128
_MAX_HEAD = 120_000
_OWN_ID = "x07."
_numbers = count(1)


def to_amqp(envelope: Envelope) -> tuple[str, Basic.Properties]:
    """Return exchange and properties of the message that `envelope` stands for.

    The client library needs a message id to recognise returned messages; one that the envelope does not have is made
    up, and `from_amqp` drops it.

    Raises:
        AmqpError: 9859 if the topic is longer than 255 bytes or not text, or headers do not fit.
    """
    if len(envelope.topic.encode("utf-8", "surrogateescape")) > _MAX_NAME:
        raise _misfit(envelope, "the topic is longer than 255 bytes, the most that a routing key has")
    fields: dict[str, Any] = {"delivery_mode": _PERSISTENT}
    table: dict[str, Any] = {}
    exchange = ""
    for name, text in envelope.headers.items():
        if name in _TEXT and len(text.encode()) <= _MAX_NAME:
            fields[_TEXT[name]] = text
        elif name in _NUMBERS and text.isascii() and text.isdigit() and int(text) <= _MAX_NAME:
            fields[_NUMBERS[name]] = int(text)
        elif name == "timestamp" and text.isascii() and text.isdigit() and len(text) < 12:
            fields["timestamp"] = datetime.fromtimestamp(int(text), UTC)
        elif name == EXCHANGE:
            exchange = text
        elif name == TYPED:
            table.update(_typed(envelope, text))
        elif len(name) > _MAX_HEADER_NAME:
            raise _misfit(envelope, f"the header name {name[:20]!r}... is longer than 128 bytes")
        else:
            table[name] = text
    if sum(map(len, envelope.headers)) + sum(map(len, envelope.headers.values())) + len(envelope.key) > _MAX_HEAD:
        raise _misfit(envelope, "key and headers are larger than one AMQP frame, 120,000 bytes")
    if envelope.key:
        try:
            table[KEY] = envelope.key.decode()
        except UnicodeDecodeError:
            table[KEY] = bytearray(envelope.key)
    fields.setdefault("message_id", f"{_OWN_ID}{next(_numbers)}")
    return exchange, Basic.Properties(headers=table or None, **fields)


def from_amqp(routing_key: str, body: bytes, properties: Basic.Properties) -> Envelope:
    """Return the envelope of a message.

    Raises:
        EnvelopeError: 9506 if it would have 2 GiB or more.
    """
    headers: dict[str, str] = {}
    for name, field in _TEXT.items():
        text = getattr(properties, field)
        if text is not None and not (name == "message-id" and text.startswith(_OWN_ID)):
            headers[name] = text
    if properties.priority is not None:
        headers["priority"] = str(properties.priority)
    if properties.delivery_mode not in (None, _PERSISTENT):
        headers["delivery-mode"] = str(properties.delivery_mode)
    if properties.timestamp is not None:
        headers["timestamp"] = str(int(properties.timestamp.timestamp()))
    key = b""
    typed: dict[str, Any] = {}
    for name, value in (properties.headers or {}).items():
        if name == KEY and isinstance(value, str | bytes | bytearray):
            key = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
        elif isinstance(value, str) and name and name.isascii() and name not in headers and _is_text(value):
            headers[name] = value
        else:
            typed[name] = value
    if typed:
        headers[TYPED] = base64.b64encode(encode.field_table(typed)).decode()
    return Envelope(routing_key, key, body, headers)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _typed(envelope: Envelope, text: str) -> dict[str, Any]:
    read: Callable[[bytes], tuple[int, dict[str, Any]]] = decode.field_table
    try:
        return read(base64.b64decode(text, validate=True))[1]
    except (ValueError, struct.error, IndexError, KeyError, TypeError):
        raise _misfit(envelope, f"the reserved header {TYPED} does not hold an AMQP table") from None


def _misfit(envelope: Envelope, message: str) -> AmqpError:
    return AmqpError(
        9859, message, where=f"topic {envelope.topic[:80]!r}, key {envelope.key[:80]!r}", hint="correct the message"
    )
