"""Where in a JSON document a finding points: its JSON pointer, turned into line, column and the line itself."""

from __future__ import annotations

from dataclasses import replace
from json import JSONDecoder
from typing import TYPE_CHECKING

from x07py.arch.scan.text import Sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from x07py.diag import Diagnostic

POINTER = "instance_path"
"""The key of a finding's data that holds the pointer (RFC 6901)."""


def with_places(root: Path, manifest_path: str, findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return findings, those with a pointer and no line with the place of what it names; linear in their documents.

    The line itself is shown of the manifest only: that of a contract may hold what should be secret, and reports are
    kept.
    """
    places = _Places(Sources(root), manifest_path)
    return [places.placed(row) if POINTER in row.data and row.path and not row.line else row for row in findings]


class _Places:
    """Gives the places of findings; each object and array of a document is read once, however many point into it."""

    def __init__(self, sources: Sources, shown: str) -> None:
        self._sources = sources
        self._shown = shown
        self._known: dict[str, dict[int, dict[str, int]]] = {}

    def placed(self, row: Diagnostic) -> Diagnostic:
        path = str(row.path)
        try:
            offset = offset_of(self._sources.text(path), row.data[POINTER], self._known.setdefault(path, {}))
        except (ValueError, IndexError, RecursionError):  # it changed since it was parsed
            return row
        place = self._sources.at(path, offset)
        if path != self._shown:
            place["source"] = None
        return replace(row, **place)


def escaped(name: object) -> str:
    """Return a key or an index as a part of a pointer."""
    return str(name).replace("~", "~0").replace("/", "~1")


def unescaped(part: str) -> str:
    """Return the key that a part of a pointer stands for (RFC 6901)."""
    return part.replace("~1", "/").replace("~0", "~")


def offset_of(text: str, pointer: str, known: dict[int, dict[str, int]] | None = None) -> int:
    """Return where the value that a pointer names begins in a JSON text; of what is not there, what is around it.

    Args:
        text: the document.
        pointer: as RFC 6901 has it.
        known: what earlier calls found in the same text, to be added to.

    Raises:
        ValueError, IndexError, RecursionError: the text is not JSON, or is nested too deeply.
    """
    inside = {} if known is None else known
    at = _blank(text, 0)
    for part in pointer.split("/")[1:]:
        if at not in inside:
            inside[at] = {}
            for name, offset in _children(text, at):
                inside[at].setdefault(name, offset)
        below = inside[at].get(unescaped(part))
        if below is None:
            return at
        at = below
    return at


def _children(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Yield the names and offsets of the values in the object or array that begins at an offset; none of another."""
    opening = text[at]
    if opening not in "{[":
        return
    decoder, number = JSONDecoder(), 0
    at = _blank(text, at + 1)
    while text[at] not in "}]":
        name = str(number)
        if opening == "{":
            name, at = decoder.raw_decode(text, at)
            at = _blank(text, _blank(text, at) + 1)
        yield name, at
        at = _blank(text, decoder.raw_decode(text, at)[1])
        at = _blank(text, at + 1) if text[at] == "," else at
        number += 1


def _blank(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at
