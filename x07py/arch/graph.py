"""The import graph: which module imports which, and which node each belongs to. Memory is linear in the imports."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.arch.model import finding
from x07py.arch.scan.text import Sources
from x07py.diag import Diagnostic, Related
from x07py.osbound import os_bound_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from x07py.arch.manifest import Manifest, Node
    from x07py.arch.model import Import, Module
    from x07py.arch.scan.module_names import ModuleNames

Imported = dict[str, "Import"]
"""What one module imports when it runs, by name; the first import of each name."""


class Edge(NamedTuple):
    """One import that runs: the importer, what is imported, and whether that is a module of the project."""

    module: Module
    target: str
    internal: bool
    origin: Import


@dataclass(frozen=True, slots=True)
class Graph:
    """The modules of a project and their imports.

    Args:
        sources: where places are looked up.
        modules: modules by id.
        node_of: the node of each module that has one.
        inside: what each module imports of the project, by module id.
        outside: what each module imports from elsewhere, by module id.
    """

    sources: Sources
    modules: Mapping[str, Module]
    node_of: Mapping[str, Node]
    inside: Mapping[str, Imported]
    outside: Mapping[str, Imported]

    def edges(self) -> Iterator[Edge]:
        """Yield all imports, sorted by importer and target."""
        for module_id in sorted(self.modules):
            rows = self.inside[module_id] | self.outside[module_id]
            for target in sorted(rows):
                yield self.edge(module_id, target)

    def edge(self, module_id: str, target: str) -> Edge:
        """Return one import."""
        inside = self.inside[module_id].get(target)
        origin = inside or self.outside[module_id][target]
        return Edge(self.modules[module_id], target, inside is not None, origin)

    def count_within_nodes(self) -> int:
        """Return how many imports have a node at both ends."""
        if len(self.node_of) == len(self.modules):
            return sum(map(len, self.inside.values()))
        return sum(
            sum(target in self.node_of for target in imported)
            for module_id, imported in self.inside.items()
            if module_id in self.node_of
        )

    def node_edges(self, *, selves: bool = False) -> dict[tuple[str, str], Edge]:
        """Return the first import between each pair of nodes that has one, by node ids.

        Args:
            selves: whether an import inside one node counts as one from the node to itself.
        """
        first: dict[tuple[str, str], tuple[str, str]] = {}
        for module_id in sorted(self.node_of):
            source = self.node_of[module_id]
            for target in self.inside[module_id]:
                node = self.node_of.get(target)
                if node is None or (node is source and not selves):
                    continue
                known = first.get((source.id, node.id))
                if known is None or (known[0] == module_id and target < known[1]):
                    first[source.id, node.id] = module_id, target
        return {pair: self.edge(*ends) for pair, ends in first.items()}

    def node_imports(self) -> dict[tuple[str, str], list[Edge]]:
        """Return all imports between each pair of nodes that has one, by node ids; each list by importer and target."""
        found: dict[tuple[str, str], list[Edge]] = {}
        for module_id in sorted(self.node_of):
            source = self.node_of[module_id]
            for target in sorted(self.inside[module_id]):
                node = self.node_of.get(target)
                if node is not None and node is not source:
                    found.setdefault((source.id, node.id), []).append(self.edge(module_id, target))
        return found

    def between(self, source: str, target: str) -> list[Edge]:
        """Return all imports between two nodes, given their ids, sorted by importer and target."""
        return [
            self.edge(module_id, name)
            for module_id in sorted(self.node_of)
            if self.node_of[module_id].id == source
            for name in sorted(self.inside[module_id])
            if name in self.node_of and self.node_of[name].id == target
        ]

    def at(self, edge: Edge) -> dict[str, Any]:
        """Return the location fields of a finding about an import."""
        return self.sources.at(edge.module.path, edge.origin[3])

    def related(self, edge: Edge) -> Related:
        """Return an import as another place of a finding."""
        place = self.at(edge)
        return Related(place["path"], place["line"], place["column"], f"{edge.module.id} imports {edge.target}")

    def note(self, edge: Edge) -> str:
        """Return an import as a line of a chain."""
        return f"{edge.module.path}:{self.sources.line(edge.module.path, edge.origin[3])} imports {edge.target}"


def build_graph(
    root: Path, manifest: Manifest, modules: Mapping[str, Module], findings: list[Diagnostic], names: ModuleNames
) -> Graph:
    """Assign nodes and resolve imports.

    A finding is added for each module without a node of its own, and each import that means nothing or several things.
    """
    node_of = _assign(manifest, modules, findings)
    resolver = _Resolver(modules, names, type_imports=manifest.type_imports)
    inside: dict[str, Imported] = {}
    outside: dict[str, Imported] = {}
    for module_id, module in modules.items():
        inside[module_id], outside[module_id] = resolver.resolve(module)
    graph = Graph(Sources(root), modules, node_of, inside, outside)
    findings += (_unresolved(graph, module, origin) for module, origin in resolver.unresolved)
    return graph


def _assign(manifest: Manifest, modules: Mapping[str, Module], findings: list[Diagnostic]) -> dict[str, Node]:
    node_of: dict[str, Node] = {}
    orphans_count = manifest.checks("deny_orphans")
    for module in modules.values():
        nodes = manifest.nodes_of(module.id, module.path)
        if len(nodes) == 1:
            node_of[module.id] = nodes[0]
        elif nodes:
            findings.append(_overlap(module, [node.id for node in nodes]))
        elif orphans_count:
            findings.append(_orphan(module, manifest.path))
    return node_of


class _Resolver:
    """Tells the modules of the project that imports mean; what is left comes from outside."""

    def __init__(self, modules: Mapping[str, Module], names: ModuleNames, *, type_imports: bool) -> None:
        self._modules = modules
        self._packages = _packages(modules)
        self._names = names
        self._ambiguous = bool(names.ambiguous())
        self._type_imports = type_imports
        self._above: dict[str, str | None] = {}
        self.unresolved: list[tuple[Module, Import]] = []

    def resolve(self, module: Module) -> tuple[Imported, Imported]:
        """Return what a module imports of the project, and what from elsewhere."""
        ours: Imported = {}
        others: Imported = {}
        for origin in module.imports:
            base, names, kind, _ = origin
            if kind == "type" and not self._type_imports:
                continue
            if base[:1] == ".":
                self.unresolved.append((module, origin))
                continue
            if self._ambiguous:
                meant = self._names.meant(module.path, base)
                if meant is None:
                    self.unresolved.append((module, origin))
                    continue
                base = meant
            if not names:
                self._add(base, origin, ours, others)
            for name in names:
                full = f"{base}.{name}"
                if full in self._modules:
                    ours.setdefault(full, origin)
                elif base in self._modules:
                    ours.setdefault(base, origin)
                else:
                    self._add(base, origin, ours, others, name)
        ours.pop(module.id, None)
        return ours, others

    def _add(self, base: str, origin: Import, ours: Imported, others: Imported, name: str = "") -> None:
        """Add an import of what is no module here: a part of a package of the project is that package."""
        if base in self._modules:
            ours.setdefault(base, origin)
        elif (package := self._package(base)) is not None:
            ours.setdefault(package, origin)
        elif name:
            full = base in self._packages  # a folder without __init__ holds no names of its own
            others.setdefault(f"{base}.{name}" if full else _external(base, name), origin)
        elif base not in self._packages:
            others.setdefault(base, origin)

    def _package(self, name: str) -> str | None:
        """Return the module around a name that is none; a folder without ``__init__`` may have parts elsewhere."""
        if name not in self._above:
            above = name.rpartition(".")[0]
            self._above[name] = above if above in self._modules else self._package(above) if above else None
        return self._above[name]


def _unresolved(graph: Graph, module: Module, origin: Import) -> Diagnostic:
    base, names, _, offset = origin
    what = f"from {base} import {', '.join(names)}" if names else f"import {base}"
    if base[:1] == ".":
        code, why = "E_ARCH_IMPORT_BEYOND_TOP", "goes beyond the top-level package"
        hint = "take dots away; or name the folder that holds the package in scan.roots of the manifest"
    else:
        top = base.partition(".")[0]
        code, why = "E_ARCH_IMPORT_AMBIGUOUS", f"may mean several modules: {top!r} stands below more than one root"
        hint = "rename one of them"
    return finding(
        code,
        f"{module.id}: {what!r} {why}",
        **graph.sources.at(module.path, offset),
        hint=hint,
        data={"module_id": module.id, "module_path": module.path, "import": base},
    )


@cache
def _external(base: str, name: str) -> str:
    """Return what ``from base import name`` imports for sure: the table knows some names as modules of their own."""
    full = f"{base}.{name}"
    return full if full in os_bound_table().modules else base


def _packages(modules: Iterable[str]) -> set[str]:
    """Return the names that modules lie below."""
    found: set[str] = set()
    for name in modules:
        above = name.rpartition(".")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition(".")[0]
    return found


def _overlap(module: Module, names: list[str]) -> Diagnostic:
    return finding(
        "E_ARCH_NODE_OVERLAP_MODULE",
        f"module {module.id} belongs to {len(names)} nodes: {', '.join(names)}",
        path=module.path,
        hint="narrow module_prefixes or path_globs so that one node is left",
        data={"module_id": module.id, "module_path": module.path, "matched_nodes": names},
    )


def _orphan(module: Module, manifest_path: str) -> Diagnostic:
    return finding(
        "E_ARCH_NODE_ORPHAN_MODULE",
        f"module {module.id} belongs to no node",
        path=module.path,
        hint=f"add {module.id!r} to module_prefixes, or {module.path!r} to path_globs, of a node in {manifest_path}",
        data={"module_id": module.id, "module_path": module.path},
    )
