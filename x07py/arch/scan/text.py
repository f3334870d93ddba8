"""The text of a source file, and where an offset stands in it."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from x07py.arch.scan.secrets import secret_offsets

if TYPE_CHECKING:
    from pathlib import Path

_BOM = "\ufeff"


def source_text(data: bytes) -> str:
    """Return the text of a Python file, in the encoding that it declares, with ``\\n`` line ends and without a BOM.

    Raises:
        SyntaxError, ValueError: the encoding is unknown, or the bytes are not in it.
    """
    head = data[: data.find(b"\n", data.find(b"\n") + 1)] if b"coding" in data else b""
    if b"coding" in head or (head and data.count(b"\n") < 2):
        import tokenize

        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    else:
        text = data.decode()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removeprefix(_BOM)


class Sources:
    """Gives the place of an offset in a module; keeps the text of the last few files that were asked for."""

    def __init__(self, root: Path) -> None:
        self._text = lru_cache(maxsize=8)(lambda path: _read(root / path))

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
        shown = None if secret_offsets(source) else source
        return {"path": path, "line": text.count("\n", 0, start) + 1, "column": offset - start + 1, "source": shown}

    def line(self, path: str, offset: int) -> int:
        """Return the line (1-based) of an offset."""
        text = self.text(path)
        return text.count("\n", 0, offset) + 1


def _read(path: Path) -> str:
    try:
        return source_text(path.read_bytes())
    except (OSError, ValueError, SyntaxError):  # it went away or changed since the scan
        return ""
