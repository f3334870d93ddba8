"""What the check remembers between runs, in the user's cache folder.

Not in the project, and sealed by a key of the user, so that nobody can hide a finding by committing it, wherever the
cache folder lies. A file that is damaged, was written by another version, or is gone counts as empty. The folder can be
deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py._version import __version__
from x07py.errors import FileError
from x07py.files import read_file, replace_file
from x07py.files.own import cache_folder, project_id, seal, unseal

if TYPE_CHECKING:
    import os

FileFacts = tuple[int, int, int, int]
"""Size, time of content and time of change (nanoseconds), inode."""

_DIGEST = 32
_MOST_BYTES = 2**30
_TICK_NS = 2_000_000_000
_TABLES = [
    Path(__file__).parents[1] / name for name in ("osbound.toml", "effects/primitives.toml", "effects/quiet.toml")
]


def facts(stat: os.stat_result) -> FileFacts:
    """Return what tells whether a file changed; no program can set the time of change."""
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def is_settled(file: FileFacts, started_ns: int) -> bool:
    """Tell whether facts that a run took will differ after any later change.

    Two changes within one tick of the clock look alike, so a file that changed in the last two seconds is not.
    """
    return file[2] < started_ns - _TICK_NS


class Store:
    """One file of the cache: a value that is written whole, and read back only if every byte of it is as written.

    Args:
        root: the project's folder.
        kind: what the file holds, part of its name.
    """

    def __init__(self, root: Path, kind: str) -> None:
        self._root = root
        folder = cache_folder(root)
        self.file: Path | None = None if folder is None else folder / "x07" / "arch" / f"{project_id(root)}.{kind}"

    def read(self) -> Any:
        """Return the value that was written by this version, or None."""
        if self.file is None:
            return None
        try:
            data = unseal(self._root, read_file(self.file, limit=_MOST_BYTES))
        except (OSError, FileError):
            return None
        if data is None or not data.startswith(_version()):
            return None
        return marshal.loads(memoryview(data)[_DIGEST:])  # noqa: S302 (sealed by this user's key)

    def write(self, value: Any) -> None:
        """Write a value of plain tuples, lists, dicts, texts and numbers; a folder that refuses it costs time only."""
        if self.file is None:
            return
        with contextlib.suppress(OSError, FileError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self.file, seal(self._root, _version() + marshal.dumps(value)), mode=0o600)


def _version() -> bytes:
    """Return what a stored value depends on beside the project."""
    return hashlib.sha256(
        f"{__version__} {sys.version}".encode() + b"".join(table.read_bytes() for table in _TABLES)
    ).digest()
