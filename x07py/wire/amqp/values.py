"""AMQP frames as JSON and envelopes, and back."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pamqp import commands
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from x07py.drivers.amqp_native import EXCHANGE, from_amqp, to_amqp
from x07py.msg import Envelope
from x07py.wire.decoding import decoding, document, misshapen, record

if TYPE_CHECKING:
    from pamqp.base import Frame

    from x07py.drivers.base import Json

_BY_NUMBER: dict[int, Any] = commands.INDEX_MAPPING
_METHODS = {method.name: method for method in _BY_NUMBER.values()}
_LEFT_OUT = ("ticket", "nowait", "consumer_tag")
_RANDOM = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,}", re.IGNORECASE)
_DECIMAL_LETTERS, _DECIMAL_PLACES = 300, 255
_DELIVERY_MODE = "delivery_mode"
ID, ID_META = "message-id", "message_id"
DELIVERY: dict[str, type] = {
    "channel": str,
    "delivery_tag": int,
    "redelivered": bool,
    "exchange": str,
    "routing_key": str,
}
"""What a recorded delivery must say."""


def dump(value: Any) -> Json:
    """Return a value of a field or an argument table as JSON."""
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"$time": int(value.timestamp())}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, dict):
        return {str(key): dump(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [dump(item) for item in value]
    return value


def load(data: Json) -> Any:
    """Return the value that `dump` was given.

    Raises:
        CassetteError: 2072 if it is none.
    """
    with decoding("a value of AMQP"):
        return _load(data)


def _load(data: Json) -> Any:
    if isinstance(data, list):
        return [_load(item) for item in data]
    if not isinstance(data, dict):
        return data
    match data:
        case {"$bytes": str(text)}:
            return base64.b64decode(text, validate=True)
        case {"$time": int(seconds)}:
            return datetime.fromtimestamp(seconds, UTC)
        case {"$decimal": str(text)}:
            return _decimal(text)
    return {key: _load(item) for key, item in data.items()}


def _decimal(text: str) -> Decimal:
    """Return a decimal of AMQP: up to 255 places, no powers of ten, which an encoder would multiply out."""
    number = Decimal(text) if len(text) <= _DECIMAL_LETTERS else Decimal("nan")
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or not -_DECIMAL_PLACES <= exponent <= 0:
        raise misshapen(f"the decimal {text[:40]!r}, which AMQP does not have")
    return number


def fields_of(method: Frame) -> dict[str, Json]:
    """Return the fields of a method as they are compared and written: consumer tags are random and left out."""
    return {name: dump(value) for name, value in method if name not in _LEFT_OUT}


def dump_method(method: Frame) -> Json:
    """Return a method with its name as JSON."""
    fields = fields_of(method)
    if isinstance(method, Basic.ConsumeOk):
        fields["consumer_tag"] = method.consumer_tag
    return {"method": method.name, "fields": fields}


def load_method(data: Json, **fields: Any) -> Frame:
    """Return the method that `dump_method` was given, with further fields.

    Raises:
        CassetteError: 2072 if it is no method of AMQP with fields of its types.
    """
    record(data, method=str, fields=dict)
    with decoding(f"the method {data['method'][:40]!r} of AMQP"):
        given = {name: _load(item) for name, item in data["fields"].items()}
        method: Frame = _METHODS[data["method"]](**{**given, **fields})
        method.marshal()
        return method


def consumer_tag_in(answer: bytes) -> str:
    """Return the name that the broker gave to a consumer, from its recorded answer."""
    tag: str = record(record(document(answer), fields=dict)["fields"], consumer_tag=str)["consumer_tag"]
    return tag


def published(method: Basic.Publish, properties: Basic.Properties, body: bytes) -> Envelope:
    """Return the envelope of a message that the program publishes; the exchange is one of its headers."""
    envelope = from_amqp(method.routing_key or "", body, properties)
    if not method.exchange:
        return envelope
    return Envelope(envelope.topic, envelope.key, envelope.value, {**envelope.headers, EXCHANGE: method.exchange})


def delivered(method: Any, properties: Basic.Properties, body: bytes) -> tuple[Envelope, dict[str, Json]]:
    """Return the envelope of a message that came from the broker, and what an envelope cannot hold of it."""
    envelope = from_amqp(method.routing_key or "", body, properties)
    meta: dict[str, Json] = {
        "exchange": method.exchange or "",
        "routing_key": method.routing_key or "",
        "redelivered": bool(method.redelivered),
    }
    if properties.delivery_mode is None:
        meta[_DELIVERY_MODE] = None
    if properties.message_id and ID not in envelope.headers:
        meta[ID_META] = properties.message_id
    return envelope, meta


def content_of(envelope: Envelope, meta: dict[str, Json], frame_max: int) -> list[ContentHeader | memoryview]:
    """Return header and body frames of a message that comes from the broker."""
    _, properties = to_amqp(envelope)
    properties.message_id = envelope.headers.get(ID) or meta.get(ID_META)
    if _DELIVERY_MODE in meta:
        properties.delivery_mode = meta[_DELIVERY_MODE]
    with decoding("the properties of a message"):
        properties.marshal()
    return frames_of(properties, envelope.value, frame_max)


def frames_of(properties: Basic.Properties, body: bytes, frame_max: int) -> list[ContentHeader | memoryview]:
    """Return the header, and the body in parts for frames of at most `frame_max` bytes."""
    most, view = max(frame_max - 8, 1), memoryview(body)
    parts = [view[start : start + most] for start in range(0, len(body), most)]
    return [ContentHeader(body_size=len(body), properties=properties), *parts]


def is_random(text: str) -> bool:
    """Tell whether a text is nothing but a UUID or a long hexadecimal number."""
    return _RANDOM.fullmatch(text) is not None


def shape_of(name: str) -> str | None:
    """Return a name with its random parts (UUIDs, long hexadecimal numbers) blotted out, or None if it has none."""
    shape, found = _RANDOM.subn("*", name)
    return shape if found else None


def random_parts(name: str) -> list[str]:
    """Return the random parts of a name, as `shape_of` finds them."""
    return [found[0] for found in _RANDOM.finditer(name)]
