"""Compiled files that Python runs and that no check has read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from x07py.arch.model import finding
from x07py.files import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from x07py.arch.scan.module_files import Unread
    from x07py.diag import Diagnostic

_UNCHECKED = 1
"""Flags of a compiled file that goes by a hash of its source which nobody compares (PEP 552)."""


def check_compiled(root: Path, unread: Unread) -> Iterator[Diagnostic]:
    """Yield what Python would run in place of, or without, a source that was checked.

    Args:
        root: the project's folder.
        unread: what the walk found; the first bytes of each file in its caches are read.
    """
    for path in unread.compiled:
        why = "without a source" if path.endswith(".pyc") else "in place of the source beside it"
        yield _finding(path, f"Python imports this compiled file {why}, and no check has read it")
    for folder, _ in unread.caches:
        for name in _names(root / folder):
            path = f"{folder}/{name}"
            if name.endswith(".py"):
                yield _finding(path, "a source in a folder of compiled files, which is not read")
            elif name.endswith(".pyc") and _is_unchecked(root / path):
                yield _finding(path, "Python runs this compiled file without comparing it with its source")


def _finding(path: str, what: str) -> Diagnostic:
    return finding(
        "E_ARCH_MODULE_COMPILED",
        what,
        path=path,
        hint="delete it, or excuse it in exceptions of the manifest, with a reason",
        data={"module_path": path},
    )


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 (as fast as can be: a project has as many as modules)
    except OSError:
        return []


def _is_unchecked(path: Path) -> bool:
    """Tell whether Python would not look at the source; what cannot be read is not run either."""
    try:
        with open_file(path) as file:
            return file.read(8)[4:] == _UNCHECKED.to_bytes(4, "little")
    except OSError:
        return False
