"""Solve worlds hold nothing that reaches the operating system: not by an import, a chain of imports, or a call.

A chain is followed through modules whose own world does not refuse what it ends in; where it does, that module gets the
finding, so that one cause gives one finding. Importing ``a.b`` runs ``a/__init__.py`` too, so that is followed as well,
except for packages that the importer itself lies in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from x07py.arch.model import at, finding
from x07py.arch.scan.python import DYNAMIC_IMPORT, SET_ORDER
from x07py.osbound import os_bound_table
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from x07py.arch.graph import Edge, Graph
    from x07py.arch.manifest import Manifest
    from x07py.arch.model import Use
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


@dataclass(frozen=True, slots=True)
class _Reach:
    """Who reaches what: the imports from the first to the last, and why the last is refused."""

    chain: tuple[Edge, ...]
    reason: str
    capability: str


def check_worlds(manifest: Manifest, graph: Graph, packages: PackageModules) -> Iterator[Diagnostic]:
    """Yield what modules of solve nodes do that their world refuses.

    Time is linear in the imports, for each world and for each finding, which looks for a shortest chain of its own.
    """
    if not manifest.checks("enforce_world_caps"):
        return
    following: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        following.setdefault(edge.module.id, []).append(edge)
    tainted: dict[tuple[str, str], _Reach | None] = {}
    for module_id, node in sorted(graph.node_of.items(), key=lambda row: row[0]):
        if not WORLDS[node.world].solve:
            continue
        for edge in following.get(module_id, ()):
            key = edge.target, node.world
            if key not in tainted:
                tainted[key] = _reach(edge, node.world, graph, following, packages)
            reach = tainted[key]
            if reach is not None:
                yield _import_finding(node.id, node.world, edge, reach)
        for use in graph.modules[module_id].uses:
            yield from _use_finding(node.world, graph.modules[module_id].path, use)


def _reach(
    first: Edge, world: str, graph: Graph, following: Mapping[str, list[Edge]], packages: PackageModules
) -> _Reach | None:
    """Return the shortest chain from an import to something that `world` refuses, or None."""
    queue: deque[tuple[Edge, ...]] = deque([(first,)])
    seen = {first.target}
    while queue:
        chain = queue.popleft()
        last = chain[-1]
        refused = _refusal(last, world, packages)
        if refused is not None:
            return _Reach(chain[1:], *refused)
        node = graph.node_of.get(last.target)
        if not last.internal or (node is not None and WORLDS[node.world].solve and node.world == world):
            continue
        for name in (last.target, *_packages_above(last)):
            for edge in following.get(name, ()):
                if edge.target not in seen:
                    seen.add(edge.target)
                    queue.append((*chain, edge))
    return None


def _packages_above(edge: Edge) -> list[str]:
    parts = edge.target.split(".")[:-1]
    names = [".".join(parts[: length + 1]) for length in range(len(parts))]
    return [name for name in names if not f"{edge.module.id}.".startswith(name + ".")]


def _refusal(edge: Edge, world: str, packages: PackageModules) -> tuple[str, str] | None:
    if edge.internal:
        return None
    locked = packages.owner(edge.target)
    if locked is not None:
        if world in locked.worlds:
            return None
        return f"belongs to package {locked.name}, which allows {', '.join(locked.worlds)}", "package"
    row = os_bound_table().refused_module(edge.target, world)
    return (row.reason, row.capability) if row else None


def _import_finding(node: str, world: str, edge: Edge, reach: _Reach) -> Diagnostic:
    steps = (edge, *reach.chain)
    last = steps[-1]
    through = f" through {edge.target}" if reach.chain else ""
    return finding(
        "E_ARCH_OS_IMPORT",
        f"{edge.module.id} ({world}) reaches {last.target}{through}; {last.target} {reach.reason}",
        **at(edge.origin.place, edge.module.path),
        hint="move this to an adapter in a run-os node and pass values in",
        notes=tuple(f"{step.module.path}:{step.origin.place.line} imports {step.target}" for step in steps),
        data={
            "node": node,
            "world": world,
            "module_id": edge.module.id,
            "module_path": edge.module.path,
            "import": edge.target,
            "chain": [edge.module.id, *(step.target for step in steps)],
            "capability": reach.capability,
        },
    )


def _use_finding(world: str, path: str, use: Use) -> Iterator[Diagnostic]:
    place = at(use.place, path)
    facts = {"world": world, "module_path": path, "name": use.name}
    if use.name == DYNAMIC_IMPORT:
        yield finding(
            "E_ARCH_DYNAMIC_IMPORT",
            f"what is imported here is known at run time only, so {world} cannot be shown to hold",
            **place,
            hint="import by a constant name, or move the import to an adapter",
            data=facts,
        )
    elif use.name == SET_ORDER:
        yield finding(
            "E_ARCH_SET_ORDER",
            "the order of a set differs in each run",
            **place,
            hint="use sorted(...)",
            data=facts,
        )
    else:
        row = os_bound_table().refused_call(use.name, world)
        if row is not None:
            name = use.name.removeprefix("builtins.")
            what, _, hint = row.reason.partition("; ")
            code = CALL_CODES[row.capability]
            yield finding(
                code,
                f"{name} in a {world} module: {what}",
                **place,
                hint=hint or "move it to an adapter in a run-os node",
                data=facts,
            )
