"""Values whose schema a registry knows: Avro, JSON Schema and Protobuf. Pure; nothing here asks a registry.

A `Subject` holds schemas by their ids, turns values into bytes and back, and is handed to the program's core like any
other value. The bytes are those of Confluent's serializers: a zero, four bytes of schema id, for Protobuf the place of
the message in its file, and the value; or, where a subject says so, the schema's GUID in a header (`ids`). Rivals that
lost: the serializers of confluent-kafka themselves (they ask the registry in the middle of a call), and classes made
from their schemas (pydantic and msgspec have better ones).
"""

from x07py.serialization.compatibility import (
    LEVELS,
    Compatibility,
    Misfit,
    UnfinishedError,
    incompatibilities,
    misfits,
)
from x07py.serialization.ids import Field, SchemaId, schema_id
from x07py.serialization.schema import KINDS, Schema
from x07py.serialization.subject import Subject, data_of, parse, text_of

__all__ = [
    "KINDS",
    "LEVELS",
    "Compatibility",
    "Field",
    "Misfit",
    "Schema",
    "SchemaId",
    "Subject",
    "UnfinishedError",
    "data_of",
    "incompatibilities",
    "misfits",
    "parse",
    "schema_id",
    "text_of",
]
