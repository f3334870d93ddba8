"""The text of a source file, and where an offset stands in it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from x07py.arch.scan.secrets import secret_offsets
from x07py.files import SOURCE_BYTES, read_file, source_text

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN_COLUMNS = 160


def excerpt(line: str, at: int) -> str:
    """Return a line, or of one that is long the part around an offset, with ``...`` where it goes on."""
    if len(line) <= _SHOWN_COLUMNS:
        return line
    first = max(min(at, len(line)) - _SHOWN_COLUMNS // 2, 0)
    last = first + _SHOWN_COLUMNS
    return f"{'...' if first else ''}{line[first:last]}{'...' if last < len(line) else ''}"


class Sources:
    """Gives the place of an offset in a module; keeps the text of the last few files that were asked for."""

    def __init__(self, root: Path) -> None:
        self._text = lru_cache(maxsize=8)(lambda path: _read(root / path))
        self._secret = lru_cache(maxsize=8)(lambda line: bool(secret_offsets(line)))

    def text(self, path: str) -> str:
        """Return the text of a file, empty if it is not there any more or cannot be read."""
        return self._text(path)

    def at(self, path: str, offset: int) -> dict[str, Any]:
        """Return the location fields of a finding: path, line and column (1-based), and the line without its end.

        A line with a password is not shown, since reports are kept.
        """
        text = self.text(path)
        start = text.rfind("\n", 0, offset) + 1
        end = text.find("\n", start)
        source = text[start : end if end >= 0 else None].rstrip()
        shown = None if self._secret(source) else excerpt(source, offset - start)
        return {"path": path, "line": text.count("\n", 0, start) + 1, "column": offset - start + 1, "source": shown}

    def at_line(self, path: str, line: int) -> dict[str, Any]:
        """Return the location fields of a finding about a line (1-based): its first character that is no space."""
        text = self.text(path)
        start = 0
        for _ in range(line - 1):
            start = text.find("\n", start) + 1
        while text[start : start + 1] in {" ", "\t"}:
            start += 1
        return self.at(path, start)

    def line(self, path: str, offset: int) -> int:
        """Return the line (1-based) of an offset."""
        text = self.text(path)
        return text.count("\n", 0, offset) + 1


def _read(path: Path) -> str:
    try:
        return source_text(path.name, read_file(path, limit=SOURCE_BYTES))
    except (OSError, ValueError, SyntaxError):  # it went away or changed since the scan
        return ""
