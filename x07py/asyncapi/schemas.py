"""JSON Schemas of messages: each becomes a file of its own, with the definitions that it needs inside."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from x07py.asyncapi.reader import reference_of, with_references

if TYPE_CHECKING:
    from x07py.asyncapi.reader import Reader
    from x07py.contracts.loader import JsonObject

FOLDER = "arch/msg/schemas"
SUFFIX = ".schema.json"
DIALECT = "http://json-schema.org/draft-07/schema#"
"""What AsyncAPI's own schemas are written in."""
JSON_SCHEMA_FORMATS = re.compile(r"application/(vnd\.aai\.asyncapi|schema)(\+(json|yaml))?(;.*)?")
_MOST_BYTES_IN_NAME = 100


@dataclass(slots=True)
class Pinned:
    """The schemas that a document's messages have, by path of their files.

    Args:
        reader: the document.
        files: what has been made.
    """

    reader: Reader
    files: dict[str, JsonObject] = field(default_factory=dict)
    _taken: dict[str, str] = field(default_factory=dict)

    def pin(self, schema: Any, name: str, what: str) -> str | None:
        """Return the path of the file that holds a schema; None, with a note, for what is no JSON Schema.

        Args:
            schema: the schema, a reference, or a multi-format schema object.
            name: what to call the file where the schema is not a reference with a name.
            what: whose schema it is, for the note.
        """
        source = reference_of(schema)
        meaning = self.reader.follow(schema)
        if isinstance(meaning, dict) and "schemaFormat" in meaning:
            form = str(meaning["schemaFormat"])
            if not JSON_SCHEMA_FORMATS.fullmatch(form):
                self.reader.note(f"left out: the schema of {what}, which is in the format {form}")
                return None
            inner = meaning.get("schema")
            source = reference_of(inner) or source
            meaning = self.reader.follow(inner)
        if not isinstance(meaning, dict):
            self.reader.note(f"left out: the schema of {what}, which is no object of JSON Schema")
            return None
        if source is not None:
            name = source.rpartition("/")[2] or name
        made = _Bundle(self.reader).whole(meaning, source)
        return self._place(made, name)

    def _place(self, schema: JsonObject, name: str) -> str:
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")[:_MOST_BYTES_IN_NAME] or "message"
        number = 1
        while True:
            path = f"{FOLDER}/{stem if number == 1 else f'{stem}-{number}'}{SUFFIX}"
            known = self._taken.setdefault(path.lower(), path)
            if known == path and self.files.setdefault(path, schema) == schema:
                return path
            number += 1


class _Bundle:
    """One schema with what it refers to below ``$defs``."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._names: dict[str, str] = {}
        self._open: list[str] = []

    def whole(self, schema: JsonObject, source: str | None) -> JsonObject:
        if source is not None:
            self._names[source] = "#"
        made: JsonObject = with_references({key: one for key, one in schema.items() if key != "$defs"}, self._local)
        definitions: JsonObject = {}
        while self._open:
            reference = self._open.pop(0)
            meaning = self._reader.follow({"$ref": reference})
            definitions[self._names[reference].rpartition("/")[2]] = with_references(
                {} if meaning is None else meaning, self._local
            )
        made = {"$schema": DIALECT} | made
        return made | ({"$defs": dict(sorted(definitions.items()))} if definitions else {})

    def _local(self, reference: str) -> str:
        if reference not in self._names:
            stem = re.sub(r"[^A-Za-z0-9._-]", "_", reference.rpartition("/")[2]) or "schema"
            taken, name, number = set(self._names.values()), stem, 1
            while f"#/$defs/{name}" in taken:
                number += 1
                name = f"{stem}-{number}"
            self._names[reference] = f"#/$defs/{name}"
            self._open.append(reference)
        return self._names[reference]
