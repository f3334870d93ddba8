"""Patterns of paths and of dotted names, as expressions whose cost is linear in what they are matched with.

A pattern stands in a file of a checkout, and so does what it is matched with: ``*a*a*a*b`` on a long name of nothing
but ``a`` would hold a naive expression for hours. So each part between two wildcards is looked for once, from left to
right, and not again (an atomic group): the earliest place is as good as any, since a wildcard follows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STAR = "*"
_MOST = 1000
_Tokens = tuple[str, ...]


def compile_globs(patterns: Sequence[str]) -> re.Pattern[str]:
    """Return one expression that matches a whole path if any pattern does; `*` also matches ``/``.

    Raises:
        ValueError: a pattern has a bracket that is not closed, or stands for more than 1,000 without braces.
    """
    if not patterns:
        return re.compile(r"(?!)")
    found = [_joined(tokens, ".*") for pattern in patterns for tokens in _Reader(pattern).alternatives()]
    try:
        return re.compile("|".join(f"(?:{one})" for one in found), re.DOTALL)
    except re.error as error:
        raise ValueError(f"not a glob pattern: {error}") from None


def literal_glob(path: str) -> str:
    """Return the glob that matches `path` alone."""
    return re.sub(r"([*?\[{}\\])", r"[\1]", path)


def compile_dotted(name: str, *, one: str, many: str, least: int) -> re.Pattern[str]:
    """Return an expression for names of words between dots.

    Args:
        name: the pattern; a wildcard is a word of its own.
        one: the word that stands for any one word.
        many: the word that stands for several.
        least: the fewest characters that `many` stands for, 0 or 1.
    """
    tokens: list[str] = []
    for word in name.split("."):
        tokens += [r"\.", {one: "[^.]++", many: _STAR}.get(word, re.escape(word))]
    return re.compile(_joined(tuple(tokens[1:]), ".+" if least else ".*"), re.DOTALL)


def _joined(tokens: _Tokens, wildcard: str) -> str:
    """Return the expression for tokens, each of which is one of a character, or `_STAR`."""
    parts = [""]
    for token in tokens:
        if token != _STAR:
            parts[-1] += token
        elif parts[-1] or len(parts) == 1:
            parts.append("")
    first, *middle = parts
    if not middle:
        return first
    return first + "".join(f"(?>{wildcard}?{part})" for part in middle[:-1]) + wildcard + middle[-1]


class _Group(NamedTuple):
    """An open brace: what was read before it, and its alternatives that are whole."""

    before: list[_Tokens]
    whole: list[_Tokens]


class _Reader:
    """Reads a glob to the globs without braces that it stands for."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._here: list[_Tokens] = [()]
        self._open: list[_Group] = []

    def alternatives(self) -> list[_Tokens]:
        """Return the tokens of each."""
        for char, token in self._characters():
            if char == "{":
                self._open.append(_Group(self._here, []))
                self._here = [()]
            elif char == "}":
                group = self._close()
                self._follow([*group.whole, *self._here], group.before)
            elif char == "," and self._open:
                self._open[-1].whole.extend(self._here)
                self._here = [()]
            elif char == "**/":
                self._follow([(), (_STAR, "/")], self._here)
            else:
                self._follow([(token,)], self._here)
        if self._open:
            raise self._wrong()
        return self._here

    def _characters(self) -> Iterator[tuple[str, str]]:
        """Yield each character or bracket, and its expression."""
        pattern, at = self._pattern, 0
        while at < len(pattern):
            char = pattern[at]
            closing = pattern.find("]", at + 2) if char == "[" else -1
            if char == "[" and closing < 0:
                raise self._wrong()
            if pattern.startswith("**/", at):
                at += 3
                yield "**/", ""
            elif char == "[":
                inside = pattern[at + 1 : closing].replace("\\", r"\\").replace("[", r"\[")
                at = closing + 1
                yield "[]", "[" + ("^" + inside[1:] if inside[0] == "!" else inside) + "]"
            else:
                at += 1
                yield char, {"*": _STAR, "?": "."}.get(char, re.escape(char))

    def _close(self) -> _Group:
        if not self._open:
            raise self._wrong()
        return self._open.pop()

    def _follow(self, ends: list[_Tokens], starts: list[_Tokens]) -> None:
        if len(ends) * len(starts) > _MOST:
            raise ValueError(f"{self._pattern[:100]!r} stands for more than {_MOST} patterns without braces and **/")
        self._here = [start + end for start in starts for end in ends]

    def _wrong(self) -> ValueError:
        return ValueError(f"{self._pattern!r} is not a glob pattern")
