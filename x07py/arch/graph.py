"""The import graph: which module imports which, and which node each belongs to. Memory is linear in the imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from x07py.arch.model import finding
from x07py.osbound import os_bound_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from x07py.arch.manifest import Manifest, Node
    from x07py.arch.model import Import, Module
    from x07py.diag import Diagnostic


@dataclass(frozen=True, slots=True)
class Edge:
    """One import that runs: the importer, what is imported (`target`), and whether that is a module of the project."""

    module: Module
    target: str
    internal: bool
    origin: Import


@dataclass(frozen=True, slots=True)
class Graph:
    """Modules by id, the node of each module that has one, and all run-time imports, sorted by importer and target."""

    modules: Mapping[str, Module]
    node_of: Mapping[str, Node]
    edges: tuple[Edge, ...]

    def node_edges(self) -> dict[tuple[str, str], list[Edge]]:
        """Return the imports between different nodes, by the pair of node ids."""
        found: dict[tuple[str, str], list[Edge]] = {}
        for edge in self.edges:
            source, target = self.node_of.get(edge.module.id), self.node_of.get(edge.target)
            if source and target and source is not target:
                found.setdefault((source.id, target.id), []).append(edge)
        return found


def build_graph(manifest: Manifest, modules: Mapping[str, Module], findings: list[Diagnostic]) -> Graph:
    """Assign nodes and resolve imports; add a finding for each module without a node of its own."""
    node_of: dict[str, Node] = {}
    for module in modules.values():
        nodes = [node for node in manifest.nodes if node.holds(module.id, module.path)]
        if len(nodes) == 1:
            node_of[module.id] = nodes[0]
        facts: dict[str, object] = {"module_id": module.id, "module_path": module.path}
        if len(nodes) > 1:
            names = [node.id for node in nodes]
            findings.append(
                finding(
                    "E_ARCH_NODE_OVERLAP_MODULE",
                    f"module {module.id} belongs to {len(names)} nodes: {', '.join(names)}",
                    path=module.path,
                    hint="narrow module_prefixes or path_globs so that one node is left",
                    data={**facts, "matched_nodes": names},
                )
            )
        elif not nodes and manifest.checks("deny_orphans"):
            findings.append(
                finding(
                    "E_ARCH_NODE_ORPHAN_MODULE",
                    f"module {module.id} belongs to no node",
                    path=module.path,
                    hint=f"add {module.id!r} or a package above it to module_prefixes of a node in {manifest.path}",
                    data=facts,
                )
            )
    edges = {
        (edge.module.id, edge.target): edge
        for module in modules.values()
        for origin in reversed(module.imports)
        if origin.kind != "type"
        for edge in [_resolve(module, origin, modules)]
        if edge.target != module.id
    }
    return Graph(modules, node_of, tuple(edges[key] for key in sorted(edges)))


def _resolve(module: Module, origin: Import, modules: Mapping[str, Module]) -> Edge:
    full = f"{origin.base}.{origin.name}" if origin.name else origin.base
    for target in (full, origin.base):
        if target in modules:
            return Edge(module, target, internal=True, origin=origin)
    listed = full in os_bound_table().modules
    return Edge(module, full if listed else origin.base, internal=False, origin=origin)
