"""A first look at the project's manifest, for which no parser is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.files import MANIFEST_BYTES, cannot_read, read_file

if TYPE_CHECKING:
    from pathlib import Path

_FILES = ("x07.toml", "pyproject.toml")


def manifest_naming(root: Path, word: bytes) -> Path | None:
    """Return the manifest of the project at `root` if `word` stands in it.

    Raises:
        FileError: ``X07IO_READ``.
    """
    file = next((root / name for name in _FILES if (root / name).is_file()), None)
    if file is None:
        return None
    try:
        return file if word in read_file(file, limit=MANIFEST_BYTES, root=root) else None
    except OSError as error:
        raise cannot_read(file, error) from None
