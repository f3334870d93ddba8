"""JSON Schema, by jsonschema; what a schema refers to is at hand or an error, and never fetched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Never

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError as DraftError
from jsonschema.exceptions import ValidationError
from jsonschema.validators import validator_for
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7, UnknownDialect, specification_with

from x07py.serialization.schema import Schema, all_references, misfit, unusable

if TYPE_CHECKING:
    from referencing import Specification
    from referencing._core import Resolver

_NO_SCHEMAS = {"const", "default", "enum", "examples"}


class JsonFormat:
    """A parsed JSON Schema, draft 7 if it does not say; raises `SchemaError` 9598 for one that cannot be used."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.document = _document(schema)
        registry: Registry[Any] = Registry()
        for name, one in all_references(schema).items():
            resource = Resource.from_contents(_document(one), default_specification=DRAFT7)
            uri = resource.id()
            registry = registry.with_resources([(name, resource), *([(uri, resource)] if uri else [])])
        draft = validator_for(self.document, default=Draft7Validator)
        try:
            draft.check_schema(self.document)
            self.draft: Specification[Any] = _specification(self.document)
            root: Resource[Any] = self.draft.create_resource(self.document)
            self.resolver: Resolver[Any] = registry.resolver_with_root(root)
            _resolve(self.document, self.resolver, self.draft)
        except DraftError as error:
            raise unusable("JSON", error.message) from None
        except UnknownDialect as error:
            raise unusable("JSON", f"$schema {error.uri} is no draft that jsonschema has") from None
        except (Unresolvable, RecursionError) as error:
            raise unusable("JSON", error) from None
        self.validator = draft(self.document, registry=registry)

    def encode(self, value: Any) -> bytes:
        """Return a value as compact JSON, the bytes that Confluent's serializer writes."""
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            self.validator.validate(value)
            return text.encode()
        except ValidationError as error:
            raise misfit("the value", _told(error)) from None
        except (TypeError, ValueError, RecursionError) as error:
            raise misfit("the value", error) from None

    def decode(self, body: bytes, writer: JsonFormat) -> Any:
        """Return the value, which has to fit this schema, whatever the writer's was."""
        del writer
        try:
            value = json.loads(body, parse_constant=_refuse)
            self.validator.validate(value)
        except ValidationError as error:
            raise misfit("the message", _told(error)) from None
        except (ValueError, RecursionError) as error:
            raise misfit("the message", error) from None
        return value

    def payload(self, body: bytes, writer: JsonFormat) -> bytes:
        """Return the JSON text."""
        del writer
        return body


def _document(schema: Schema) -> Any:
    try:
        document = json.loads(schema.text)
    except (ValueError, RecursionError) as error:
        raise unusable("JSON", error) from None
    if not isinstance(document, dict | bool):
        raise unusable("JSON", "it is neither an object nor true or false")
    return document


def _specification(document: Any) -> Specification[Any]:
    named = document.get("$schema") if isinstance(document, dict) else None
    return DRAFT7 if named is None else specification_with(named)


def _told(error: ValidationError) -> str:
    return f"{error.message} at {error.json_path}"


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")


def _resolve(schema: Any, resolver: Resolver[Any], specification: Specification[Any]) -> None:
    """Look every reference up, so that a missing one is told before a message comes by."""
    if isinstance(schema, dict):
        resolver = resolver.in_subresource(specification.create_resource(schema))
        if isinstance(schema.get("$ref"), str):
            resolver.lookup(schema["$ref"])
    inside = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    for name, one in inside:
        if name not in _NO_SCHEMAS:
            _resolve(one, resolver, specification)
