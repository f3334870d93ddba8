"""Imports of a Python module without a syntax tree: an expression reads strings, comments and import statements.

A tree costs a hundred times as much, and most modules need no other answer than what they import. `import` is a
keyword, so every one that stands outside of strings and comments belongs to an import statement. The expression reads a
file up to the last of them; where it meets anything that it does not know for sure, it gives up and the caller takes a
tree. Tests hold both to the same answers on the standard library and on installed packages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from x07py.arch.scan.names import DOTTED, NAME, absolute

if TYPE_CHECKING:
    from x07py.arch.model import Import

_OPENING = re.compile(
    r"""
    (?: [ \t]* (?:\#[^\n]*)? \n )*+
    (?: [rR]? (?: \"\"\" [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )* \"\"\"
                | ''' [^'\\]* (?: (?: \\. | '(?!'') ) [^'\\]* )* ''' ) [ \t]* \n )?
    """,
    re.VERBOSE | re.DOTALL,
)
"""Comments and the docstring that a module starts with."""
_PLAIN_LINE = re.compile(
    rf"""
    (?: [ \t]* (?:\#[^\n]*)? \n )*+
    () (?: import [ ] ({DOTTED}) | from [ ] (\.*) ({DOTTED})? [ ] import [ ] ({NAME}) ((?:,[ ]{NAME})*) )
    (?:[ ]as[ ]{NAME})? [ \t]* (?:\#[^\n]*)? \n
    """,
    re.VERBOSE,
)
"""A line that is one import statement as formatters write it, and the comments and empty lines above it."""
_LONG = 1000
_ENDS = frozenset(("", " ", "\t", "\\", "(", "\n", "\f", "*"))
_BEFORE = re.compile(r"(?:.*[:;])?[ \t\f]*(?:lazy[ \t\f]+)?(?:from\b.*)?")
"""What may stand on a line before the word ``import`` of a statement."""
_GUARD = "TYPE_CHECKING"


def lexical_imports(text: str, package: str) -> list[Import] | None:
    """Return the imports of a module in their order, or None where only a syntax tree gives an answer that is sure.

    Args:
        text: the module's source with ``\\n`` line ends.
        package: dotted name of the package that relative imports start from.
    """
    last = _last_import(text)
    if not last:
        return []
    found: list[Import] = []
    guards: list[str] = []
    position = _plain_lines(text, package, found)
    if position < last:
        from x07py.arch.scan.statements import read_statements

        if not read_statements(text, position, last, package, found, guards):
            return None
    return found if _guards_are_clear(text, guards, found) else None


def _last_import(text: str) -> int:
    """Return where the last ``import`` starts before which a statement may stand on its line, plus one; 0 without any.

    What is in prose (``important``, ``>>> from a import b``) need not be read up to; a long line is not looked into.
    """
    at = text.rfind("import")
    while at >= 0:
        start = text.rfind("\n", max(at - _LONG, 0), at) + 1
        seen = (start > 0 or at < _LONG) and text[start - 2 : start] != "\\\n"
        if not seen or (text[at + 6 : at + 7] in _ENDS and _BEFORE.fullmatch(text, start, at)):
            return at + 1
        at = text.rfind("import", 0, at)
    return 0


def _plain_lines(text: str, package: str, found: list[Import]) -> int:
    """Add the imports of the lines that most modules start with; return where the first other line starts."""
    opening = _OPENING.match(text)
    position = opening.end() if opening else 0
    while line := _PLAIN_LINE.match(text, position):
        position = line.end()
        _, plain, dots, base, name, more = line.groups()
        if plain:
            found.append((plain, (), "run", line.start(1)))
            continue
        if dots:
            base = absolute(package, len(dots), base or "")
        if base:
            found.append((base, (name, *more[2:].split(", ")) if more else (name,), "run", line.start(1)))
    return position


def _guards_are_clear(text: str, guards: list[str], found: list[Import]) -> bool:
    """Tell whether each ``TYPE_CHECKING`` in the text is a guard that was seen or the import of typing's own."""
    mentions = text.count(_GUARD)
    if not mentions:
        return True
    imported = sum(names.count(_GUARD) for base, names, _, _ in found if base == "typing")
    if mentions != len(guards) + imported or f"{_GUARD} as" in text or " as typing" in text:
        return False
    if _GUARD in guards and not imported:
        return False
    return f"typing.{_GUARD}" not in guards or any(base == "typing" and not names for base, names, _, _ in found)
