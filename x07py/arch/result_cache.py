"""The summary of the last clean check, for as long as nothing that it looked at has changed.

Most runs, in hooks and in continuous integration, meet a project that is as it was. Those need the facts of each file,
not its content, and none of the libraries that a check takes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.arch.scan.module_files import Scan, module_files
from x07py.arch.store import FileFacts, Store, facts, is_settled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.arch.check import Report

_FOLDERS = ("arch",)
_FILES = ("pyproject.toml", "x07.toml", "x07.lock", ".x07", "src/__init__.py")
_KIND = "clean"

Inputs = list[tuple[str, FileFacts]]


def unchanged_summary(root: Path) -> str | None:
    """Return the summary of the last check of a project if that was clean and would be the same today, else None."""
    value = Store(root, _KIND).read()
    if value is None or not _packages_fit(root):
        return None
    exclude, modules, unread, caches, named, others, summary = value
    if other_inputs(root, named) != others:
        return None
    found = module_files(root, Scan(exclude))
    if found[0] != modules or str(found[1]) != unread or found[1].caches != caches or found[1].compiled:
        return None
    text: str = summary
    return text


def _packages_fit(root: Path) -> bool:
    """Tell whether what is installed is what the lock holds; the full check says what is not."""
    if not (root / "x07.lock").exists():
        return True
    from x07py.contracts.packages import verified_packages
    from x07py.errors import X07Error

    try:
        return verified_packages(root) is not None
    except X07Error:
        return False


def remember_clean(root: Path, started_ns: int, report: Report, summary: str) -> None:
    """Remember that a check found nothing, unless a file changed so lately that a later change might look the same.

    Args:
        root: the project's folder.
        started_ns: when the check started, in nanoseconds since the epoch.
        report: what was read.
        summary: what to print next time.
    """
    followed = report.reached.files if report.reached is not None else ()
    named = sorted({*report.contract_files, *followed})
    others = other_inputs(root, named)
    caches = report.unread.caches if report.unread is not None else []
    stats = [*(file.stat for file in report.files), *(stat for _, stat in (*others, *caches))]
    if all(is_settled(stat, started_ns) for stat in stats):
        plain = [tuple(file) for file in report.files]
        exclude = report.checked[0].scan.exclude if report.checked else ()
        Store(root, _KIND).write((exclude, plain, str(report.unread), caches, named, others, summary))


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
