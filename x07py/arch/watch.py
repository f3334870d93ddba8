"""`x07 arch watch`: what a check has read, and waiting until that is different.

Changes are found by looking at the facts of all files, as a check that meets nothing new does. Pauses between looks
grow with the time that one takes, so that watching takes a twentieth of one core at most, on any file system, with
nothing to install and no limit on watched folders.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from x07py.arch.result_cache import other_inputs
from x07py.arch.scan.module_files import Scan, SourceFile, module_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from x07py.arch.check import Report
    from x07py.arch.store import FileFacts

_PAUSE_S = 0.3
_QUIET_S = 0.2
_SHARE = 20


class Inputs(NamedTuple):
    """What a check reads: which files are modules, names of other files, and the facts of all of them."""

    scan: Scan
    named: frozenset[str]
    modules: list[SourceFile]
    others: dict[str, FileFacts]

    def now(self, root: Path) -> Inputs:
        """Return the same with the facts of today."""
        others = dict(other_inputs(root, self.named))
        return self._replace(modules=module_files(root, self.scan)[0], others=others)


def inputs_before(root: Path, named: Iterable[str]) -> Inputs:
    """Return what is known before a check: the facts of files that it may read by name.

    Args:
        root: the project's folder.
        named: paths of further files.
    """
    names = frozenset(named)
    return Inputs(Scan(), names, [], dict(other_inputs(root, names)))


def inputs_of(root: Path, before: Inputs, report: Report) -> Inputs:
    """Return what a check has read, with the facts that it met, so that a change during the check is seen later."""
    named = before.named.union(report.contract_files)
    new = named - before.named - before.others.keys()
    others = before.others | {path: file for path, file in other_inputs(root, new) if path in new}
    scan = report.checked[0].scan if report.checked else before.scan
    modules = report.files or module_files(root, scan)[0]
    return Inputs(scan, named, modules, others)


def wait_for_change(root: Path, seen: Inputs) -> None:
    """Return when files differ from what was seen and have stopped changing, so that a burst of saves counts once."""
    now, took = seen, 0.0
    while (now.modules, now.others) == (seen.modules, seen.others):
        time.sleep(max(_PAUSE_S, took * _SHARE))
        started = time.perf_counter()
        now = seen.now(root)
        took = time.perf_counter() - started
    last = None
    while last is None or (now.modules, now.others) != (last.modules, last.others):
        time.sleep(max(_QUIET_S, took))
        last, now = now, seen.now(root)
