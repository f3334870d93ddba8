"""The one way to show text that others made: on a terminal, in a log of continuous integration, in JSON, in HTML.

File names, keys, kinds, messages of a checkout may hold escapes that rewrite a terminal, characters that turn the
direction of text, and lines that a runner of workflows takes for commands. They are shown as escapes, everywhere.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\n]")
_COMMAND = re.compile(r"^([ \t]*)::", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(?=[A-Za-z]*\[)")


def counted(number: int, what: str, many: str = "") -> str:
    """Return a count with its word: ``1 error``, ``2 errors``; `many` where an ``s`` does not make the plural."""
    return f"{number} {what if number == 1 else many or f'{what}s'}"


def escaped(text: str) -> str:
    """Return `text` as one line: what is not printable, and bytes that are not UTF-8, as escapes."""
    return text if text.isprintable() else "".join(map(_escape, text))


def terminal(text: str) -> str:
    """Return `text` for a terminal or a log: line ends and tabs stay, other escapes and workflow commands do not.

    GitHub takes a line that starts with ``::``, and ``##[`` anywhere, for a command; Azure ``##vso[`` and TeamCity
    ``##teamcity[``.
    """
    if not text.replace("\n", "").isprintable():
        text = "".join(char if char in "\n\t" else _escape(char) for char in text)
    if "::" in text:
        text = _COMMAND.sub(r"\1\\x3a\\x3a", text)
    return _OLD_COMMAND.sub(r"#\\x23", text) if "##" in text else text


def json_text(document: Any, *, indent: int | None = 2) -> str:
    """Return a document as JSON that a terminal shows as it is: what is not printable stands as ``\\u`` escapes.

    Raises:
        ValueError: for a number that JSON does not have.
    """
    separators = None if indent else (",", ":")
    text = json.dumps(
        document,
        indent=indent,
        separators=separators,
        sort_keys=indent is not None,
        ensure_ascii=False,
        allow_nan=False,
    )
    return _OLD_COMMAND.sub(r"#\\u0023", _UNPRINTABLE.sub(_json_escape, text))


def html_data(document: Any) -> str:
    """Return a document as JSON that may stand in a ``script`` element."""
    return json_text(document, indent=None).replace("<", "\\u003c")


def content_policy(page: str) -> str:
    """Return the Content-Security-Policy of a page: its own scripts and styles, and nothing from anywhere.

    Args:
        page: the page, whose scripts without a type are hashed.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in _scripts(page))
    return (
        f"default-src 'none'; script-src {hashes or chr(39) + 'none' + chr(39)}; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


def _scripts(page: str) -> Iterator[str]:
    opening, closing = "<script>", "</script>"
    start = page.find(opening)
    while start >= 0 and (end := page.find(closing, start)) >= 0:
        yield page[start + len(opening) : end]
        start = page.find(opening, end)


def _digest(script: str) -> str:
    import base64
    import hashlib

    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _escape(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\x{ord(char) - 0xDC00:02x}" if "\udc80" <= char <= "\udcff" else char.encode("unicode_escape").decode()


def _json_escape(match: re.Match[str]) -> str:
    char = match[0]
    if char.isprintable():
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
