"""Where the id of a schema stands: in front of the value, or in a header of its message.

In front, it is a zero and the four bytes of the registry's number. In a header, ``__key_schema_id`` or
``__value_schema_id``, it is a one and the sixteen bytes of the schema's GUID, and the value stands alone; a number in a
header is read too. Confluent's serializers write and read the same, and with them too a header that is there decides.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import UUID

from x07py.errors import SchemaError
from x07py.msg import Envelope
from x07py.msg.native import EXTRA_HEADERS, NULL_KEY, NULL_VALUE, RESERVED, extra_headers, pack_headers, unpack_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

SchemaId = int | UUID
Field = Literal["key", "value"]
_HEAD = struct.Struct(">BI")
_NUMBER, _GUID = 0, 1
_GUID_SIZE = 17
_NAMES: Mapping[Field, str] = {"key": "__key_schema_id", "value": "__value_schema_id"}
_ABSENT: Mapping[Field, str] = {"key": NULL_KEY, "value": NULL_VALUE}


class Written(NamedTuple):
    """A value as it was sent, taken apart."""

    schema_id: SchemaId
    mark: bytes | None
    """What a header has behind the id, which names the message of a Protobuf schema; None if the id is in front."""
    body: bytes
    """What is behind the id, or the whole value if the id is in a header."""


def head_of(number: SchemaId) -> bytes:
    """Return an id as it stands in front of a value or in a header."""
    return _HEAD.pack(_NUMBER, number) if isinstance(number, int) else bytes((_GUID,)) + number.bytes


def schema_id(data: bytes | Envelope, field: Field = "value") -> SchemaId:
    """Return the id of the schema that a value was written by.

    Args:
        data: the value, or its message, whose header is asked first.
        field: which part of the message it is.

    Returns:
        The registry's number, or the GUID that it gave the schema, which serializers put into headers.

    Raises:
        SchemaError: 9595 if there is no such id.
        EnvelopeError: 9592 if the reserved header ``x07-headers`` is malformed.
    """
    return take_apart(data, field).schema_id


def take_apart(data: bytes | Envelope, field: Field) -> Written:
    """Return a value's id and what it belongs to; raises as `schema_id`."""
    if not isinstance(data, Envelope):
        return _prefixed(data)
    body = data.key if field == "key" else data.value
    head = _header(data, _NAMES[field])
    if head is None:
        return _prefixed(body)
    if head[:1] == bytes((_GUID,)) and len(head) >= _GUID_SIZE:
        return Written(UUID(bytes=head[1:_GUID_SIZE]), head[_GUID_SIZE:], body)
    if head[:1] == bytes((_NUMBER,)) and len(head) >= _HEAD.size:
        return Written(_HEAD.unpack_from(head)[1], head[_HEAD.size :], body)
    raise strange_header(f"{_NAMES[field]} is {head[:20]!r}")


def strange_header(where: str) -> SchemaError:
    """Return the error of a header that no serializer writes."""
    hint = "was it written by a serializer of a schema registry?"
    return SchemaError(9595, "the header that names the schema holds no id", where=where, hint=hint)


def put(envelope: Envelope, field: Field, body: bytes, head: bytes | None) -> Envelope:
    """Return the message with another key or value, and with the id of its schema in its header, or without one."""
    rows = [row for row in unpack_headers(envelope) if row[0] != _NAMES[field]]
    if head is not None:
        rows.append((_NAMES[field], head))
    stays = RESERVED - {EXTRA_HEADERS, _ABSENT[field]}
    kept = {name: text for name, text in envelope.headers.items() if name in stays}
    key, value = (body, envelope.value) if field == "key" else (envelope.key, body)
    return Envelope(envelope.topic, key, value, {**pack_headers(rows), **kept})


def _prefixed(data: bytes) -> Written:
    if len(data) < _HEAD.size or data[0] != _NUMBER:
        message = "there is no schema id in front of the value"
        hint = "was it written by a serializer of a schema registry? ids in headers need the whole envelope"
        raise SchemaError(9595, message, where=f"it begins with {data[:5]!r}", hint=hint)
    return Written(_HEAD.unpack_from(data)[1], None, data[_HEAD.size :])


def _header(envelope: Envelope, name: str) -> bytes | None:
    """Return the first header of a name that is not absent in value."""
    text = envelope.headers.get(name)
    if text is not None:
        return text.encode()
    if EXTRA_HEADERS not in envelope.headers:
        return None
    return next((data for one, data in extra_headers(envelope) if one == name and data is not None), None)
