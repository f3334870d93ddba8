"""Whether all that one JSON Schema accepts, another one accepts too, as far as rules for each keyword can show it.

What is shown: types, finite values, bounds, required and other properties, items, combinations of schemas and
references, also recursive ones. What is not (``not``, ``if``, ``contains``, ``dependencies``, what is unevaluated, two
different patterns) has to stay as it is. ``format`` and remarks say nothing about what is accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from referencing.jsonschema import DRAFT3, DRAFT4

from x07py.serialization.compatibility.json_keywords import (
    IGNORED,
    PLAIN,
    SPEAKS_OF,
    bound_follows,
    group_of,
    named_types,
    refers,
    words,
)
from x07py.serialization.compatibility.json_parts import (
    Facts,
    Part,
    all_of,
    branches,
    finite,
    is_impossible,
    item_facts,
    patterns_of,
    possible_types,
    property_facts,
    tuple_of,
)
from x07py.serialization.compatibility.patterns import UnshownError, fits
from x07py.serialization.json_schema import JsonFormat

if TYPE_CHECKING:
    from x07py.serialization.schema import Schema

_MOST_STEPS = 20_000
_OBJECT = ("properties", "patternProperties", "additionalProperties")
_ARRAY = ("prefixItems", "items", "additionalItems")


def parsed(schema: Schema) -> JsonFormat:
    """Return a schema made ready to be compared; raises `SchemaError` 9598."""
    return JsonFormat(schema)


def incompatibilities(reader: JsonFormat, writer: JsonFormat) -> list[str]:
    """Return why the reader may not take all that the writer writes; nothing if it takes all."""
    if words(reader.document) == words(writer.document) and not (reader.schema.references or writer.schema.references):
        return []
    try:
        _check_drafts(reader, writer)
        _Proof().follows(Part.root(reader), (Part.root(writer),), "$")
    except UnshownError as error:
        return [str(error)]
    except RecursionError:
        return ["the schemas are nested too deeply to be compared"]
    except Exception as error:  # noqa: BLE001 (of schemas of others, the libraries raise many things)
        return [f"the schemas cannot be compared: {type(error).__name__}: {error}"]
    return []


def _check_drafts(reader: JsonFormat, writer: JsonFormat) -> None:
    """Raise for drafts whose keywords mean something else, or of which the other knows some and this one does not."""
    drafts = {reader.draft.name, writer.draft.name}
    if DRAFT3.name in drafts or (DRAFT4.name in drafts and len(drafts) > 1):
        raise UnshownError(f"schemas of {' and '.join(sorted(drafts))} are not compared")


class _TooLargeError(UnshownError):
    """No other way is tried."""


class _Proof:
    """One comparison; what it has shown, or is about to show, of two places that refer to themselves."""

    def __init__(self) -> None:
        self._shown: set[tuple[object, ...]] = set()
        self._steps = 0

    def follows(self, goal: Part, facts: Facts, path: str, split: frozenset[str] = frozenset()) -> None:
        """Raise unless each value that fits all facts fits the goal."""
        known = tuple({id(part.schema): part for fact in facts for part in all_of(fact)}.values())
        self._count(len(known))
        key = (id(goal.schema), *(id(one.schema) for one in known))
        if key in self._shown or is_impossible(known):
            return
        before = set(self._shown)
        self._shown.add(key)
        try:
            for part in all_of(goal):
                self._part_follows(part, known, path)
        except _TooLargeError:
            raise
        except UnshownError:
            self._shown = before
            cases = branches(known, split)
            if cases is None:
                raise
            question, parts = cases
            for one in parts:
                self.follows(goal, (*known, one), path, split | {question})

    def _count(self, steps: int) -> None:
        self._steps += max(steps, 1)
        if self._steps > _MOST_STEPS:
            raise _TooLargeError("the schemas are too large to be compared")

    def _part_follows(self, goal: Part, facts: Facts, path: str) -> None:
        types = possible_types(facts)
        groups = set()
        for keyword, rule in goal.schema.items():
            if keyword in IGNORED or (keyword in SPEAKS_OF and not types & SPEAKS_OF[keyword]):
                continue
            if keyword in _OBJECT or keyword in _ARRAY:
                groups.add("object" if keyword in _OBJECT else "array")
            elif not self._keyword_follows(keyword, rule, goal, facts, path):
                raise UnshownError(f"{path}: {_wanted(keyword, rule, facts)}")
        if "object" in groups:
            self._properties_follow(goal, facts, path)
        if "array" in groups:
            self._items_follow(goal, facts, path)

    def _keyword_follows(self, keyword: str, rule: Any, goal: Part, facts: Facts, path: str) -> bool:
        values = finite(facts)
        match keyword:
            case "type":
                return possible_types(facts) <= named_types(rule)
            case "enum" | "const":
                wanted = {words(one) for one in (rule if keyword == "enum" else [rule])}
                return values is not None and {words(one) for one in values} <= wanted
            case "required":
                given = {name for fact in facts for name in fact.schema.get("required", ())}
                return given >= set(rule)
            case "anyOf":
                return any(self._can_follow(goal.at(one), facts, path) for one in rule)
            case "oneOf":
                return self._one_follows([goal.at(one) for one in rule], facts, path) or _stays(keyword, goal, facts)
        if keyword in PLAIN and values is not None and not isinstance(rule, bool):
            if keyword == "pattern":
                return all(fits(rule, one) for one in values if isinstance(one, str))
            return all(Draft202012Validator({keyword: rule}).is_valid(one) for one in values)
        if keyword in PLAIN:
            return any(bound_follows(keyword, rule, fact.schema) for fact in facts)
        if keyword not in SPEAKS_OF and keyword not in {"not", "if", "then", "else", "$dynamicRef", "$recursiveRef"}:
            return True  # no keyword of the drafts, and so a remark
        return _stays(keyword, goal, facts)

    def _can_follow(self, goal: Part, facts: Facts, path: str) -> bool:
        try:
            self.follows(goal, facts, path)
        except _TooLargeError:
            raise
        except UnshownError:
            return False
        return True

    def _one_follows(self, goals: list[Part], facts: Facts, path: str) -> bool:
        """One of the schemas follows, and none of the others can fit besides."""
        for number, goal in enumerate(goals):
            others = goals[:number] + goals[number + 1 :]
            self._count(len(others))
            if all(_are_apart(tuple(all_of(one)), facts) for one in others) and self._can_follow(goal, facts, path):
                return True
        return False

    def _properties_follow(self, goal: Part, facts: Facts, path: str) -> None:
        named, patterns = goal.schema.get("properties", {}), goal.schema.get("patternProperties", {})
        listed = {name for fact in facts for name in fact.schema.get("properties", {})}
        theirs = patterns_of(facts)
        self._count((len(patterns) + len(theirs)) * (len(named) + len(listed)))
        for name, rule in named.items():
            self.follows(goal.at(rule), property_facts(facts, name), f"{path}.{name}")
        others = property_facts(facts, None)
        for pattern, rule in patterns.items():
            for name in sorted(name for name in listed if fits(pattern, name)):
                self.follows(goal.at(rule), property_facts(facts, name), f"{path}.{name}")
            for one, part in theirs:
                self.follows(goal.at(rule), (part,), f"{path}.{{{one}}}")
            if pattern not in dict(theirs):
                self.follows(goal.at(rule), others, f"{path}.{{{pattern}}}")
        rule = goal.schema.get("additionalProperties", True)
        if rule is True:
            return
        left = {name for name in listed - named.keys() if not any(fits(one, name) for one in patterns)}
        for name in sorted(left):
            self.follows(goal.at(rule), property_facts(facts, name), f"{path}.{name}")
        for one, part in theirs:
            if one not in patterns:
                self.follows(goal.at(rule), (part,), f"{path}.{{{one}}}")
        self.follows(goal.at(rule), others, f"{path}.*")

    def _items_follow(self, goal: Part, facts: Facts, path: str) -> None:
        first, rest = tuple_of(goal)
        longest = max((len(tuple_of(fact)[0]) for fact in facts), default=0)
        for place, one in enumerate(first):
            self.follows(one, item_facts(facts, place), f"{path}[{place}]")
        for place in range(len(first), longest):
            self.follows(rest, item_facts(facts, place), f"{path}[{place}]")
        self.follows(rest, item_facts(facts, None), f"{path}[*]")


def _stays(keyword: str, goal: Part, facts: Facts) -> bool:
    """Tell whether one schema says the same as before, with all that the keyword goes with, and means the same."""
    group = group_of(keyword, goal.schema)
    if not group:
        return True
    if keyword in {"$dynamicRef", "$recursiveRef"} or refers(group):
        return False
    rule = words(group)
    return any(words(group_of(keyword, one.schema)) == rule for one in facts if one.draft is goal.draft)


def _are_apart(one: Facts, other: Facts) -> bool:
    """Tell whether no value fits both for sure: by their types, or by the values of a property that is always there."""
    if not possible_types(one) & possible_types(other):
        return True
    if possible_types(other) != {"object"}:
        return False
    for name in {name for fact in other for name in fact.schema.get("required", ())}:
        left, right = (finite(property_facts(facts, name)) for facts in (one, other))
        if left is not None and right is not None and not {words(v) for v in left} & {words(v) for v in right}:
            return True
    return False


def _wanted(keyword: str, rule: Any, facts: Facts) -> str:
    """Say what the reader wants and the writer does not promise."""
    if not any(fact.schema for fact in facts):
        return f"{keyword} {words(rule)[:80]} is asked for, and anything may stand there"
    if keyword == "type":
        return f"may be {' or '.join(sorted(possible_types(facts)))}, and has to be {words(rule)}"
    if keyword == "required":
        given = {name for fact in facts for name in fact.schema.get("required", ())}
        return f"{', '.join(sorted(set(rule) - given))} is required, and may be missing"
    return f"{keyword} {words(rule)[:80]} does not follow from what the other schema says"
