"""Requests and their answers, as `Backend.control` has them: envelopes inside of JSON.

Where a driver has the operation ``request``, it takes ``{"envelope": …, "timeout_ms": …}`` and answers
``{"answer": …}``: so a request is one entry of a recording, with its answer or with the error that it ended in.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from x07py.errors import DriverError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from x07py.drivers.base import Json

REQUEST = "request"
REPLY_TO, CORRELATION_ID = "reply-to", "correlation-id"
DIRECT_REPLY = "amq.rabbitmq.reply-to"
"""RabbitMQ's queue that is none: answers go from the one channel to the other."""


def is_direct_reply(exchange: str, topic: str) -> bool:
    """Tell whether a message is an answer to a direct request, which RabbitMQ stores in no queue."""
    return not exchange and topic.startswith(DIRECT_REPLY + ".")


def packed(envelope: Envelope) -> Json:
    """Return an envelope as JSON: bytes that are UTF-8 as text, others as ``{"$bytes": BASE64}``."""
    return {
        "headers": dict(envelope.headers),
        "key": _text(envelope.key),
        "topic": envelope.topic,
        "value": _text(envelope.value),
    }


def unpacked(document: Json) -> Envelope:
    """Return the envelope that `packed` has made JSON of.

    Raises:
        DriverError: 9612 if it is something else, as in a damaged recording.
    """
    try:
        headers = {str(name): str(text) for name, text in document["headers"].items()}
        return Envelope(str(document["topic"]), _bytes(document["key"]), _bytes(document["value"]), headers)
    except (TypeError, KeyError, AttributeError, binascii.Error):
        hint = "the cassette was damaged or made by another tool"
        raise DriverError(9612, "a message of a request is not as it was recorded", hint=hint) from None


def _text(data: bytes) -> Json:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"$bytes": base64.b64encode(data).decode()}


def _bytes(value: Json) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return base64.b64decode(value["$bytes"], validate=True)
