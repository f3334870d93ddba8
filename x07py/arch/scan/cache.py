"""What earlier scans found: a file that did not change is neither read nor parsed again.

A file counts as unchanged if its size, inode, and times of content and of change are the ones that were seen; no
program can set the last. A file that changed in the two seconds before it was read is read again the next time: a later
change may fall into the same tick of the clock. In a fresh checkout, where times tell nothing, what needs a syntax tree
goes by the content.

The cache is a file in the user's cache folder and not in the project, so that nobody can hide a finding by committing
one. It is rebuilt when it is damaged, was written by another version, or is gone. It grows with the project's imports.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py._version import __version__
from x07py.arch.model import Depth, Module
from x07py.osbound import TABLE

if TYPE_CHECKING:
    from x07py.arch.scan.files import SourceFile

_DIGEST = 32
_TICK_NS = 2_000_000_000
_UNSETTLED = (0, 0, 0, 0)


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
        if data[:_DIGEST] != self._seal(data[_DIGEST:]):
            return None
        return marshal.loads(memoryview(data)[_DIGEST:])  # noqa: S302 (sealed by us, in the user's own folder)

    def write(self, value: Any) -> None:
        """Write a value of plain tuples, lists, dicts, texts and numbers; a folder that refuses it costs time only."""
        body = marshal.dumps(value)
        temporary = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(self._seal(body) + body)
            temporary.replace(self.file)

    def _seal(self, body: bytes) -> bytes:
        seal = hashlib.sha256(_version())
        seal.update(body)
        return seal.digest()


class ScanCache:
    """The modules of one project by path, each with the facts of the file that it was read from."""

    def __init__(self, root: Path) -> None:
        self._started = time.time_ns()
        self._store = Store(root, "scan")
        self._old: dict[str, Any] = self._store.read() or {}
        self._new: dict[str, Any] = {}
        self._changed = False

    def find(self, file: SourceFile, module_id: str, depth: Depth) -> Module | None:
        """Return the module that was read from the unchanged file under the same name, or None."""
        row = self._old.get(file.path)
        if row is None or row[0] != file.stat or row[1] != depth or row[3][0] != module_id:
            return None
        self._new[file.path] = row
        return Module(*row[3])

    def find_content(self, file: SourceFile, data: bytes, module_id: str, depth: Depth) -> Module | None:
        """Return the module that a full scan read from the same bytes under the same name, or None."""
        row = self._old.get(file.path) if depth else None
        if row is None or row[2] != _digest(data, depth) or row[1] != depth or row[3][0] != module_id:
            return None
        module = Module(*row[3])
        self.add(file, data, module, depth)
        return module

    def add(self, file: SourceFile, data: bytes, module: Module, depth: Depth) -> None:
        """Remember a module that was read from `data`."""
        settled = file.stat[2] < self._started - _TICK_NS
        self._new[file.path] = (file.stat if settled else _UNSETTLED, depth, _digest(data, depth), tuple(module))
        self._changed = True

    def save(self) -> None:
        """Write what was found and added."""
        if self._changed or len(self._new) != len(self._old):
            self._store.write(self._new)


def _digest(data: bytes, depth: Depth) -> bytes:
    """Return what tells contents apart; reading imports alone costs no more than a digest."""
    return hashlib.sha256(data).digest() if depth else b""


@cache
def _version() -> bytes:
    table = hashlib.sha256(TABLE.read_bytes()).hexdigest()
    return f"{__version__} {sys.version} {table}".encode()


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base)
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # a user without a home keeps no cache: nothing can be made below a device
        return Path(os.devnull)
