"""Avro, by fastavro; a value that was written by another version is resolved by the rules of Avro's specification."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro

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
        except Exception as error:  # noqa: BLE001 (of a schema of others, the library raises many things)
            raise unusable("Avro", error) from None
        self._bare = self._parsed == "bytes" or (isinstance(self._parsed, dict) and self._parsed.get("type") == "bytes")

    def encode(self, value: Any) -> bytes:
        """Return a value in Avro's binary encoding; bytes alone stand as they are, as with Confluent's serializers."""
        if self._bare and isinstance(value, bytes):
            return value
        out = io.BytesIO()
        try:
            fastavro.schemaless_writer(out, self._parsed, value)
        except Exception as error:  # noqa: BLE001
            raise misfit("the value", error) from None
        return out.getvalue()

    def decode(self, body: bytes, writer: AvroFormat) -> Any:
        """Return the value, resolved from the writer's schema to this one."""
        if writer._bare:
            return body
        data = io.BytesIO(body)
        try:
            value = fastavro.schemaless_reader(data, writer._parsed, self._parsed)
        except Exception as error:  # noqa: BLE001
            raise misfit("the message", error) from None
        if data.read(1):
            raise misfit("the message", "bytes are left over behind the value")
        return value

    def payload(self, body: bytes, writer: AvroFormat) -> bytes:
        """Return the binary encoding."""
        del writer
        return body


def document_of(schema: Schema) -> Any:
    """Return the JSON of a schema's text.

    Raises:
        SchemaError: 9598.
    """
    try:
        return json.loads(schema.text)
    except (ValueError, RecursionError) as error:
        raise unusable("Avro", error) from None
