"""The summary of the last clean check, for as long as nothing that it looked at has changed.

Most runs, in hooks and in continuous integration, meet a project that is as it was. Those need the facts of each file,
not its content, and none of the libraries that a check takes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.arch.scan.files import Scan, module_files
from x07py.arch.store import FileFacts, Store, facts, is_settled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.arch.scan.files import SourceFile

_FOLDERS = ("arch", ".x07/deps")
_FILES = ("pyproject.toml", "x07.toml", "x07.lock", ".x07", "src/__init__.py")
_KIND = "clean"

Inputs = list[tuple[str, FileFacts]]


def unchanged_summary(root: Path) -> str | None:
    """Return the summary of the last check of a project if that was clean and would be the same today, else None."""
    value = Store(root, _KIND).read()
    if value is None:
        return None
    include, exclude, modules, named, others, summary = value
    if other_inputs(root, named) != others or module_files(root, Scan(include, exclude)) != modules:
        return None
    text: str = summary
    return text


def remember_clean(
    root: Path, started_ns: int, scan: Scan, modules: list[SourceFile], named: Iterable[str], summary: str
) -> None:
    """Remember that a check found nothing, unless a file changed so lately that a later change might look the same.

    Args:
        root: the project's folder.
        started_ns: when the check started, in nanoseconds since the epoch.
        scan: which files are modules.
        modules: the modules as the check's walk found them.
        named: paths below the root of what else was read by name.
        summary: what to print next time.
    """
    named = sorted(named)
    others = other_inputs(root, named)
    stats = [*(file.stat for file in modules), *(stat for _, stat in others)]
    if all(is_settled(stat, started_ns) for stat in stats):
        plain = [tuple(file) for file in modules]
        Store(root, _KIND).write((scan.include, scan.exclude, plain, named, others, summary))


def other_inputs(root: Path, named: Iterable[str]) -> Inputs:
    """Return the facts of everything but modules that a check may read, as far as it is there."""
    paths = [*_FILES, *named]
    for top in _FOLDERS:
        for folder, folders, files in os.walk(root / top):
            folders.sort()
            inside = Path(folder).relative_to(root)
            paths += [str(inside), *(f"{inside}/{name}" for name in sorted(files))]
    found: Inputs = []
    for path in paths:
        with suppress(OSError):
            found.append((path, facts((root / path).stat())))
    return found
