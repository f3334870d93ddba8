"""Import statements in every form, read with their strings and comments; `lexer` tells when this is needed.

These expressions take longer to compile than many checks to run, so they are apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from x07py.arch.scan.names import DOTTED, NAME, absolute

if TYPE_CHECKING:
    from x07py.arch.model import Import, ImportKind

_AS = rf"(?:[ \t]+as[ \t]+{NAME})?"
_GAP = r"(?:[ \t]|\\\n)*+"
_NAMES = rf"{NAME}{_AS}(?:{_GAP},{_GAP}{NAME}{_AS})*"
STATEMENT = rf"""
    (?P<at>)
    (?: import [ \t]+ (?P<plain>{DOTTED}{_AS}(?:[ \t]*,[ \t]*{DOTTED}{_AS})*)
      | from [ \t]++ (?P<dots>\.*) (?P<base>{DOTTED})? [ \t]+ import [ \t]++ {_GAP}
        (?: (?P<names>\*|{_NAMES}) | \( (?P<listed>[^()]*) \) )
    ) [ \t]* (?=[\n\#;]|\Z)
"""
_TOKEN = re.compile(
    rf"""
    [\n;:] [ \t]* {STATEMENT}
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
_IN_BLOCK = re.compile(rf"(?:[ \t]*(?:\#[^\n]*)?\n)* (?P<indent>[ \t]+) {STATEMENT} (?:\#[^\n]*)?", re.VERBOSE)
_NEXT_LINE = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*([ \t]*)(?=[^ \t]|\Z)")
_COMMENT = re.compile(r"#[^\n]*")
_LISTED = re.compile(rf"\s*({NAME})(?:\s+as\s+{NAME})?\s*")


def read_statements(text: str, position: int, last: int, package: str, found: list[Import], guards: list[str]) -> bool:
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
            elif not add_import(
                found,
                token,
                package,
                "type" if token.start() < type_only_until else "run",
                token.start("at") - 1,
            ):
                return False
        if token.end() > last:
            break
    return True


def add_import(found: list[Import], token: re.Match[str], package: str, kind: ImportKind, offset: int) -> bool:
    """Add what an import statement, which stands at `offset`, imports; tell whether that is sure."""
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
