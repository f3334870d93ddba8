"""Solve worlds hold nothing that reaches the operating system: not by an import, a chain of imports, or a call.

A chain is followed through modules whose own world does not refuse what it ends in; where it does, that module gets the
finding, so that one cause gives one finding. Importing ``a.b`` runs ``a/__init__.py`` too, so that is followed as well,
except for packages that the importer itself lies in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from x07py.arch.model import DYNAMIC_IMPORT, SET_ORDER, finding
from x07py.osbound import os_bound_table
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.arch.packages import PackageModules
    from x07py.diag import Diagnostic

CALL_CODES = {
    "clock": "E_ARCH_CALL_CLOCK",
    "randomness": "E_ARCH_CALL_RANDOMNESS",
    "environment": "E_ARCH_CALL_ENVIRONMENT",
    "files": "E_ARCH_CALL_FILES",
    "files-read": "E_ARCH_CALL_FILES",
    "processes": "E_ARCH_CALL_PROCESSES",
    "dynamic": "E_ARCH_CALL_DYNAMIC",
    "identity": "E_ARCH_CALL_IDENTITY",
}


class _Refused(NamedTuple):
    """Why an import from outside is refused, and which capability that is."""

    reason: str
    capability: str


def check_worlds(manifest: Manifest, graph: Graph, packages: PackageModules) -> Iterator[Diagnostic]:
    """Yield what modules of solve nodes do that their world refuses; time is linear in the imports for each world."""
    if not manifest.checks("enforce_world_caps"):
        return
    reaches: dict[str, _Reach] = {}
    for module_id, node in sorted(graph.node_of.items(), key=lambda row: row[0]):
        if not WORLDS[node.world].solve:
            continue
        if node.world not in reaches:
            reaches[node.world] = _Reach(node.world, graph, packages)
        reach = reaches[node.world]
        for target in sorted(graph.outside[module_id]):
            if reach.refused(target):
                yield _import_finding(node.id, reach, [(module_id, target)])
        for target in sorted(graph.inside[module_id]):
            chain = reach.chain(module_id, target)
            if chain:
                yield _import_finding(node.id, reach, chain)
        for name, offset in graph.modules[module_id].uses:
            yield from _use_finding(node.world, graph.modules[module_id].path, graph, name, offset)


class _Reach:
    """Shortest chains of imports to something that one world refuses, found once for all modules, from its end."""

    def __init__(self, world: str, graph: Graph, packages: PackageModules) -> None:
        self.world = world
        self.graph = graph
        self._packages = packages
        self._refusals: dict[str, _Refused | None] = {}
        self._above: dict[str, list[str]] = {}
        self._next: dict[str, tuple[str, str]] = {}
        self._steps: dict[str, int] = {}
        self._search()

    def refused(self, target: str) -> _Refused | None:
        """Return why the world refuses an import from outside, or None."""
        if target not in self._refusals:
            self._refusals[target] = _refusal(target, self.world, self._packages)
        return self._refusals[target]

    def chain(self, module_id: str, target: str) -> list[tuple[str, str]]:
        """Return the imports from a module, which imports another of the project, to what is refused; or nothing."""
        if self._ends_here(target):
            return []
        steps = [name for name in self._run_by(module_id, target) if name in self._steps]
        if not steps:
            return []
        found = [(module_id, target)]
        name = min(steps, key=lambda one: (self._steps[one], one != target, one))
        while True:
            importer, imported = self._next[name]
            found.append((name, imported))
            if imported in self.graph.outside[name]:
                return found
            name = importer

    def _search(self) -> None:
        """Go from the modules that import what is refused to those that import them, level by level."""
        importers: dict[str, list[tuple[str, str]]] = {}
        level: list[str] = []
        for module_id in sorted(self.graph.modules):
            if self._ends_here(module_id):
                continue
            refused = [target for target in self.graph.outside[module_id] if self.refused(target)]
            if refused:
                self._next[module_id] = module_id, min(refused)
                self._steps[module_id] = 0
                level.append(module_id)
            for target in self.graph.inside[module_id]:
                if not self._ends_here(target):
                    for name in self._run_by(module_id, target):
                        importers.setdefault(name, []).append((module_id, target))
        while level:
            following: dict[str, tuple[str, str]] = {}
            for name in level:
                for module_id, target in importers.get(name, ()):
                    if module_id not in self._steps:
                        step = name, target
                        following[module_id] = min(following.get(module_id, step), step)
            for module_id, step in following.items():
                self._next[module_id] = step
                self._steps[module_id] = self._steps[step[0]] + 1
            level = sorted(following)

    def _ends_here(self, module_id: str) -> bool:
        """Tell whether a module gets findings of its own for what this world refuses."""
        node = self.graph.node_of.get(module_id)
        return node is not None and node.world == self.world

    def _run_by(self, module_id: str, target: str) -> list[str]:
        """Return what an import runs: the module, and the packages above it that the importer does not lie in."""
        above = self._above.get(target)
        if above is None:
            parts = target.split(".")[:-1]
            names = [".".join(parts[: length + 1]) for length in range(len(parts))]
            above = [name for name in names if self.graph.inside.get(name) or self.graph.outside.get(name)]
            self._above[target] = above
        return [target, *(name for name in above if not f"{module_id}.".startswith(name + "."))] if above else [target]


def _refusal(target: str, world: str, packages: PackageModules) -> _Refused | None:
    locked = packages.owner(target)
    if locked is not None:
        if world in locked.worlds:
            return None
        return _Refused(f"belongs to package {locked.name}, which allows {', '.join(locked.worlds)}", "package")
    row = os_bound_table().refused_module(target, world)
    return _Refused(row.reason, row.capability) if row else None


def _import_finding(node: str, reach: _Reach, chain: list[tuple[str, str]]) -> Diagnostic:
    edges = [reach.graph.edge(*step) for step in chain]
    first, last = edges[0], edges[-1].target
    refused = reach.refused(last)
    through = f" through {first.target}" if len(edges) > 1 else ""
    return finding(
        "E_ARCH_OS_IMPORT",
        f"{first.module.id} ({reach.world}) reaches {last}{through}; {last} {refused.reason if refused else ''}",
        **reach.graph.at(first),
        hint="move this to an adapter in a run-os node and pass values in",
        notes=tuple(reach.graph.note(edge) for edge in edges),
        data={
            "node": node,
            "world": reach.world,
            "module_id": first.module.id,
            "module_path": first.module.path,
            "import": first.target,
            "chain": [first.module.id, *(edge.target for edge in edges)],
            "capability": refused.capability if refused else "",
        },
    )


def _use_finding(world: str, path: str, graph: Graph, name: str, offset: int) -> Iterator[Diagnostic]:
    row = os_bound_table().refused_call(name, world)
    if row is None and name not in {DYNAMIC_IMPORT, SET_ORDER}:
        return
    place = graph.sources.at(path, offset)
    facts = {"world": world, "module_path": path, "name": name}
    if name == DYNAMIC_IMPORT:
        yield finding(
            "E_ARCH_DYNAMIC_IMPORT",
            f"what is imported here is known at run time only, so {world} cannot be shown to hold",
            **place,
            hint="import by a constant name, or move the import to an adapter",
            data=facts,
        )
    elif name == SET_ORDER:
        yield finding(
            "E_ARCH_SET_ORDER",
            "the order of a set differs in each run",
            **place,
            hint="use sorted(...)",
            data=facts,
        )
    elif row is not None:
        what, _, hint = row.reason.partition("; ")
        yield finding(
            CALL_CODES[row.capability],
            f"{name.removeprefix('builtins.')} in a {world} module: {what}",
            **place,
            hint=hint or "move it to an adapter in a run-os node",
            data=facts,
        )
