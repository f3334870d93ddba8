"""The rules of Avro's specification, by Apache's library, and what it leaves out: decimals, aliases of a namespace."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from avro.compatibility import (
    CompatibleResult,
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityResult,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
    incompatible,
)
from avro.name import Names
from avro.schema import BytesDecimalSchema, FixedDecimalSchema, RecordSchema, make_avsc_object

from x07py.serialization.avro import document_of
from x07py.serialization.schema import all_references, unusable

if TYPE_CHECKING:
    from avro.schema import Schema as AvroSchema

    from x07py.serialization.schema import Schema

_DECIMALS = (BytesDecimalSchema, FixedDecimalSchema)
_NAMED = {"record", "error", "enum", "fixed"}
_ROOT = ReaderWriterCompatibilityChecker.ROOT_REFERENCE_TOKEN
_MOST_PAIRS = 50_000
"""Pairs of types in one comparison; unions are compared each branch with each."""

_MOST_REASONS = 20
"""Reasons that are kept of a pair; the library adds those of each type to those of all types around it."""


_MOST_FIELDS, _MOST_LOOKED_UP = 10_000, 20_000_000
"""Fields of a record, and those of all pairs of records multiplied: the library lists a record's fields anew for each
field that it looks up."""


class _TooLargeError(Exception):
    """More pairs, or more fields, than that."""


class _Checker(ReaderWriterCompatibilityChecker):
    """The library's rules; it knows pairs again by their texts, which for long schemas takes longer than all else."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], SchemaCompatibilityResult | None] = {}
        self._looked_up = 0

    def get_compatibility(
        self, reader: AvroSchema, writer: AvroSchema, reference_token: str = _ROOT, location: list[str] | None = None
    ) -> SchemaCompatibilityResult:
        pair = id(reader), id(writer)  # of types with a name there is one object, and only they refer to themselves
        if pair in self._known:
            return self._known[pair] or CompatibleResult
        if len(self._known) >= _MOST_PAIRS:
            raise _TooLargeError
        self._known[pair] = None
        found = self.calculate_compatibility(reader, writer, [*(location or ()), reference_token])
        found.messages = set(sorted(found.messages)[:_MOST_REASONS])
        found.incompatibilities = list(dict.fromkeys(found.incompatibilities))
        found.locations = set()
        self._known[pair] = found
        return found

    def calculate_compatibility(
        self, reader: AvroSchema, writer: AvroSchema, location: list[str]
    ) -> SchemaCompatibilityResult:
        if isinstance(reader, RecordSchema) and isinstance(writer, RecordSchema):
            self._looked_up += len(reader.fields) * len(writer.fields)
            if self._looked_up > _MOST_LOOKED_UP:
                raise _TooLargeError
        found = super().calculate_compatibility(reader, writer, location)
        scales = [(one.scale, one.precision) for one in (reader, writer) if isinstance(one, _DECIMALS)]
        if len(set(scales)) > 1:
            message = "decimals of another scale or precision"
            return incompatible(SchemaIncompatibilityType.type_mismatch, message, location)
        return found


def incompatibilities(reader: AvroSchema, writer: AvroSchema) -> list[str]:
    """Return why the reader cannot read what the writer writes; nothing if it can."""
    try:
        found = _Checker().get_compatibility(reader, writer)
    except RecursionError:
        return ["the schemas are nested too deeply to be compared"]
    except _TooLargeError:
        most = f"{_MOST_PAIRS:,} pairs of types, or records of thousands of fields"
        return [f"the schemas are too large to be compared: they have more than {most}"]
    if found.compatibility is SchemaCompatibilityType.compatible:
        return []
    what = ", ".join(dict.fromkeys(kind.name.replace("_", " ") for kind in found.incompatibilities))
    return [f"{what}: {one}" for one in sorted(found.messages)]


def parsed(schema: Schema) -> AvroSchema:
    """Return a schema made ready to be compared; raises `SchemaError` 9598."""
    names = Names()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a logical type that it does not know is none, says the specification
            for one in all_references(schema).values():
                make_avsc_object(_with_whole_aliases(document_of(one), ""), names)
            return make_avsc_object(_with_whole_aliases(document_of(schema), ""), names)
    except Exception as error:  # noqa: BLE001 (of a schema of others, the library raises many things)
        raise unusable("Avro", error) from None


def _with_whole_aliases(document: Any, namespace: str) -> Any:
    """Return a schema whose aliases have their namespace, as the specification reads them."""
    if isinstance(document, list):
        return [_with_whole_aliases(one, namespace) for one in document]
    if not isinstance(document, dict):
        return document
    document = dict(document)
    if isinstance(document.get("fields"), list) and len(document["fields"]) > _MOST_FIELDS:
        raise ValueError(f"a record of more than {_MOST_FIELDS:,} fields")
    kind, name = document.get("type"), document.get("name")
    if isinstance(kind, str) and kind in _NAMED and isinstance(name, str):
        before, dot, _ = name.rpartition(".")
        namespace = before if dot else document.get("namespace", namespace)
        aliases = document.get("aliases", [])
        document["aliases"] = [one if "." in one or not namespace else f"{namespace}.{one}" for one in aliases]
    for key in ("type", "items", "values", "fields"):
        if key in document:
            document[key] = _with_whole_aliases(document[key], namespace)
    return document
