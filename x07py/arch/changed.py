"""`--changed`: the part of a report that is about what a git diff touches, and about what depends on that.

The whole project is read all the same, since a rule may be broken by two modules of which one was touched. Where git
cannot tell what a change does to the rest (the manifest, settings and locks), nothing is left out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from x07py.arch.check import EXIT_CLEAN, EXIT_FINDINGS, Report, Request, outcome
from x07py.arch.lock import LOCK_PATH
from x07py.arch.scan.module_files import PYTHON_SUFFIXES
from x07py.arch.scan.module_names import ModuleNames
from x07py.diag import Diagnostic, Related

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from x07py.arch.git import Change
    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest

_SETTINGS = ("pyproject.toml", "x07.toml", "x07.lock")


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
        report.findings = [part.shown(row) for row in report.findings if part.holds(row)]
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
            self.modules = _reached(self._graph, change.paths, *self._names(request, manifest))
        self._paths = {self._graph.modules[name].path for name in self.modules} | change.paths
        self._pairs = self._node_pairs()

    def _names(self, request: Request, manifest: Manifest) -> tuple[ModuleNames, set[str]]:
        """Return the names of modules, and the top-level names that may mean something else since the change."""
        now = {path for path in self._files if path.endswith(PYTHON_SUFFIXES)}
        touched = {path for path in self._changed if path.endswith(PYTHON_SUFFIXES)}
        names, *others = (
            ModuleNames(request.root, manifest.roots, paths) for paths in (now, now - touched, now | touched)
        )
        known = names.ambiguous()
        return names, set().union(*(known ^ other.ambiguous() for other in others))

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

    def shown(self, row: Diagnostic) -> Diagnostic:
        """Return a finding on a pair of nodes at the imports that stand in changed files, if there are any."""
        if "node_from" not in row.data:
            return row
        first = Related(row.path or "", row.line or 1, row.column or 1, row.message.rpartition(": ")[2])
        places = [one for one in (first, *row.related) if one.path in self._changed]
        if not places:
            return row
        message = f"{row.message.rpartition(': ')[0]}: {places[0].message}"
        notes = tuple(f"{one.path}:{one.line}: {one.message}" for one in places[1:])
        return replace(
            row,
            message=message,
            path=places[0].path,
            line=places[0].line,
            column=places[0].column,
            source=row.source if places[0] == first else None,
            notes=notes,
            related=tuple(places[1:]),
        )

    def _node_pairs(self) -> set[tuple[str, str]]:
        """Return the pairs of nodes that an import of a reached module joins: their finding may stand elsewhere."""
        node_of, inside = self._graph.node_of, self._graph.inside
        return {
            (node_of[name].id, node_of[target].id)
            for name in self.modules & node_of.keys()
            for target in inside[name]
            if target in node_of
        }


def _is_below(name: str, gone: set[str]) -> bool:
    """Tell whether a module is gone, or lies in a package that is: what is missing there is nobody's now."""
    return name in gone or any(above in gone for above in _packages(name))


def _reached(graph: Graph, paths: Iterable[str], names: ModuleNames, renamed: set[str]) -> set[str]:
    """Return the modules that were touched or have another name, and all that import them; linear in the imports."""
    by_path = {module.path: name for name, module in graph.modules.items()}
    gone = {names.name(path) for path in paths if path.endswith(PYTHON_SUFFIXES) and path not in by_path}
    left = [by_path[path] for path in paths if path in by_path] + list(gone & graph.modules.keys())
    gone |= {above for name in gone for above in _packages(name)} | renamed
    if renamed:
        left += [name for path, name in by_path.items() if names.top(path) in renamed]
    for imports in (graph.inside, graph.outside):
        left += [name for name, imported in imports.items() if any(_is_below(target, gone) for target in imported)]
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
