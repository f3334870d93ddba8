"""Imports of a Python module without a syntax tree: an expression reads strings, comments and import statements.

A tree costs a hundred times as much, and most modules need no other answer than what they import. `import` is a
keyword, so every one that stands outside of strings and comments belongs to an import statement. The expression reads a
file up to the last of them; where it meets anything that it does not know for sure, it gives up and the caller takes a
tree. Tests hold both to the same answers on the standard library and on installed packages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from x07py.arch.model import Import, ImportKind

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_DOTTED = rf"{_NAME}(?:\.{_NAME})*"
_AS = rf"(?:[ \t]+as[ \t]+{_NAME})?"
_GAP = r"(?:[ \t]|\\\n)*"
_NAMES = rf"{_NAME}{_AS}(?:{_GAP},{_GAP}{_NAME}{_AS})*"
_STATEMENT = rf"""
    (?P<at>)
    (?: import [ \t]+ (?P<plain>{_DOTTED}{_AS}(?:[ \t]*,[ \t]*{_DOTTED}{_AS})*)
      | from [ \t]+ (?P<dots>\.*) (?P<base>{_DOTTED})? [ \t]+ import [ \t]+ {_GAP}
        (?: (?P<names>\*|{_NAMES}) | \( (?P<listed>[^()]*) \) )
    ) [ \t]* (?=[\n\#;]|\Z)
"""
_TOKEN = re.compile(
    rf"""
    [\n;:] [ \t]* {_STATEMENT}
  | \n (?P<indent>[ \t]*) if [ \t]+ (?P<guard>(?:typing\.)?TYPE_CHECKING) [ \t]* : [ \t]* (?=[\n\#])
  | \#[^\n]*
  | (?P<text> \"\"\" [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )* \"\"\"
      | ''' [^'\\]* (?: (?: \\. | '(?!'') ) [^'\\]* )* '''
      | " (?!"") [^"\\\n]* (?: \\. [^"\\\n]* )* "
      | ' (?!'') [^'\\\n]* (?: \\. [^'\\\n]* )* ' )
  | (?P<unsure> ["'] | (?<![A-Za-z0-9_\x80-\U0010ffff]) import (?![A-Za-z0-9_\x80-\U0010ffff]) )
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING = re.compile(
    r"""
    (?: [ \t]* (?:\#[^\n]*)? \n )*
    (?: [rR]? (?: \"\"\" [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )* \"\"\"
                | ''' [^'\\]* (?: (?: \\. | '(?!'') ) [^'\\]* )* ''' ) [ \t]* \n )?
    """,
    re.VERBOSE | re.DOTALL,
)
"""Comments and the docstring that a module starts with."""
_PLAIN_LINE = re.compile(
    rf"""
    (?: [ \t]* (?:\#[^\n]*)? \n )*
    () (?: import [ ] ({_DOTTED}) | from [ ] (\.*) ({_DOTTED})? [ ] import [ ] ({_NAME}) ((?:,[ ]{_NAME})*) )
    (?:[ ]as[ ]{_NAME})? [ \t]* (?:\#[^\n]*)? \n
    """,
    re.VERBOSE,
)
"""A line that is one import statement as formatters write it, and the comments and empty lines above it."""
_IN_BLOCK = re.compile(rf"(?:[ \t]*(?:\#[^\n]*)?\n)* (?P<indent>[ \t]+) {_STATEMENT} (?:\#[^\n]*)?", re.VERBOSE)
_NEXT_LINE = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*([ \t]*)(?=[^ \t]|\Z)")
_COMMENT = re.compile(r"#[^\n]*")
_LISTED = re.compile(rf"\s*({_NAME})(?:\s+as\s+{_NAME})?\s*")
_GUARD = "TYPE_CHECKING"


def lexical_imports(text: str, package: str) -> list[Import] | None:
    """Return the imports of a module in their order, or None where only a syntax tree gives an answer that is sure.

    Args:
        text: the module's source with ``\\n`` line ends.
        package: dotted name of the package that relative imports start from.
    """
    last = text.rfind("import") + 1
    if not last:
        return []
    found: list[Import] = []
    guards: list[str] = []
    position = _plain_lines(text, package, found)
    if position < last and not _further(text, position, last, package, found, guards):
        return None
    return found if _guards_are_clear(text, guards, found) else None


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


def _further(text: str, position: int, last: int, package: str, found: list[Import], guards: list[str]) -> bool:
    """Add the imports that stand after `position`, the start of a line; tell whether they are sure.

    Args:
        text: the whole module.
        position: where reading goes on.
        last: where it may end.
        package: where relative imports start from.
        found: the imports before, to be added to.
        guards: conditions that name ``TYPE_CHECKING``, to be added to.
    """
    type_only_until = -1
    for token in _TOKEN.finditer("\n" + text, position):
        kind = token.lastgroup
        if kind == "text":
            if _cuts_a_replacement_field(token):
                return False
        elif kind is not None:
            if kind == "unsure" or _continues_a_line(token):
                return False
            if kind == "guard":
                until = _end_of_imports(token)
                if until is None:
                    return False
                type_only_until = until
                guards.append(token["guard"])
            elif not _add(found, token, package, "type" if token.start() < type_only_until else "run"):
                return False
        if token.end() > last:
            break
    return True


def absolute(package: str, level: int, name: str) -> str:
    """Return the dotted name that a relative import means, or an empty string if it leaves the top package."""
    if not level:
        return name
    parts = package.split(".")
    if level > len(parts) or not package:
        return ""
    return ".".join([*parts[: len(parts) - level + 1], *([name] if name else [])])


def _add(found: list[Import], token: re.Match[str], package: str, kind: ImportKind) -> bool:
    """Add what an import statement imports; tell whether that is sure."""
    offset = token.start("at") - 1
    plain, dots, base, names, listed = token.group("plain", "dots", "base", "names", "listed")
    if plain is not None:
        found += [(part.split()[0], (), kind, offset) for part in plain.split(",")]
        return True
    if listed is not None:
        parts = (_COMMENT.sub("", listed) if "#" in listed else listed).split(",")
        if not parts[-1].strip():
            parts.pop()
        matches = [_LISTED.fullmatch(part) for part in parts]
        if not matches or not all(matches):
            return False
        taken = tuple(match[1] for match in matches if match)
    else:
        taken = () if names == "*" else tuple([part.split()[0] for part in names.replace("\\\n", "").split(",")])
    origin = absolute(package, len(dots), base or "")
    if origin:
        found.append((origin, taken, kind, offset))
    return True


def _continues_a_line(token: re.Match[str]) -> bool:
    start = token.start()
    return start > 0 and token.string[start - 1] == "\\"


def _cuts_a_replacement_field(token: re.Match[str]) -> bool:
    """Tell whether an f-string may go on after what looks like its end: Python 3.12 lets quotes stand in fields."""
    text, start = token.string, token.start()
    before = text[start - 1]
    formatted = before in "fFtT" or (before in "rR" and text[start - 2] in "fFtT")
    return formatted and token[0].count("{") != token[0].count("}")


def _end_of_imports(guard: re.Match[str]) -> int | None:
    """Return where the block below ``if TYPE_CHECKING:`` ends, or None if it holds more than imports."""
    text, position, indent = guard.string, guard.end(), guard["indent"]
    while statement := _IN_BLOCK.match(text, position):
        deeper = statement["indent"]
        if not deeper.startswith(indent) or deeper == indent:
            break
        position = statement.end()
        if text.startswith(";", position):
            return None
    following = _NEXT_LINE.match(text, position)
    ended = following is not None and indent.startswith(following[1])
    return position if ended else None


def _guards_are_clear(text: str, guards: list[str], found: list[Import]) -> bool:
    """Tell whether each ``TYPE_CHECKING`` in the text is a guard that was seen or the import of typing's own."""
    mentions = text.count(_GUARD)
    if not mentions:
        return True
    imported = sum(names.count(_GUARD) for base, names, _, _ in found if base == "typing")
    if mentions != len(guards) + imported or f"{_GUARD} as" in text:
        return False
    if _GUARD in guards and not imported:
        return False
    return f"typing.{_GUARD}" not in guards or any(base == "typing" and not names for base, names, _, _ in found)
