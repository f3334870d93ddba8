"""JSON documents of the check: schema faults in plain words, and digests that do not depend on layout."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from x07py.arch.model import finding
from x07py.arch.place import POINTER, escaped
from x07py.contracts.schema_check import surely_fits
from x07py.contracts.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    from x07py.diag import Diagnostic


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a document breaks its schema: where (JSON pointer), which rule, what, and what may be meant."""

    instance_path: str
    schema_path: str
    message: str
    hint: str | None = None


@cache
def _validator(schema: str) -> Validator:
    return _made(load_schema(schema))


def _made(schema: dict[str, Any]) -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)


def schema_faults(document: Any, schema: str | dict[str, Any]) -> list[Fault]:
    """Return the faults of a document, sorted by place; `schema` is one, or the name of one that x07py ships."""
    if surely_fits(document, load_schema(schema) if isinstance(schema, str) else schema):
        return []
    validator = _validator(schema) if isinstance(schema, str) else _made(schema)
    found = [fault for error in validator.iter_errors(document) for fault in _faults(error)]
    return sorted(found, key=lambda fault: (fault.instance_path, fault.schema_path, fault.message))


def schema_findings(document: Any, schema: str | dict[str, Any], code: str, path: str, hint: str) -> list[Diagnostic]:
    """Return the faults of a document as findings: each names its place in the document and in the schema."""
    return [
        finding(
            code,
            f"{fault.instance_path or 'the document'}: {fault.message}",
            path=path,
            hint=fault.hint or hint,
            data={POINTER: fault.instance_path, "schema_path": fault.schema_path},
        )
        for fault in schema_faults(document, schema)
    ]


def _faults(error: ValidationError) -> Iterator[Fault]:
    """Yield the faults of one error; of alternatives that a constant tells apart, those of the one that is meant."""
    if error.validator == "oneOf" and error.context:
        wrong = {one.schema_path[0]: one for one in error.context if one.validator == "const"}
        meant = [one for one in error.context if one.schema_path[0] not in wrong]
        if len({one.schema_path[0] for one in meant}) == 1:
            for one in meant:
                yield from _faults(one)
            return
        if not meant and len({_pointer(one.absolute_path) for one in wrong.values()}) == 1:
            error = next(iter(wrong.values()))
            names = [one.validator_value for one in wrong.values()]
            message = f"{error.instance!r} is not one of {names!r}"
            yield Fault(
                _pointer(error.absolute_path),
                _pointer(error.absolute_schema_path),
                message,
                _near(error.instance, names),
            )
            return
    hint = None
    instance: Any = error.instance
    if error.validator == "enum":
        allowed: Any = error.validator_value
        hint = _near(instance, allowed)
    elif error.validator == "additionalProperties" and isinstance(error.schema, dict):
        known = error.schema.get("properties", {})
        hint = next(filter(None, (_near(name, known) for name in instance if name not in known)), None)
    yield Fault(_pointer(error.absolute_path), _pointer(error.absolute_schema_path), error.message[:400], hint)


def _near(name: object, known: Iterable[object]) -> str | None:
    near = get_close_matches(str(name), [one for one in known if isinstance(one, str)], 1)
    return f"did you mean {near[0]!r}?" if near else None


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
