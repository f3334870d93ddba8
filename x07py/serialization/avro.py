"""Avro, by fastavro; a value that was written by another version is resolved by the rules of Avro's specification."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
from fastavro import _read_py as in_python

from x07py.serialization.avro_shape import DEEPEST, has_empty_items, nested_deeper, nests
from x07py.serialization.schema import Schema, all_references, misfit, unusable


class AvroFormat:
    """A parsed Avro schema; raises `SchemaError` 9598 for one that cannot be used, 9597 for values."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.document = document_of(schema)
        named: dict[str, Any] = {}
        try:
            for one in all_references(schema).values():
                fastavro.parse_schema(document_of(one), named_schemas=named)
            self._parsed = fastavro.parse_schema(self.document, named_schemas=named)
            self._nests = nests(named)
            endless = has_empty_items(self._parsed, named)
        except Exception as error:  # noqa: BLE001 (of a schema of others, the library raises many things)
            raise unusable("Avro", error) from None
        if endless:
            raise unusable("Avro", "an array of items that take no bytes, of which a message can have any number")
        whole: Any = self._parsed if isinstance(self._parsed, dict) else {"type": self._parsed}
        self._bare = whole["type"] == "bytes" and "logicalType" not in whole

    def encode(self, value: Any) -> bytes:
        """Return a value in Avro's binary encoding; bytes alone stand as they are, as with Confluent's serializers."""
        if not self._bare:
            return self._written(value)
        if not isinstance(value, bytes | bytearray | memoryview):
            raise misfit("the value", f"bytes are written, and this is {type(value).__name__}")
        return bytes(value)

    def _written(self, value: Any) -> bytes:
        if self._nests and nested_deeper(value, DEEPEST):
            raise misfit("the value", f"it is nested deeper than {DEEPEST}")
        out = io.BytesIO()
        try:
            fastavro.schemaless_writer(out, self._parsed, value)
        except Exception as error:  # noqa: BLE001
            raise misfit("the value", error) from None
        return out.getvalue()

    def decode(self, body: bytes, writer: AvroFormat) -> Any:
        """Return the value, resolved from the writer's schema to this one."""
        if writer._bare and self._bare:
            return body
        data = io.BytesIO(writer._written(body) if writer._bare else body)
        # What nests deeply comes to an end of Python's stack as an error, and to one of C's as the process's end.
        read = in_python.schemaless_reader if self._nests or writer._nests else fastavro.schemaless_reader
        try:
            value = read(data, writer._parsed, self._parsed)
        except Exception as error:  # noqa: BLE001
            raise misfit("the message", error) from None
        if data.read(1):
            raise misfit("the message", "bytes are left over behind the value")
        return value

    def payload(self, body: bytes, writer: AvroFormat) -> bytes:
        """Return the binary encoding."""
        del writer
        return body

    def mark_size(self, body: bytes) -> int:
        """Return 0."""
        del body
        return 0


def document_of(schema: Schema) -> Any:
    """Return the JSON of a schema's text.

    Raises:
        SchemaError: 9598.
    """
    try:
        return json.loads(schema.text)
    except (ValueError, RecursionError) as error:
        raise unusable("Avro", error) from None
