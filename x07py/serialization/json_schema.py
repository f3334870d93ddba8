"""JSON Schema, by jsonschema; what a schema refers to is at hand or an error, and never fetched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Never

from jsonschema import (
    Draft3Validator,
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)
from jsonschema.exceptions import SchemaError as DraftError
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import (
    DRAFT3,
    DRAFT4,
    DRAFT6,
    DRAFT7,
    DRAFT201909,
    DRAFT202012,
    UnknownDialect,
    specification_with,
)

from x07py.serialization.dialects import check_schema, dialect, parse_patterns
from x07py.serialization.patterns import PatternError
from x07py.serialization.schema import Schema, all_references, misfit, unusable

if TYPE_CHECKING:
    from referencing import Specification
    from referencing._core import Resolver

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_VALIDATORS = {
    DRAFT3.name: Draft3Validator,
    DRAFT4.name: Draft4Validator,
    DRAFT6.name: Draft6Validator,
    DRAFT7.name: Draft7Validator,
    DRAFT201909.name: Draft201909Validator,
    DRAFT202012.name: Draft202012Validator,
}


class JsonFormat:
    """A parsed JSON Schema, draft 7 if it does not say; raises `SchemaError` 9598 for one that cannot be used."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.document = _document(schema)
        try:
            registry = self._read()
        except DraftError as error:
            raise unusable("JSON", error.message) from None
        except UnknownDialect as error:
            raise unusable("JSON", f"$schema {error.uri} is no draft that jsonschema has") from None
        except PatternError as error:
            raise unusable("JSON", str(error)) from None
        except Exception as error:  # noqa: BLE001 (of a schema of others, the libraries raise many things)
            raise unusable("JSON", error) from None
        self.validator = dialect(self.document, Draft7Validator)(self.document, registry=registry)

    def _read(self) -> Registry[Any]:
        """Check the documents, and all that they refer to, before a message comes by."""
        self.draft: Specification[Any] = _specification(self.document)
        others: Registry[Any] = Registry()
        documents = {name: _document(one) for name, one in all_references(self.schema).items()}
        for name, document in documents.items():
            resource = _specification(document).create_resource(document)
            uri = resource.id()
            others = others.with_resources([(name, resource), *([(uri, resource)] if uri else [])])
        root = self.draft.create_resource(self.document)
        self.resolver: Resolver[Any] = others.resolver_with_root(root)
        whole = others.with_resource(root.id() or "", root)
        places = [(others[name], whole.resolver(name)) for name in documents]
        _check_places([*places, (root, whole.resolver(root.id() or ""))])
        return others

    def encode(self, value: Any) -> bytes:
        """Return a value as compact JSON, the bytes that Confluent's serializer writes."""
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            self.validator.validate(value)
            return text.encode()
        except ValidationError as error:
            raise misfit("the value", _told(error)) from None
        except PatternError as error:
            raise misfit("the value", str(error)) from None
        except Exception as error:  # noqa: BLE001 (by a schema of others, the libraries raise many things)
            raise misfit("the value", error) from None

    def decode(self, body: bytes, writer: JsonFormat) -> Any:
        """Return the value, which has to fit this schema, whatever the writer's was."""
        del writer
        try:
            value = json.loads(body, parse_constant=_refuse)
            self.validator.validate(value)
        except ValidationError as error:
            raise misfit("the message", _told(error)) from None
        except PatternError as error:
            raise misfit("the message", str(error)) from None
        except Exception as error:  # noqa: BLE001
            raise misfit("the message", error) from None
        return value

    def payload(self, body: bytes, writer: JsonFormat) -> bytes:
        """Return the JSON text."""
        del writer
        return body

    def mark_size(self, body: bytes) -> int:
        """Return 0."""
        del body
        return 0


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


def _check_places(places: list[tuple[Resource[Any], Resolver[Any]]]) -> None:
    """Check documents, the schemas inside, and all that these refer to, each once."""
    for resource, _ in places:
        _check(resource)
    todo, seen = list(places), set()
    while todo:
        resource, resolver = todo.pop()
        schema = resource.contents
        if not isinstance(schema, dict) or id(schema) in seen:
            continue
        seen.add(id(schema))
        resolver = resolver.in_subresource(resource)
        parse_patterns(schema)
        for inner in resource.subresources():
            if isinstance(inner.contents, dict) and "$schema" in inner.contents:
                _check(inner)
            todo.append((inner, resolver))
        for reference in (schema[word] for word in _REFERENCES if isinstance(schema.get(word), str)):
            found = resolver.lookup(reference)
            led = Resource.from_contents(found.contents, default_specification=resource._specification)
            if id(led.contents) not in seen:
                _check(led)
                todo.append((led, found.resolver))


def _check(resource: Resource[Any]) -> None:
    check_schema(resource.contents, _VALIDATORS[resource._specification.name])
