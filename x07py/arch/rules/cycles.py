"""Cycles among nodes or among modules: strongly connected sets, found in linear time without recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.arch.model import at, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from x07py.arch.graph import Edge, Graph
    from x07py.arch.manifest import Manifest
    from x07py.diag import Diagnostic


def check_cycles(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield one finding for each cycle that a ``deny_cycles_v1`` rule forbids."""
    if not manifest.checks("deny_cycles"):
        return
    for rule in manifest.rules("deny_cycles_v1"):
        pairs: dict[tuple[str, str], Edge] = {pair: edges[0] for pair, edges in graph.node_edges().items()}
        if rule["scope"] == "modules":
            pairs = {(edge.module.id, edge.target): edge for edge in graph.edges if edge.internal}
        yield from _cycles(rule["id"], rule["scope"], pairs)


def _cycles(rule_id: str, scope: str, pairs: Mapping[tuple[str, str], Edge]) -> Iterator[Diagnostic]:
    for members in strongly_connected(pairs):
        within = [pair for pair in sorted(pairs) if members.issuperset(pair)]
        inside = [pairs[pair] for pair in within]
        names = sorted(members)
        facts = [(e.module.path, e.module.id, e.target) for e in inside]
        yield finding(
            "E_ARCH_CYCLE",
            f"{len(names)} {scope} import each other in a circle: {', '.join(names)}",
            **at(inside[0].origin.place, inside[0].module.path),
            hint="break the circle at one of the imports below",
            notes=tuple(f"{e.module.path}:{e.origin.place.line} imports {e.target}" for e in inside[:20]),
            data={
                "rule_id": rule_id,
                "cycle_nodes": names,
                "evidence": [{"module_path": p, "module_id": m, "import": i} for p, m, i in sorted(facts)],
            },
        )


def strongly_connected(pairs: Mapping[tuple[str, str], object]) -> list[set[str]]:
    """Return the strongly connected sets of two or more names, sorted (Tarjan, iterative)."""
    following: dict[str, list[str]] = {}
    for source, target in sorted(pairs):
        following.setdefault(source, []).append(target)
        following.setdefault(target, [])
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[set[str]] = []
    for start, first in following.items():
        work = [(start, iter(first))] if start not in index else []
        while work:
            name, rest = work[-1]
            if name not in index:
                index[name] = low[name] = len(index)
                stack.append(name)
                on_stack.add(name)
            for other in rest:
                if other not in index:
                    work.append((other, iter(following[other])))
                    break
                if other in on_stack:
                    low[name] = min(low[name], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    at_name = stack.index(name)
                    members = set(stack[at_name:])
                    del stack[at_name:]
                    on_stack -= members
                    if len(members) > 1:
                        found.append(members)
    return sorted(found, key=min)
