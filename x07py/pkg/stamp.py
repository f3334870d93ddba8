"""Remembering, by content, that a manifest and a lock fit: a lock of thousands of packages is then not read again."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import x07py
from x07py.contracts.lockfile import LOCK_NAME
from x07py.pkg.layout import cache_folder

if TYPE_CHECKING:
    from x07py.contracts.project import Project

_TOOLCHAIN = Path(x07py.__file__).parent / "catalog" / "packages"


def is_known_to_fit(project: Project) -> bool:
    """Tell whether these very bytes of manifest and lock were found to fit before, by this x07py."""
    stamp = _stamp(project)
    return stamp is not None and stamp.exists()


def remember_that_it_fits(project: Project) -> None:
    """Note that manifest and lock, as they stand on disk, fit. One empty file a pair, in the user's cache."""
    stamp = _stamp(project)
    if stamp is not None:
        with suppress(OSError):
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.touch()


def _stamp(project: Project) -> Path | None:
    """Return the file whose existence says that this manifest and lock fit; None if folders count as well."""
    if any(row.path is not None for row in (*project.dependencies, *project.patch)):
        return None
    digest = hashlib.sha256(x07py.__version__.encode())
    try:
        for path in (project.file, project.root / LOCK_NAME, *sorted(_TOOLCHAIN.glob("*/x07-package.json"))):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError:
        return None
    return cache_folder() / "current" / digest.hexdigest()
