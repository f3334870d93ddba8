"""A schema as a registry holds it, and what each format does with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from x07py.errors import NotInstalledError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("avro", "json", "protobuf")


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema, with those that it refers to.

    Args:
        kind: ``avro``, ``json`` or ``protobuf``.
        text: JSON; of Protobuf the file's ``FileDescriptorProto`` in Base64, as registries give it for
            ``format=serialized``.
        references: schemas by the name that the text has for each: an Avro type, a URI, a ``.proto`` file.
    """

    kind: str
    text: str
    references: tuple[tuple[str, Schema], ...] = ()


class Format(Protocol):
    """A parsed schema of one kind."""

    schema: Schema

    def encode(self, value: Any) -> bytes:
        """Return what stands behind the schema's id."""
        ...

    def decode(self, body: bytes, writer: Any) -> Any:
        """Return the value of what stands behind the id of the schema `writer`, of this kind, as this one sees it."""
        ...

    def payload(self, body: bytes, writer: Any) -> bytes:
        """Return the value's own bytes."""
        ...

    def mark_size(self, body: bytes) -> int:
        """Return how many of the first bytes say which of the schema's messages it is; only Protobuf has such."""
        ...


def lacking(kind: str, error: ImportError) -> NotInstalledError:
    """Return the error of a library that is not there."""
    hint = f"pip install 'x07py[{kind}]'"
    return NotInstalledError(9635, f"{kind} needs {error.name}, which is not installed", hint=hint)


def all_references(schema: Schema) -> Mapping[str, Schema]:
    """Return what a schema refers to, and what that refers to, by name, in an order in which each can be read."""
    found: dict[str, Schema] = {}
    seen: set[int] = set()

    def add(inner: Schema) -> None:
        if id(inner) in seen:
            return
        seen.add(id(inner))
        for name, one in inner.references:
            add(one)
            found[name] = one

    add(schema)
    return found


def unusable(kind: str, reason: object) -> SchemaError:
    """Return the error of a schema that is none."""
    return SchemaError(9598, f"not a usable {kind} schema: {_line(reason)}", hint="correct the schema that is pinned")


def misfit(what: str, reason: object) -> SchemaError:
    """Return the error of a value that does not go with its schema."""
    return SchemaError(9597, f"{what} does not fit its schema: {_line(reason)}", hint="look at what wrote it")


def _line(reason: object) -> str:
    text = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)
    return " ".join(text.split())[:500]
