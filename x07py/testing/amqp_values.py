"""AMQP frames as JSON and envelopes, and back."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from x07py.drivers.amqp_native import EXCHANGE, from_amqp, to_amqp
from x07py.msg import Envelope

if TYPE_CHECKING:
    from pamqp.base import Frame
    from pamqp.commands import Basic

    from x07py.drivers.base import Json

_BY_NUMBER: dict[int, Any] = commands.INDEX_MAPPING
_METHODS = {method.name: method for method in _BY_NUMBER.values()}
_LEFT_OUT = ("ticket", "nowait", "consumer_tag")
_RANDOM = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,}", re.IGNORECASE)
_DELIVERY_MODE, _MESSAGE_ID = "delivery_mode", "message_id"


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
    """Return the value that `dump` was given."""
    if isinstance(data, list):
        return [load(item) for item in data]
    if not isinstance(data, dict):
        return data
    match data:
        case {"$bytes": text}:
            return base64.b64decode(text)
        case {"$time": seconds}:
            return datetime.fromtimestamp(seconds, UTC)
        case {"$decimal": text}:
            return Decimal(text)
    return {key: load(item) for key, item in data.items()}


def fields_of(method: Frame) -> dict[str, Json]:
    """Return the fields of a method as they are compared and written: consumer tags are random and left out."""
    return {name: dump(value) for name, value in method if name not in _LEFT_OUT}


def dump_method(method: Frame) -> Json:
    """Return a method with its name as JSON."""
    return {"method": method.name, "fields": fields_of(method)}


def load_method(data: Json, **fields: Any) -> Frame:
    """Return the method that `dump_method` was given, with further fields."""
    method: Frame = _METHODS[data["method"]](**{name: load(item) for name, item in data["fields"].items()}, **fields)
    return method


def made_up_id() -> str:
    """Return a message id for a message without one; `from_amqp` knows it and drops it."""
    return f"x07.{uuid4().hex}"


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
    if properties.message_id and "message-id" not in envelope.headers:
        meta[_MESSAGE_ID] = properties.message_id
    return envelope, meta


def content_of(envelope: Envelope, meta: dict[str, Json], frame_max: int) -> list[ContentHeader | ContentBody]:
    """Return header and body frames of a message that comes from the broker."""
    _, properties = to_amqp(envelope)
    properties.message_id = envelope.headers.get("message-id") or meta.get(_MESSAGE_ID)
    if _DELIVERY_MODE in meta:
        properties.delivery_mode = meta[_DELIVERY_MODE]
    return frames_of(properties, envelope.value, frame_max)


def frames_of(properties: Basic.Properties, body: bytes, frame_max: int) -> list[ContentHeader | ContentBody]:
    """Return header and body frames of at most `frame_max` bytes."""
    most = max(frame_max - 8, 1)
    parts = [ContentBody(body[start : start + most]) for start in range(0, len(body), most)]
    return [ContentHeader(body_size=len(body), properties=properties), *parts]


def shape_of(name: str) -> str | None:
    """Return a name with its random parts (UUIDs, long hexadecimal numbers) blotted out, or None if it has none."""
    shape, found = _RANDOM.subn("*", name)
    return shape if found else None
