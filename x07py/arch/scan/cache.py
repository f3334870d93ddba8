"""What earlier scans found, by the content of each file: a file that did not change is not parsed again.

The cache is a file in the user's cache folder and not in the project, so that nobody can hide a finding by committing
one. It is rebuilt when it is damaged, was written by another version, or is gone. It grows with the project's imports.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

from x07py._version import __version__
from x07py.arch.model import BareBytes, Import, Module, Place, Use
from x07py.osbound import TABLE


class ScanCache:
    """The modules of one project by path, each with the digest of the file that it was read from."""

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]
        self.file = _cache_folder() / "x07" / "arch" / f"{name}.json"
        self._version = f"{__version__} {sys.version} {hashlib.sha256(TABLE.read_bytes()).hexdigest()}"
        self._old = self._read()
        self._new: dict[str, list[Any]] = {}

    def find(self, path: str, data: bytes, module_id: str, *, deep: bool) -> Module | None:
        """Return the module that was read from the same bytes under the same name, or None."""
        row = self._old.get(path)
        if row is None or row[:3] != [_digest(data), module_id, deep]:
            return None
        self._new[path] = row
        _, _, _, is_package, imports, uses, exports, bare = row
        return Module(
            id=module_id,
            path=path,
            is_package=is_package,
            imports=tuple(Import(base, name, kind, Place(*place)) for base, name, kind, place in imports),
            uses=tuple(Use(name, Place(*place)) for name, place in uses),
            exports=tuple(exports),
            bare_bytes=tuple(BareBytes(symbol, param, kind, Place(*place)) for symbol, param, kind, place in bare),
        )

    def add(self, data: bytes, module: Module, *, deep: bool) -> None:
        """Remember a module that was read from `data`."""
        facts: list[tuple[Any, ...]] = [module.imports, module.uses, module.exports, module.bare_bytes]
        rows = [[astuple(one) if not isinstance(one, str) else one for one in group] for group in facts]
        self._new[module.path] = [_digest(data), module.id, deep, module.is_package, *rows]

    def save(self) -> None:
        """Write what was found and added; a folder that cannot be written costs time only."""
        if self._new == self._old:
            return
        body = json.dumps({"version": self._version, "modules": self._new}, separators=(",", ":")).encode()
        temporary = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_digest(body).encode() + b"\n" + body)
            temporary.replace(self.file)

    def _read(self) -> dict[str, list[Any]]:
        try:
            digest, _, body = self.file.read_bytes().partition(b"\n")
        except OSError:
            return {}
        if digest != _digest(body).encode():
            return {}
        document = json.loads(body)
        rows: dict[str, list[Any]] = document["modules"]
        return rows if document["version"] == self._version else {}


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base)
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # a user without a home keeps no cache: nothing can be made below a device
        return Path(os.devnull)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
