"""A subject: the schemas of one kind of value, by their ids, and the one that this program writes and reads by."""

from __future__ import annotations

from copy import copy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from x07py.errors import SchemaError, SchemaUnknownError
from x07py.serialization.ids import head_of, put, strange_header, take_apart
from x07py.serialization.schema import KINDS, Format, Schema, lacking, unusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from x07py.msg import Envelope
    from x07py.serialization.ids import Field, SchemaId

    _Schemas = Mapping[int, Schema] | Mapping[UUID, Schema] | Mapping[SchemaId, Schema]

_NOTHING: Mapping[SchemaId, Format] = MappingProxyType({})


class Subject:
    """Turns values into bytes and back; immutable, and safe to share between threads.

    Args:
        name: what the registry calls it, ``TOPIC-value`` most often.
        schemas: what values may have been written by, by what the registry calls each: its number, or its GUID, or
            both, each with an entry.
        schema_id: of the schema that values are written by, and read as. A number is written in front of the value, a
            GUID into a header of the message.

    Raises:
        SchemaError: 9598 if a schema cannot be used, or is of another kind than the others.
        SchemaUnknownError: 9596 if `schema_id` is not among `schemas`.
        NotInstalledError: 9635 if the library of the kind is not installed.
    """

    __slots__ = ("_formats", "_head", "_own", "name", "schema_id")

    def __init__(self, name: str, schemas: _Schemas, schema_id: SchemaId) -> None:
        self.name = name
        self.schema_id = schema_id
        self._formats = self._ready(schemas)
        if schema_id not in self._formats:
            raise self._unknown(schema_id)
        self._own = self._formats[schema_id]
        self._head = head_of(schema_id)

    @property
    def schemas(self) -> Mapping[SchemaId, Schema]:
        """The schemas by their ids."""
        return {number: one.schema for number, one in self._formats.items()}

    def encode(self, value: Any) -> bytes:
        """Return a value as it is sent, its schema's number in front.

        Args:
            value: for Avro and JSON what their libraries take, dictionaries most often; for Protobuf a message.

        Raises:
            SchemaError: 9595 if ids go into headers, which bytes do not have, 9597 if it does not fit the schema.
        """
        if not isinstance(self.schema_id, int):
            message = f"{self.name!r} has its schema's id written into a header, which bytes alone do not have"
            raise SchemaError(9595, message, hint="use `write`, which takes the message and returns it with the value")
        return self._head + self._own.encode(value)

    def write(self, envelope: Envelope, value: Any, field: Field = "value") -> Envelope:
        """Return a message with a value in place of what it has, and its schema's id where this subject puts it.

        Args:
            envelope: gives everything else.
            value: as of `encode`.
            field: which part of the message the value becomes.

        Raises:
            SchemaError: 9597 if it does not fit the schema.
            EnvelopeError: 9506 if the message would have 2 GiB or more, 9592 if its ``x07-headers`` is malformed.
        """
        if isinstance(self.schema_id, int):
            return put(envelope, field, self.encode(value), None)
        written = self._own.encode(value)
        size = self._own.mark_size(written)
        return put(envelope, field, written[size:], self._head + written[:size])

    def decode(self, data: bytes | Envelope, field: Field = "value") -> Any:
        """Return the value of what was sent. What a handler takes, it is as `typed(orders)`.

        Args:
            data: the value's bytes, with an id in front; or the message, which may have the id in a header.
            field: which part of the message is read.

        Raises:
            SchemaError: 9595 if there is no schema id, 9597 if the value does not fit.
            SchemaUnknownError: 9596 for a schema that this subject does not hold.
            EnvelopeError: 9592 if the reserved header ``x07-headers`` is malformed.
        """
        writer, body = self._written(data, field)
        return self._own.decode(body, writer)

    def payload(self, data: bytes | Envelope, field: Field = "value") -> bytes:
        """Return the value without what stands around it: what ``FromString`` of a class reads that protoc generated.

        Args and raises: as `decode`.
        """
        writer, body = self._written(data, field)
        return self._own.payload(body, writer)

    def _ready(self, schemas: _Schemas, known: Mapping[SchemaId, Format] = _NOTHING) -> dict[SchemaId, Format]:
        if len({schema.kind for schema in schemas.values()}) > 1:
            hint = "give each kind a subject of its own"
            raise SchemaError(9598, f"the schemas of {self.name!r} are of several kinds", hint=hint)
        parsed = {one.schema: one for one in known.values()}
        found: dict[SchemaId, Format] = {}
        for number, schema in schemas.items():
            found[number] = parsed[schema] = parsed.get(schema) or parse(schema)
        return found

    def _written(self, data: bytes | Envelope, field: Field) -> tuple[Format, bytes]:
        """Return what wrote a value, and the value as it stands behind an id."""
        number, mark, body = take_apart(data, field)
        writer = self._formats.get(number)
        if writer is None:
            raise self._unknown(number)
        if mark is None:
            return writer, body
        if writer.mark_size(mark) != len(mark):
            raise strange_header(f"{mark[:20]!r} is left over behind the id {number}")
        return writer, mark + body

    def _unknown(self, number: SchemaId) -> SchemaUnknownError:
        known = ", ".join(sorted(map(str, self._formats)))
        return SchemaUnknownError(
            9596,
            f"{self.name!r} holds no schema of the id {number}",
            where=f"ids {known or 'none'}",
            hint="pin the schema in arch/msg, or fetch it in the adapter",
        )

    def learn(self, number: SchemaId, schema: Schema) -> Subject:
        """Return a subject that holds one more schema.

        Raises:
            SchemaError: 9598 as the class.
        """
        learned = copy(self)
        learned._formats = self._ready({**self.schemas, number: schema}, self._formats)
        return learned


def parse(schema: Schema) -> Format:
    """Return a schema made ready.

    Raises:
        SchemaError: 9598 if it cannot be used.
        NotInstalledError: 9635 if the library of its kind is not installed.
    """
    try:
        match schema.kind:
            case "avro":
                from x07py.serialization.avro import AvroFormat

                return AvroFormat(schema)
            case "json":
                from x07py.serialization.json_schema import JsonFormat

                return JsonFormat(schema)
            case "protobuf":
                from x07py.serialization.protobuf import ProtobufFormat

                return ProtobufFormat(schema)
    except ImportError as error:
        raise lacking(schema.kind, error) from None
    raise unusable(schema.kind, f"the kind is none of {', '.join(KINDS)}")


def text_of(kind: str, data: bytes) -> str:
    """Return the text of a schema's file.

    Args:
        kind: of the schema.
        data: JSON in UTF-8; of Protobuf what ``protoc --descriptor_set_out`` writes of one file.

    Raises:
        SchemaError: 9598 if it is none.
        NotInstalledError: 9635 for Protobuf without its library.
    """
    if kind == "protobuf":
        try:
            from x07py.serialization.protobuf import text_of_set
        except ImportError as error:
            raise lacking(kind, error) from None
        return text_of_set(data)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise unusable(kind, error) from None


def data_of(kind: str, text: str) -> bytes:
    """Return the file of a schema's text, of which `text_of` returns the text.

    Raises:
        SchemaError: 9598 if it is none.
        NotInstalledError: 9635 for Protobuf without its library.
    """
    if kind == "protobuf":
        try:
            from x07py.serialization.protobuf import set_of_text
        except ImportError as error:
            raise lacking(kind, error) from None
        return set_of_text(text)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise unusable(kind, error) from None
