"""Envelopes as AMQP messages and back.

The topic is the routing key, the value is the body. The key travels as the header ``x07-key`` of the message. A message
has properties and a table of headers, two name spaces. Envelope headers named like a property (``content-type``,
``correlation-id``, ``priority``) are that property, all others are text in the table. What of the table is no text
(numbers, tables, lists, as in ``x-death``), or is named like a property or like a header of x07py, stands, encoded as
AMQP encodes a table, in Base64 in the envelope's header ``x07-amqp-headers``.

An envelope header that is named like a property and cannot be one (``priority: high``) goes into the table, and the
table's ``x07-plain`` says so: a list of such names, separated by commas.

``x07-exchange`` in an envelope names the exchange to publish to; without it the default exchange delivers to the queue
that is called like the topic. Neither it nor ``x07-amqp-headers`` is ever on the wire.
"""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from pamqp import decode, encode
from pamqp.commands import Basic

from x07py.errors import DriverError, MessageRejectedError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable

EXCHANGE, TYPED, KEY, PLAIN = "x07-exchange", "x07-amqp-headers", "x07-key", "x07-plain"
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
_PROPERTIES = frozenset({*_TEXT, *_NUMBERS, "timestamp"})
_RESERVED = frozenset({EXCHANGE, TYPED, KEY, PLAIN})
_TRANSIENT, _PERSISTENT = 1, 2
DELAY = "x-delay"
"""The header that an exchange of type x-delayed-message goes by: milliseconds, a number in the table."""
_MAX_DELAY_MS = 2**32 - 1
_MAX_NAME = 255
_MAX_SECONDS = 12
"""As many digits a time in seconds has not, for Python's calendar ends before."""
_MAX_HEADER_NAME = 128
_MAX_HEAD = 120_000
_OWN_ID = "x07."
_numbers = count(1)


def to_amqp(envelope: Envelope) -> tuple[str, Basic.Properties]:
    """Return exchange and properties of the message that `envelope` stands for.

    The client library needs a message id to recognise returned messages; one that the envelope does not have is made
    up, and `from_amqp` drops it.

    Raises:
        DriverError: 9859 if the topic is longer than 255 bytes or not text, or headers do not fit.
    """
    if len(envelope.topic.encode("utf-8", "surrogateescape")) > _MAX_NAME:
        raise _misfit(envelope, "the topic is longer than 255 bytes, the most that a routing key has")
    fields: dict[str, Any] = {"delivery_mode": _PERSISTENT}
    table: dict[str, Any] = {}
    exchange = ""
    plain: list[str] = []
    for name, text in envelope.headers.items():
        if name in _PROPERTIES:
            field, value = _property(name, text)
            if value is None:
                table[name] = text
                plain.append(name)
            else:
                fields[field] = value
        elif name == EXCHANGE:
            exchange = text
        elif name == TYPED:
            table.update(_typed(envelope, text))
        elif len(name) > _MAX_HEADER_NAME or name in _RESERVED:
            raise _misfit(envelope, f"the header name {name[:20]!r} is reserved, or longer than 128 bytes")
        else:
            table[name] = int(text) if name == DELAY and _is_delay_text(text) else text
    if plain:
        table[PLAIN] = ",".join(plain)
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
    table = properties.headers or {}
    marked = table.get(PLAIN)
    plain = set(marked.split(",")) if isinstance(marked, str) else set()
    if not all(_is_plain(table, one, headers) and one in _PROPERTIES for one in plain):
        plain = set()  # another program's header
    for name, value in table.items():
        if name == KEY and (found := _key(value)):
            key = found
        elif name == PLAIN and plain:
            continue
        elif _is_plain(table, name, headers) and (name not in _PROPERTIES or name in plain):
            headers[name] = str(value)
        else:
            typed[name] = value
    if typed:
        headers[TYPED] = base64.b64encode(encode.field_table(typed)).decode()
    return Envelope(routing_key, key, body, headers)


def is_delayed(envelope: Envelope) -> bool:
    """Tell whether a message is for an exchange that delays: then no queue has it when the broker confirms it."""
    text = envelope.headers.get(DELAY, "")
    return text != "0" and _is_delay_text(text)


def _is_delay_text(text: Any) -> bool:
    return isinstance(text, str) and _is_number(text) and len(text) <= len(str(_MAX_DELAY_MS)) and _is_delay(int(text))


def _is_delay(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MAX_DELAY_MS


def _property(name: str, text: str) -> tuple[str, Any]:
    """Return the property that a header is, and its value; None if the property cannot have it."""
    if name in _TEXT:
        fits = len(text.encode()) <= _MAX_NAME and (name != "expiration" or _is_number(text))
        return _TEXT[name], text if fits else None
    if not _is_number(text):
        return name, None
    if name == "timestamp":
        return name, datetime.fromtimestamp(int(text), UTC) if len(text) < _MAX_SECONDS else None
    if name == "delivery-mode":  # every message is persistent that does not say
        return _NUMBERS[name], _TRANSIENT if text == str(_TRANSIENT) else None
    return _NUMBERS[name], int(text) if len(text) <= 3 and int(text) <= _MAX_NAME else None


def _is_number(text: str) -> bool:
    """Tell whether text is what a whole number is written as."""
    return text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")


def _key(value: Any) -> bytes:
    """Return the key that a header holds in the form that `to_amqp` gives it; empty if it does not."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes | bytearray):
        try:
            value.decode()
        except UnicodeDecodeError:
            return bytes(value)
    return b""


def _is_plain(table: dict[str, Any], name: str, headers: dict[str, str]) -> bool:
    """Tell whether an entry of the table can be a header of the envelope as it is."""
    value = table.get(name)
    if name == DELAY:
        return _is_delay(value) or (isinstance(value, str) and not _is_delay_text(value) and _is_text(value))
    own = name in _RESERVED or name in headers
    return isinstance(value, str) and bool(name) and name.isascii() and not own and _is_text(value)


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


def _misfit(envelope: Envelope, message: str) -> DriverError:
    return MessageRejectedError(
        9859, message, where=f"topic {envelope.topic[:80]!r}, key {envelope.key[:80]!r}", hint="correct the message"
    )
