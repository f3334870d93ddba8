"""Imports of a Python module by its tokens: for files in a syntax that the running Python does not have.

A syntax tree is made by the Python that runs, so a file written for a newer one has none: nested quotes in f-strings
(PEP 701), ``lazy import`` (PEP 810) and whatever comes. What a string, a bracket, a comment and an import statement is
stays the same, and that is all that is read here. A file with an open string or bracket, or with ``import`` where no
statement starts, is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from x07py.arch.scan.names import absolute
from x07py.arch.scan.statements import STATEMENT, add_import

if TYPE_CHECKING:
    from x07py.arch.model import Import, ImportKind

_TOKEN = re.compile(
    r"""
    (?P<blank> (?: [ \t\f]++ | \\\n )++ )
  | (?P<comment> \#[^\n]* )
  | (?P<line> \n )
  | (?P<string> (?P<prefix> [bBfFrRtTuU]{0,2}) (?P<quote> \"\"\" | ''' | " | ') )
  | (?P<name> (?: [^\W\d]\w* ) )
  | (?P<open> [(\[{] )
  | (?P<close> [)\]}] )
  | (?P<colon> : (?!=) )
  | (?P<semicolon> ; )
  | (?P<other> \d\w* | . )
    """,
    re.VERBOSE,
)
_STATEMENT = re.compile(rf"(?:lazy[ \t]+)?{STATEMENT}", re.VERBOSE)
_GUARD = re.compile(r"if[ \t]+\(?(?:typing\.|t\.)?TYPE_CHECKING\)?[ \t]*:")
_SET = re.compile(r"TYPE_CHECKING[ \t]*+(?P<type>:[^=\n]*+)?+(?:=(?!=)(?P<off>(?=[ \t]*False\b))?())?")
"""Where the guard's condition stands, to the value that it is given, if there is one.

It goes over a type at once, and so over names in it: what would be given to them is given here.
"""
_NAMED = re.compile(r"\bas[ \t]+(?:TYPE_CHECKING|typing|t)\b(?!\.)")
_BY_NAME = re.compile(r"""(?:import_module|__import__|resolve_name)\(\s*(["'])([A-Za-z_][\w.]*)(?::[\w.]*)?\1""")
_PAIRS = {")": "(", "]": "[", "}": "{"}


def token_imports(text: str, package: str) -> list[Import]:
    """Return the imports of a module in their order; time is linear in the text.

    Args:
        text: the module's source with ``\\n`` line ends.
        package: dotted name of the package that relative imports start from.

    Raises:
        SyntaxError: a string or a bracket is open, or an import is not one in any version of Python.
    """
    reader = _Tokens(text, package)
    reader.read()
    return reader.found


class _Tokens:
    def __init__(self, text: str, package: str) -> None:
        self.text = text
        self.package = package
        self.found: list[Import] = []
        self._open: list[str] = []
        self._starts = True
        self._indent = 0
        self._line_start = 0
        self._guard: int | None = None
        self._guard_line = False
        self._guarded = not _may_be_set(text)

    def read(self) -> None:
        """Go through all tokens."""
        at = 0
        while at < len(self.text):
            token = _TOKEN.match(self.text, at)
            if token is None:
                raise self._fault("a character that no token starts with", at)
            at = self._take(token)
        if self._open:
            raise self._fault(f"{self._open[-1]!r} is never closed", len(self.text))

    def _take(self, token: re.Match[str]) -> int:
        """Look at one token, and return where the next one starts."""
        kind, at, after = token.lastgroup, token.start(), token.end()
        if kind == "line" and not self._open:
            self._starts, self._line_start, self._guard_line = True, after, False
        elif kind == "quote" or kind == "string":
            self._begin(at)
            return self._string_end(after, token["quote"], token["prefix"])
        elif kind == "name":
            return self._name(token)
        elif kind == "open":
            self._begin(at)
            self._open.append(token[0])
        elif kind == "close":
            if not self._open or self._open.pop() != _PAIRS[token[0]]:
                raise self._fault(f"{token[0]!r} closes nothing", at)
        elif kind in {"colon", "semicolon"} and not self._open:
            self._starts = True
        elif kind == "other":
            self._begin(at)
        return after

    def _begin(self, at: int) -> None:
        """Note that a statement has begun: the first of a line tells whether a guard's block has ended."""
        if self._starts and not self.text[self._line_start : at].strip(" \t\f"):
            self._indent = at - self._line_start
            if self._guard is not None and self._indent <= self._guard:
                self._guard = None
        self._starts = False

    def _name(self, token: re.Match[str]) -> int:
        at, starts = token.start(), self._starts and not self._open
        self._begin(at)
        word = token[0]
        if starts and word in {"import", "from", "lazy"}:
            statement = _STATEMENT.match(self.text, at)
            if statement is not None:
                if not add_import(self.found, statement, self.package, self._kind(), at):
                    raise self._fault("an import that names nothing", at)
                return statement.end()
        if word == "import":
            raise self._fault("an import where no statement starts, or that is not complete", at)
        if starts and word == "if" and self._guarded and (guard := _GUARD.match(self.text, at)):
            self._guard, self._guard_line, self._starts = self._indent, True, True
            return guard.end()
        if call := _BY_NAME.match(self.text, at):
            self.found.append((call[2], (), "dynamic", at))
        return token.end()

    def _kind(self) -> ImportKind:
        return "type" if self._guard is not None and (self._guard_line or self._indent > self._guard) else "run"

    def _string_end(self, at: int, quote: str, prefix: str) -> int:
        """Return where a string ends whose content starts at `at`."""
        formatted = not {"f", "F", "t", "T"}.isdisjoint(prefix)
        text, size = self.text, len(quote)
        begun = at - size
        while at < len(text):
            char = text[at]
            if text.startswith(quote, at):
                return at + size
            if char == "\\":
                at += 2
            elif char == "\n" and size == 1:
                break
            elif formatted and char == "{":
                at = at + 2 if text.startswith("{{", at) else self._field_end(at + 1, quote)
            else:
                at += 1
        raise self._fault("a string that does not end", begun)

    def _field_end(self, at: int, quote: str) -> int:
        """Return where the replacement field that begins at `at` ends; strings of any quotes may stand in it."""
        depth, begun, text = 0, at, self.text
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                break
            kind = token.lastgroup
            at = token.end()
            if kind == "quote" or kind == "string":
                at = self._string_end(at, token["quote"], token["prefix"])
            elif kind == "open":
                depth += 1
            elif kind == "close" and depth:
                depth -= 1
            elif token[0] == "}":
                return at
            elif kind == "colon" and not depth:
                return self._format_end(at, quote)
        raise self._fault("a replacement field that does not end", begun)

    def _format_end(self, at: int, quote: str) -> int:
        begun = at
        while at < len(self.text) and not self.text.startswith(quote, at):
            char = self.text[at]
            if char == "}":
                return at + 1
            at = self._field_end(at + 1, quote) if char == "{" else at + 1
        raise self._fault("a format that does not end", begun)

    def _fault(self, what: str, at: int) -> SyntaxError:
        return SyntaxError(what, ("", self.text.count("\n", 0, at) + 1, None, None))


def _may_be_set(text: str) -> bool:
    """Tell whether the guard's condition may be true when the module runs."""
    given = (found for found in _SET.finditer(text) if found[3] is not None)
    return bool(_NAMED.search(text)) or any(
        found["off"] is None or "TYPE_CHECKING" in (found["type"] or "") for found in given
    )


def relative_name(package: str, name: str) -> str:
    """Return the dotted name that ``import_module(name, package)`` means, with dots in front if it leaves the top."""
    stem = name.lstrip(".")
    return absolute(package, len(name) - len(stem), stem)
