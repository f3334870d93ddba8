"""What the check remembers between runs, in the user's cache folder.

Not in the project, so that nobody can hide a finding by committing it. A file that is damaged, was written by another
version, or is gone counts as empty. The folder can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import sys
from pathlib import Path
from typing import Any

from x07py._version import __version__

FileFacts = tuple[int, int, int, int]
"""Size, time of content and time of change (nanoseconds), inode."""

_DIGEST = 32
_TICK_NS = 2_000_000_000
_TABLE = Path(__file__).parents[1] / "osbound.toml"


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
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]
        self.file = _cache_folder() / "x07" / "arch" / f"{name}.{kind}"

    def read(self) -> Any:
        """Return the value that was written by this version, or None."""
        try:
            data = self.file.read_bytes()
        except OSError:
            return None
        if data[:_DIGEST] != _seal(memoryview(data)[_DIGEST:]):
            return None
        return marshal.loads(memoryview(data)[_DIGEST:])  # noqa: S302 (sealed, and in the user's own folder)

    def write(self, value: Any) -> None:
        """Write a value of plain tuples, lists, dicts, texts and numbers; a folder that refuses it costs time only."""
        body = marshal.dumps(value)
        temporary = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_seal(memoryview(body)) + body)
            temporary.replace(self.file)


def _seal(body: memoryview) -> bytes:
    seal = hashlib.sha256(f"{__version__} {sys.version}".encode() + _TABLE.read_bytes())
    seal.update(body)
    return seal.digest()


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base)
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # a user without a home keeps no cache: nothing can be made below a device
        return Path(os.devnull)
