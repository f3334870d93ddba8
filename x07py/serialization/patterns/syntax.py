"""The syntax of regular expressions of ECMA 262 with its flag ``u``, as JSON Schema has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain

from x07py.serialization.patterns.characters import (
    ANY_OF_LINE,
    DIGITS,
    SPACES,
    WORDS,
    Ranges,
    category,
    of,
    others,
    united,
)

_LONGEST, _DEEPEST, _LARGEST = 20_000, 50, 10_000
"""Characters of a pattern, groups in groups, and steps that it is made of when each repetition is written out."""
_MOST_RANGES = 50_000
"""Of all classes of a pattern; a property has hundreds."""
_QUANTIFIER = re.compile(r"\{(\d{1,6})(?:(,)(\d{0,6}))?\}")
_CLASSES = {"d": DIGITS, "w": WORDS, "s": SPACES}
_CONTROLS = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}
_CODES = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}")
_LOW_HALF = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_PROPERTY = re.compile(r"\{(?:(?:gc|General_Category)=)?([A-Z][a-z]?)\}")
_NAME = re.compile(r"<[A-Za-z_$][\w$]{0,100}>")
_COMBINE = "say it by a second pattern, with allOf and not"
_GROUPS = {
    "(?=": ("a look-ahead", _COMBINE),
    "(?!": ("a look-ahead", _COMBINE),
    "(?<=": ("a look-behind", _COMBINE),
    "(?<!": ("a look-behind", _COMBINE),
    "(?P<": ("a group of Python's own syntax", "write (?<name>...)"),
    "(?P=": ("a reference back", "write out what may stand there"),
    "(?": ("a group of another syntax", "write both cases of letters instead of a flag, as in [Aa], and (?:...)"),
}


class PatternError(ValueError):
    """A pattern that is not searched for: what about it, and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}: {hint}")
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of several sets, or of none of them; joining these takes time, and is left to a search."""

    sets: tuple[Ranges, ...]
    negated: bool = False

    def ranges(self) -> Ranges:
        """Return the characters."""
        found = self.sets[0] if len(self.sets) == 1 else united(chain.from_iterable(self.sets))
        return others(found) if self.negated else found


@dataclass(frozen=True, slots=True)
class Edge:
    """A place between two characters: ``^``, ``$``, ``b`` or ``B``."""

    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same several times; without a most, any number of times."""

    part: Node
    least: int
    most: int | None


Node = Chars | Edge | Row | Choice | Repeat


def parse(text: str) -> Node:
    """Return what a pattern says; raises `PatternError`."""
    if len(text) > _LONGEST:
        raise PatternError(f"a pattern of {len(text)} characters", f"{_LONGEST} are the most")
    node = _Reader(text).whole()
    if _size(node) > _LARGEST:
        message = f"the pattern {_short(text)} with its repetitions written out has more than {_LARGEST} steps"
        raise PatternError(message, "bound the length by minLength and maxLength")
    return node


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _size(node: Node) -> int:
    """Return how many steps a pattern has at most when each repetition is written out."""
    match node:
        case Row(parts) | Choice(parts):
            return 1 + sum(map(_size, parts))
        case Repeat(part, least, None):
            return 1 + _size(part) * max(least, 1)
        case Repeat(part, least, int(most)):
            return 1 + _size(part) * least + (_size(part) + 1) * (most - least)
    return 1


class _Reader:
    """One pattern, read from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth, self._ranges = text, 0, 0, 0

    def whole(self) -> Node:
        node = self._choice()
        if self._at < len(self._text):
            raise self._fault("a closing parenthesis without an opening one", "write \\)")
        return node

    def _fault(self, what: str, hint: str) -> PatternError:
        return PatternError(f"the pattern {_short(self._text)} has {what} at character {self._at + 1}", hint)

    def _ahead(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _take(self, text: str) -> bool:
        found = self._ahead(text)
        self._at += len(text) * found
        return found

    def _matched(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        found = expression.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _choice(self) -> Node:
        rows = [self._row()]
        while self._take("|"):
            rows.append(self._row())
        return rows[0] if len(rows) == 1 else Choice(tuple(rows))

    def _row(self) -> Node:
        parts = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def _repeated(self, part: Node) -> Node:
        counts = self._counts()
        if counts is None:
            return part
        if isinstance(part, Edge):
            raise self._fault("a repetition of a place", "leave it out")
        if self._text[self._at : self._at + 1] == "+":
            raise self._fault("a possessive repetition", "leave out its +")
        self._take("?")  # whether a text fits does not depend on where a search begins
        if self._counts() is not None:
            raise self._fault("a repetition of a repetition", "put the first into (?:...)")
        return Repeat(part, *counts)

    def _counts(self) -> tuple[int, int | None] | None:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return counts
        if self._ahead("{,"):
            raise self._fault("a repetition without a least number", "write {0,...}, or \\{ for the character")
        found = self._matched(_QUANTIFIER)
        if found is None:
            return None
        least = int(found[1])
        most = (int(found[3]) if found[3] else None) if found[2] else least
        if most is not None and most < least:
            raise self._fault("a repetition whose most is less than its least", "exchange them")
        return least, most

    def _atom(self) -> Node:
        one = self._text[self._at]
        if self._counts() is not None:
            raise self._fault("a repetition of nothing", f"write \\{one} for the character")
        if one == "(":
            return self._group()
        if one == "[":
            return self._class()
        if one == "\\":
            return self._escape()
        self._at += 1
        if one in "^$":
            return Edge(one)
        return Chars((ANY_OF_LINE if one == "." else of(one),))

    def _group(self) -> Node:
        named = self._ahead("(?<") and _NAME.match(self._text, self._at + 2)
        if named:
            self._at = named.end()
        elif not self._take("(?:"):
            for start, (what, hint) in _GROUPS.items():
                if self._ahead(start):
                    raise self._fault(what, hint)
            self._at += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._fault(f"more than {_DEEPEST} groups in each other", "write fewer")
        node = self._choice()
        self._depth -= 1
        if not self._take(")"):
            raise self._fault("a group that does not end", "write \\( for the character")
        return node

    def _escape(self) -> Node:
        if self._text[self._at + 1 : self._at + 2] in ("b", "B"):
            self._at += 2
            return Edge(self._text[self._at - 1])
        return Chars((self._escaped(),))

    def _escaped(self) -> Ranges:
        """Read what stands behind a backslash: one character, or a class."""
        start = self._at
        self._at += 1
        one = self._text[self._at : self._at + 1]
        if found := self._matched(_CODES):
            code = int(found[found.lastindex or 0], 16)
            if found[2] and 0xD800 <= code < 0xDC00 and (low := self._matched(_LOW_HALF)):
                code = 0x10000 + ((code - 0xD800) << 10) + (int(low[1], 16) - 0xDC00)
            if code <= 0x10FFFF:
                return ((code, code),)
        self._at += 1
        after = self._text[self._at : self._at + 1]
        if one.lower() in _CLASSES:
            return _CLASSES[one] if one.islower() else others(_CLASSES[one.lower()])
        if one in _CONTROLS:
            return of(_CONTROLS[one])
        if one in ("p", "P") and (found := self._matched(_PROPERTY)) and (ranges := category(found[1])):
            return ranges if one == "p" else others(ranges)
        if one == "0" and not after.isdigit():
            return ((0, 0),)
        if one == "c" and after.isascii() and after.isalpha():
            self._at += 1
            return ((ord(after) % 32,) * 2,)
        if one and not (one.isascii() and one.isalnum()):
            return of(one)
        self._at = start
        raise self._fault(*_refused(one))

    def _class(self) -> Node:
        start = self._at
        self._at += 1
        negated = self._take("^")
        if self._ahead("]"):
            raise self._fault("an empty class", "write \\] for the character, or [\\s\\S] for any character")
        found: list[Ranges] = []
        while not self._take("]"):
            first = self._member(start)
            if self._ahead("-") and not self._ahead("-]"):
                self._at += 1
                last = self._member(start)
                if not _is_one(first) or not _is_one(last) or first > last:
                    raise self._fault(
                        "a range in a class that does not go from one character to a later one", "write \\-"
                    )
                first = ((first[0][0], last[0][1]),)
            found.append(first)
            self._ranges += len(first)
            if self._ranges > _MOST_RANGES:
                raise self._fault(f"more than {_MOST_RANGES} ranges of characters", "write each property once")
        return Chars(tuple(found), negated)

    def _member(self, start: int) -> Ranges:
        if self._at >= len(self._text):
            self._at = start
            raise self._fault("a class that does not end", "write \\[ for the character")
        if self._ahead("[:"):
            raise self._fault("a class by name, which ECMA 262 does not have", "write its characters, as in [A-Za-z]")
        if self._take("\\b"):
            return of("\b")
        if self._ahead("\\"):
            return self._escaped()
        self._at += 1
        return of(self._text[self._at - 1])


def _is_one(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def _refused(one: str) -> tuple[str, str]:
    """Return what is wrong about a backslash before a character, and what to do."""
    if one.isdigit() or one == "k":
        return "a reference back", "write out what may stand there"
    if one in ("A", "Z", "z"):
        return f"\\{one}, which ECMA 262 does not have", f"write {'^' if one == 'A' else '$'}"
    if one in ("p", "P"):
        return f"\\{one} with another property than a general category", "write one as in \\p{Lu}, or the characters"
    return (
        f"\\{one}, which ECMA 262 does not have" if one else "a backslash at its end",
        "leave out the backslash, or write it twice",
    )
