"""A subject: the schemas of one kind of value, by their ids, and the one that this program writes and reads by."""

from __future__ import annotations

import struct
from copy import copy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from x07py.errors import SchemaError, SchemaUnknownError
from x07py.serialization.schema import KINDS, Format, Schema, lacking, unusable

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD = struct.Struct(">BI")
_NOTHING: Mapping[int, Format] = MappingProxyType({})


class Subject:
    """Turns values into bytes and back; immutable, and safe to share between threads.

    Args:
        name: what the registry calls it, ``TOPIC-value`` most often.
        schemas: what values may have been written by, by the id that the registry gave each.
        schema_id: of the schema that values are written by, and read as.

    Raises:
        SchemaError: 9598 if a schema cannot be used, or is of another kind than the others.
        SchemaUnknownError: 9596 if `schema_id` is not among `schemas`.
        NotInstalledError: 9635 if the library of the kind is not installed.
    """

    __slots__ = ("_formats", "_head", "_own", "name", "schema_id")

    def __init__(self, name: str, schemas: Mapping[int, Schema], schema_id: int) -> None:
        self.name = name
        self.schema_id = schema_id
        self._formats = self._ready(schemas)
        if schema_id not in self._formats:
            raise self._unknown(schema_id)
        self._own = self._formats[schema_id]
        self._head = _HEAD.pack(0, schema_id)

    @property
    def schemas(self) -> Mapping[int, Schema]:
        """The schemas by their ids."""
        return {number: one.schema for number, one in self._formats.items()}

    def encode(self, value: Any) -> bytes:
        """Return a value as it is sent.

        Args:
            value: for Avro and JSON what their libraries take, dictionaries most often; for Protobuf a message.

        Raises:
            SchemaError: 9597 if it does not fit the schema.
        """
        return self._head + self._own.encode(value)

    def decode(self, data: bytes) -> Any:
        """Return the value of what was sent; as `typed(orders.decode)` it is what a handler takes.

        Raises:
            SchemaError: 9595 if no schema id is in front, 9597 if the value does not fit.
            SchemaUnknownError: 9596 for a schema that this subject does not hold.
        """
        writer, body = self._written(data)
        return self._own.decode(body, writer)

    def payload(self, data: bytes) -> bytes:
        """Return what was sent without what is in front: what ``FromString`` of a class reads that protoc generated.

        Raises:
            SchemaError: as `decode`.
        """
        writer, body = self._written(data)
        return self._own.payload(body, writer)

    def _ready(self, schemas: Mapping[int, Schema], known: Mapping[int, Format] = _NOTHING) -> dict[int, Format]:
        if len({schema.kind for schema in schemas.values()}) > 1:
            hint = "give each kind a subject of its own"
            raise SchemaError(9598, f"the schemas of {self.name!r} are of several kinds", hint=hint)
        return {number: known.get(number) or parse(schema) for number, schema in schemas.items()}

    def _written(self, data: bytes) -> tuple[Format, bytes]:
        number = schema_id(data)
        writer = self._formats.get(number)
        if writer is None:
            raise self._unknown(number)
        return writer, data[_HEAD.size :]

    def _unknown(self, number: int) -> SchemaUnknownError:
        known = ", ".join(map(str, sorted(self._formats)))
        return SchemaUnknownError(
            9596,
            f"{self.name!r} holds no schema of the id {number}",
            where=f"ids {known or 'none'}",
            hint="pin the schema in arch/msg, or fetch it in the adapter",
        )

    def learn(self, number: int, schema: Schema) -> Subject:
        """Return a subject that holds one more schema.

        Raises:
            SchemaError: 9598 as the class.
        """
        learned = copy(self)
        learned._formats = self._ready({**self.schemas, number: schema}, self._formats)
        return learned


def schema_id(data: bytes) -> int:
    """Return the id of the schema that a value was written by.

    Raises:
        SchemaError: 9595 if no such id is in front.
    """
    if len(data) < _HEAD.size or data[0] != 0:
        message = "there is no schema id in front of the value"
        hint = "was it written by a serializer of a schema registry? ids in headers are not read"
        raise SchemaError(9595, message, where=f"it begins with {data[:5]!r}", hint=hint)
    number: int = _HEAD.unpack_from(data)[1]
    return number


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
