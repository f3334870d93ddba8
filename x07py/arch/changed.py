"""`--changed`: the part of a report that is about what a git diff touches, and about what depends on that.

The whole project is read all the same, since a rule may be broken by two modules of which one was touched. Where git
cannot tell what a change does to the rest (the manifest, settings and locks), nothing is left out.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from x07py.arch.check import EXIT_CLEAN, EXIT_FINDINGS, Report, Request, outcome
from x07py.arch.lock import LOCK_PATH
from x07py.arch.scan.files import ModuleNames
from x07py.arch.settings import read_settings
from x07py.errors import ArchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.diag import Diagnostic

_SETTINGS = ("pyproject.toml", "x07.toml", "x07.lock")


@dataclass(frozen=True, slots=True)
class Change:
    """What git says: files below the root that differ from a commit, those that git does not know yet among them.

    Args:
        ref: what was asked for.
        base: the commit that files are compared with.
        paths: paths below the root.
        modules: how many modules are touched or depend on one that is.
    """

    ref: str
    base: str
    paths: frozenset[str]
    modules: int = 0

    def document(self) -> dict[str, Any]:
        """Return the change as the report states it."""
        return {"ref": self.ref, "base": self.base, "files": len(self.paths), "modules": self.modules}

    def __str__(self) -> str:
        return f"{len(self.paths)} files changed since {self.base[:12]} ({self.ref}), {self.modules} modules checked"


def changed_since(root: Path, ref: str) -> Change:
    """Return what differs from where the work on HEAD left `ref`; time is that of ``git diff`` and ``git ls-files``.

    Raises:
        ArchError: ``E_ARCH_CHANGED`` if git is missing, this is no repository, or it does not know `ref`.
    """
    _git(root, "rev-parse", "--show-toplevel", hint="run this in a git repository, or without --changed")
    hint = "`git branch -a` lists branches; with no commit yet, check without --changed"
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", ref=ref, hint=hint)
    hint = "a shallow clone lacks older commits: git fetch --unshallow"
    base = os.fsdecode(_git(root, "merge-base", commit.decode().strip(), "HEAD", ref=ref, hint=hint)).strip()
    names = _git(root, "diff", "--name-only", "--no-renames", "--no-ext-diff", "--relative", "-z", base)
    names += _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    return Change(ref, base, frozenset(os.fsdecode(names).split("\0")) - {""})


def _git(root: Path, *args: str, ref: str | None = None, hint: str = "see what git says") -> bytes:
    try:
        done = subprocess.run(
            ["git", *args], cwd=root, capture_output=True, check=False, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        )
    except FileNotFoundError:
        hint = "install git, or check without --changed"
        raise ArchError("E_ARCH_CHANGED", "git is not installed", where=str(root), hint=hint) from None
    if done.returncode:
        said = os.fsdecode(done.stderr).strip().partition("\n")[0]
        what = f"git finds nothing to compare with for {ref!r}" if ref else "git cannot tell what changed"
        raise ArchError("E_ARCH_CHANGED", f"{what}: {said}" if said else what, where=str(root.resolve()), hint=hint)
    return done.stdout


def narrow(report: Report, request: Request, change: Change) -> Report:
    """Take out of a report what is not about a change, and the repairs, which are for the whole project.

    Args:
        report: a report with exit code 0 or 2; others are returned as they are.
        request: what was checked.
        change: what changed.
    """
    if report.checked is None or report.exit_code not in {EXIT_CLEAN, EXIT_FINDINGS}:
        return report
    part = _Part(report, report.checked, request, change)
    if not part.is_everything():
        report.findings = [row for row in report.findings if part.holds(row)]
    report.changed, report.patches = replace(change, modules=len(part.modules)), []
    report.exit_code = outcome(report.findings)
    return report


class _Part:
    """The modules that a change reaches, and which findings are about them."""

    def __init__(self, report: Report, checked: tuple[Manifest, Graph], request: Request, change: Change) -> None:
        manifest, self._graph = checked
        self._files = {file.path for file in report.files}
        self._changed = change.paths
        self._whole = {manifest.path, request.lock or LOCK_PATH}
        indexes = [domain["index_path"] for domain in manifest.contracts.values() if "index_path" in domain]
        named = [PurePosixPath(path) for path in (*indexes, *report.contract_files)]
        places = {*named, *(path.parent for path in named)} - {PurePosixPath()}
        touched = map(PurePosixPath, change.paths)
        self._contracts = any(not places.isdisjoint((path, *path.parents)) for path in touched)
        if self.is_everything():
            self.modules = set(self._graph.modules)
        else:
            names = ModuleNames(request.root, read_settings(request.root).module_roots)
            self.modules = _reached(self._graph, change.paths, names)
        self._paths = {self._graph.modules[name].path for name in self.modules} | change.paths
        self._pairs = self._node_pairs()

    def is_everything(self) -> bool:
        """Tell whether the change may bear on any module: of an x07AST file that is gone, the name is gone too."""
        gone = (path for path in self._changed - self._files if path.endswith(".x07.json"))
        return not self._changed.isdisjoint((*self._whole, *_SETTINGS)) or any(gone)

    def holds(self, row: Diagnostic) -> bool:
        """Tell whether a finding is about the change; what is said of the manifest is said of all modules."""
        if row.path in self._paths or row.path in self._whole:
            return True
        if row.path not in self._files:
            return self._contracts
        if row.data.get("module_id") in self.modules:
            return True
        if "node_from" in row.data:
            return (row.data["node_from"], row.data["node_to"]) in self._pairs
        circle = row.data.get("cycle_nodes", ())
        return any(source in circle and target in circle for source, target in self._pairs)

    def _node_pairs(self) -> set[tuple[str, str]]:
        """Return the pairs of nodes that an import of a reached module joins: their finding may stand elsewhere."""
        node_of, inside = self._graph.node_of, self._graph.inside
        return {
            (node_of[name].id, node_of[target].id)
            for name in self.modules & node_of.keys()
            for target in inside[name]
            if target in node_of
        }


def _reached(graph: Graph, paths: Iterable[str], names: ModuleNames) -> set[str]:
    """Return the modules that were touched, and all that import them, directly or not; linear in the imports."""
    by_path = {module.path: name for name, module in graph.modules.items()}
    gone = {names.name(path) for path in paths if path.endswith(".py") and path not in by_path}
    left = [by_path[path] for path in paths if path in by_path] + list(gone & graph.modules.keys())
    gone |= {above for name in gone for above in _packages(name)}
    for imports in (graph.inside, graph.outside):
        left += [name for name, imported in imports.items() if not gone.isdisjoint(imported)]
    importers: dict[str, list[str]] = {}
    for name, imported in graph.inside.items():
        for target in imported:
            importers.setdefault(target, []).append(name)
        if above := next((one for one in _packages(name) if one in graph.modules), None):
            importers.setdefault(above, []).append(name)  # an import of the module runs it first
    reached: set[str] = set()
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            left += importers.get(name, ())
    return reached


def _packages(name: str) -> Iterator[str]:
    """Yield the packages around a module, the innermost first."""
    while name := name.rpartition(".")[0]:
        yield name
