"""The drafts of JSON Schema, by jsonschema, without what costs more than schemas and values are long.

jsonschema searches by `re`, in four keywords and in the format of schemas themselves, compares each item that has to be
unique with each other one, and takes another class for a schema inside that names another draft.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import (
    Draft3Validator,
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend, validator_for
from referencing.jsonschema import lookup_recursive_ref, specification_with

from x07py.serialization.patterns import compile_pattern, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema.protocols import Validator


def dialect(schema: Any, default: type[Validator]) -> type[Validator]:
    """Return the class that validates by a schema: that of the draft that it names.

    Args:
        schema: a schema, also one inside of another.
        default: what it is where it names none: one of jsonschema's classes, or one of this function.
    """
    found: type[Validator] = validator_for(schema, default=default)
    return _OWN.get(found, found)


def check_schema(schema: Any, default: type[Validator]) -> None:
    """Raise `jsonschema.SchemaError` for what its draft does not call a schema; patterns are not looked at."""
    meta: Any = dialect(schema, default).META_SCHEMA
    judge: Any = dialect(meta, default)(meta)
    for error in judge.iter_errors(schema):
        raise SchemaError.create_from(error)


def parse_patterns(schema: Any) -> None:
    """Raise `PatternError` for a pattern of one schema, not of those inside, that is not searched for."""
    if isinstance(schema, dict):
        patterns = schema.get("patternProperties")
        for pattern in (schema.get("pattern"), *(patterns if isinstance(patterns, dict) else ())):
            if isinstance(pattern, str):
                parse(pattern)


def check_patterns(schema: Any, default: type[Validator]) -> None:
    """Raise `PatternError` for a pattern of a schema, or of one inside, that is not searched for.

    Args:
        schema: a schema that `check_schema` has nothing against.
        default: its draft where it names none, as for `dialect`.
    """
    draft: Any = dialect(schema, default).META_SCHEMA
    todo = [specification_with(draft["$schema"]).create_resource(schema)]
    while todo:
        resource = todo.pop()
        parse_patterns(resource.contents)
        todo += resource.subresources()


def _found(pattern: str, text: str) -> bool:
    return compile_pattern(pattern).found_in(text)


def _pattern(validator: Any, pattern: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _found(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    for pattern, rule in patterns.items() if validator.is_type(instance, "object") else ():
        for name, value in instance.items():
            if _found(pattern, name):
                yield from validator.descend(value, rule, path=name, schema_path=pattern)


def _by_pattern(instance: Mapping[str, Any], schema: Any) -> set[str]:
    """Return the properties that a schema speaks of by a pattern."""
    patterns = schema.get("patternProperties", ())
    return {name for name in instance if any(_found(one, name) for one in patterns)}


def _additional_properties(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    known = schema.get("properties", {}).keys() | _by_pattern(instance, schema)
    extras = [name for name in instance if name not in known]
    if validator.is_type(rule, "object"):
        for name in extras:
            yield from validator.descend(instance[name], rule, path=name)
    elif not rule and extras:
        yield ValidationError(f"Additional properties are not allowed ({_listed(extras)} unexpected)")


def _unevaluated_properties(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    evaluated = _evaluated(validator, instance, schema, outermost=True)
    left = [name for name in instance if name not in evaluated]
    wrong = [name for name in left if not _fits(validator, instance[name], rule)]
    if wrong:
        yield ValidationError(f"Unevaluated properties are not allowed ({_listed(wrong)} unexpected)")


def _listed(names: list[str]) -> str:
    return f"{', '.join(map(repr, names))} {'was' if len(names) == 1 else 'were'}"


def _fits(validator: Any, instance: Any, schema: Any) -> bool:
    return next(iter(validator.descend(instance, schema)), None) is None


def _evaluated(validator: Any, instance: Mapping[str, Any], schema: Any, *, outermost: bool = False) -> set[str]:
    """Return the properties that a schema which fits speaks of, and what it refers to or is made of."""
    if not isinstance(schema, dict):
        return set()
    if "additionalProperties" in schema or ("unevaluatedProperties" in schema and not outermost):
        return set(instance)
    found = {*(schema.get("properties", {}).keys() & instance.keys()), *_by_pattern(instance, schema)}
    for one, place in _parts(validator, instance, schema):
        found |= _evaluated(one, instance, place)
    return found


def _parts(validator: Any, instance: Mapping[str, Any], schema: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the schemas that also speak of an object and that it fits, each with what validates by it."""
    references = [validator._resolver.lookup(schema[one]) for one in ("$ref", "$dynamicRef") if one in schema]
    references += [lookup_recursive_ref(validator._resolver)] if "$recursiveRef" in schema else []
    for one in references:
        yield validator.evolve(schema=one.contents, _resolver=one.resolver), one.contents
    parts = [one for word in ("allOf", "oneOf", "anyOf") for one in schema.get(word, ())]
    parts += [one for name, one in schema.get("dependentSchemas", {}).items() if name in instance]
    if "if" in schema:
        fits = _fits(validator, instance, schema["if"])
        parts += [schema["if"], schema.get("then")] if fits else [schema.get("else")]
    for part in parts:
        if part is not None and _fits(validator, instance, part):
            yield validator, part


def _unique_items(validator: Any, rule: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if rule and validator.is_type(instance, "array") and len({_identity(one) for one in instance}) < len(instance):
        yield ValidationError(f"{instance!r} has non-unique elements")


def _identity(value: Any) -> Any:
    """Return what is equal for values that JSON Schema calls equal, and can be a member of a set."""
    if isinstance(value, dict):
        return dict, frozenset((name, _identity(one)) for name, one in value.items())
    if isinstance(value, list):
        return list, tuple(map(_identity, value))
    return (bool, value) if isinstance(value, bool) else value


_KEYWORDS = {
    "uniqueItems": _unique_items,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "unevaluatedProperties": _unevaluated_properties,
}


def _bounded(base: type[Validator]) -> type[Validator]:
    """Return a draft's class with searches that end, also in the schemas inside."""
    extended: Any = extend
    made = extended(base, {word: check for word, check in _KEYWORDS.items() if word in base.VALIDATORS})
    evolve = made.evolve

    def bounded(self: Any, **changes: Any) -> Any:
        found = evolve(self, **changes)
        own: Any = _OWN.get(type(found))
        if own is None:
            return found
        kept = {"registry": found._registry, "_resolver": found._resolver}
        return own(found.schema, format_checker=found.format_checker, **kept)

    made.evolve = bounded
    bounded_class: type[Validator] = made
    return bounded_class


_OWN: dict[type[Validator], type[Validator]] = {
    one: _bounded(one)
    for one in (
        Draft3Validator,
        Draft4Validator,
        Draft6Validator,
        Draft7Validator,
        Draft201909Validator,
        Draft202012Validator,
    )
}
"""The class that validates for each of jsonschema's."""
