"""JSON documents of the check: schema faults in plain words, and digests that do not depend on layout."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from x07py.arch.model import finding
from x07py.arch.place import POINTER, escaped
from x07py.contracts.fits import surely_fits
from x07py.contracts.schemas import load_schema
from x07py.errors import FileError

if TYPE_CHECKING:
    from pathlib import Path

    from jsonschema.protocols import Validator

    from x07py.diag import Diagnostic


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a document breaks its schema: where (JSON pointer), which rule, and what."""

    instance_path: str
    schema_path: str
    message: str


@cache
def _validator(schema: str) -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(load_schema(schema))


def schema_faults(document: Any, schema: str) -> list[Fault]:
    """Return the faults of a document, sorted by place; time is linear in the document."""
    if surely_fits(document, load_schema(schema)):
        return []
    found = [
        Fault(_pointer(error.absolute_path), _pointer(error.absolute_schema_path), error.message[:400])
        for error in _validator(schema).iter_errors(document)
    ]
    return sorted(found, key=lambda fault: (fault.instance_path, fault.schema_path, fault.message))


def schema_findings(document: Any, schema: str, code: str, path: str, hint: str) -> list[Diagnostic]:
    """Return the faults of a document as findings: each names its place in the document and in the schema."""
    return [
        finding(
            code,
            f"{fault.instance_path or 'the document'}: {fault.message}",
            path=path,
            hint=hint,
            data={POINTER: fault.instance_path, "schema_path": fault.schema_path},
        )
        for fault in schema_faults(document, schema)
    ]


def _pointer(parts: Any) -> str:
    return "".join(f"/{escaped(part)}" for part in parts)


def jcs_sha256(document: Any) -> str:
    """Return the SHA-256 of a document as compact JSON with sorted keys: layout and key order do not count."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def pretty(document: Any) -> bytes:
    """Return a document as sorted, indented JSON with a final newline."""
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def canonical(document: Any) -> bytes | None:
    """Return a document in the canonical form of RFC 8785, None if it has none (an integer beyond 2^53)."""
    import rfc8785

    try:
        return rfc8785.dumps(document)
    except rfc8785.CanonicalizationError:
        return None


def write_file(path: Path, data: bytes) -> None:
    """Replace a file, whole or not at all.

    Raises:
        FileError: ``X07IO_WRITE``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise FileError(
            "X07IO_WRITE", f"cannot write: {error.strerror}", where=str(path), hint="check who may write there"
        ) from None
