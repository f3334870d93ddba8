"""What earlier scans found: a file that did not change is neither read nor parsed again.

A file counts as unchanged if its size, inode, and times of content and of change are what was seen. In a fresh
checkout, where times tell nothing, what needs a syntax tree goes by the content. The cache grows with the project's
imports.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

from x07py.arch.model import Depth, Module
from x07py.arch.store import Store, is_settled

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.arch.scan.module_files import SourceFile

_UNSETTLED = (0, 0, 0, 0)


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
        stat = file.stat if is_settled(file.stat, self._started) else _UNSETTLED
        self._new[file.path] = stat, depth, _digest(data, depth), tuple(module)
        self._changed = True

    def save(self) -> None:
        """Write what was found and added."""
        if self._changed or len(self._new) != len(self._old):
            self._store.write(self._new)


def _digest(data: bytes, depth: Depth) -> bytes:
    """Return what tells contents apart; reading imports alone costs no more than a digest."""
    return hashlib.sha256(data).digest() if depth else b""
