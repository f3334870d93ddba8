"""What several JSON Schemas say together about a value, its properties and its items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from referencing.jsonschema import DRAFT3, DRAFT4, DRAFT6, DRAFT7, DRAFT202012

from x07py.serialization.compatibility.json_keywords import TYPES, named_types, types_of, words
from x07py.serialization.compatibility.patterns import UnshownError, fits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from referencing import Specification
    from referencing._core import Resolver

    from x07py.serialization.json_schema import JsonFormat

_REF_ALONE = (DRAFT3, DRAFT4, DRAFT6, DRAFT7)
"""Drafts in which nothing beside a ``$ref`` counts."""
_ANYTHING: dict[str, Any] = {}
_NOTHING: dict[str, Any] = {"enum": []}
_OF_TYPE: dict[str, dict[str, Any]] = {name: {"type": name} for name in TYPES}


class Part(NamedTuple):
    """A schema, where its references lead, and its draft."""

    schema: dict[str, Any]
    resolver: Resolver[Any]
    draft: Specification[Any]
    types: dict[int, frozenset[str]]
    """What a value may be by schemas of this document that were looked at; a schema refers to many, and many to it."""

    @classmethod
    def root(cls, parsed: JsonFormat) -> Part:
        """Return a whole schema."""
        return cls(_ANYTHING, parsed.resolver, parsed.draft, {}).at(parsed.document)

    def at(self, schema: Any) -> Part:
        """Return a schema that stands in this one; true and false are written out."""
        if isinstance(schema, bool):
            schema = _ANYTHING if schema else _NOTHING
        return self._replace(schema=schema)


Facts = tuple[Part, ...]
"""Schemas that a value is known to fit, each of them."""


def all_of(part: Part, seen: set[int] | None = None) -> Iterator[Part]:
    """Yield the schemas that have to fit where a schema does: itself, those of ``allOf``, and what it refers to.

    Raises:
        UnshownError: one is of another draft than what refers to it.
    """
    schema = part.schema
    seen = set() if seen is None else seen
    if id(schema) in seen:
        return
    seen.add(id(schema))
    if part.draft.detect(schema) is not part.draft:
        raise UnshownError("a schema that refers to one of another draft is not compared")
    resolver = part.resolver.in_subresource(part.draft.create_resource(schema))
    here = part._replace(resolver=resolver)
    if isinstance(schema.get("$ref"), str):
        found = resolver.lookup(schema["$ref"])
        yield from all_of(part._replace(resolver=found.resolver).at(found.contents), seen)
        if part.draft in _REF_ALONE:
            return
    yield here
    for one in schema.get("allOf", ()):
        yield from all_of(here.at(one), seen)


def is_impossible(facts: Facts) -> bool:
    """Tell whether no value fits for sure."""
    return not possible_types(facts) or finite(facts) == []


def possible_types(facts: Facts) -> frozenset[str]:
    """Return the types that a value may have; more than it can have, perhaps, and none is missing."""
    types = TYPES
    for fact in facts:
        schema = fact.schema
        types &= named_types(schema["type"]) if "type" in schema else TYPES
        if "enum" in schema or "const" in schema:
            values = schema["enum"] if "enum" in schema else [schema["const"]]
            types &= frozenset(name for one in values for name in types_of(one))
        for keyword in ("anyOf", "oneOf"):
            cases = [_types_by(fact.at(one)) for one in schema.get(keyword, ())]
            types &= frozenset().union(*cases) if cases else TYPES
    return types


def _types_by(part: Part) -> frozenset[str]:
    """Return the types that one schema allows; any, where it refers to itself."""
    place = id(part.schema)
    if place not in part.types:
        part.types[place] = TYPES
        part.types[place] = possible_types(tuple(all_of(part)))
    return part.types[place]


def finite(facts: Facts) -> list[Any] | None:
    """Return the values that there can be at most, or None if they are not listed."""
    for fact in facts:
        if "enum" in fact.schema:
            return list(fact.schema["enum"])
        if "const" in fact.schema:
            return [fact.schema["const"]]
    types = possible_types(facts)
    if types and types <= {"boolean", "null"}:
        return [*([True, False] if "boolean" in types else []), *([None] if "null" in types else [])]
    return None


def branches(facts: Facts, split: frozenset[str]) -> tuple[str, list[Part]] | None:
    """Return cases of which one holds, with the question; None if there is nothing left to tell apart.

    Args:
        facts: what is known.
        split: questions that were asked before.
    """
    for fact in facts:
        for keyword in ("anyOf", "oneOf"):
            cases = fact.schema.get(keyword)
            if cases and words(cases) not in split:
                return words(cases), [fact.at(one) for one in cases]
    for fact in facts:
        types = fact.schema.get("type")
        if isinstance(types, list) and len(types) > 1 and words(types) not in split:
            return words(types), [fact.at(_OF_TYPE[name]) for name in types]
    return None


def property_facts(facts: Facts, name: str | None) -> Facts:
    """Return what is known of a property; without a name, of one that no schema lists and no pattern fits.

    Raises:
        UnshownError: a pattern is not searched for.
    """
    found: list[Part] = []
    for fact in facts:
        schema = fact.schema
        listed = schema.get("properties", {})
        own = [listed[name]] if name is not None and name in listed else []
        if name is not None:
            own += [rule for one, rule in schema.get("patternProperties", {}).items() if fits(one, name)]
        if not own and "additionalProperties" in schema:
            own = [schema["additionalProperties"]]
        found += [fact.at(one) for one in own]
    return tuple(found)


def patterns_of(facts: Facts) -> list[tuple[str, Part]]:
    """Return the patterns that names of properties are compared with, and the schema of those that fit."""
    return [(one, fact.at(rule)) for fact in facts for one, rule in fact.schema.get("patternProperties", {}).items()]


def tuple_of(part: Part) -> tuple[list[Part], Part]:
    """Return the schemas of an array's first items, and that of the others."""
    schema = part.schema
    if part.draft is DRAFT202012:
        first, rest = schema.get("prefixItems", []), schema.get("items", True)
    else:
        items = schema.get("items", True)
        one_for_all = not isinstance(items, list)
        first, rest = ([], items) if one_for_all else (items, schema.get("additionalItems", True))
    return [part.at(one) for one in first], part.at(rest)


def item_facts(facts: Facts, place: int | None) -> Facts:
    """Return what is known of an item; without a place, of one behind all that have a schema of their own."""
    found = []
    for fact in facts:
        first, rest = tuple_of(fact)
        found.append(first[place] if place is not None and place < len(first) else rest)
    return tuple(found)
