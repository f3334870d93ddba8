"""Cycles among nodes or among modules: strongly connected sets, found in linear time without recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.arch.model import finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from x07py.arch.graph import Edge, Graph
    from x07py.arch.manifest import Manifest
    from x07py.diag import Diagnostic


def check_cycles(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield one finding for each cycle that a ``deny_cycles_v1`` rule forbids."""
    if not manifest.checks("deny_cycles"):
        return
    for rule in manifest.rules("deny_cycles_v1"):
        if rule["scope"] == "modules":
            yield from _cycles(graph, rule, dict(graph.inside), lambda pair: graph.edge(*pair))
        else:
            pairs = graph.node_edges()
            yield from _cycles(graph, rule, following(pairs), pairs.__getitem__)


def following(pairs: Iterable[tuple[str, str]]) -> dict[str, Iterable[str]]:
    """Return the successors of each name in a graph of pairs."""
    found: dict[str, list[str]] = {}
    for source, target in pairs:
        found.setdefault(source, []).append(target)
    return dict(found)


def _cycles(
    graph: Graph,
    rule: dict[str, str],
    imported: Mapping[str, Iterable[str]],
    edge_of: Callable[[tuple[str, str]], Edge],
) -> Iterator[Diagnostic]:
    for members in strongly_connected(imported):
        names = sorted(members)
        pairs = [(source, target) for source in names for target in sorted(imported[source]) if target in members]
        inside = [edge_of(pair) for pair in pairs]
        facts = [(e.module.path, e.module.id, e.target) for e in inside]
        yield finding(
            "E_ARCH_CYCLE",
            f"{len(names)} {rule['scope']} import each other in a circle: {', '.join(names)}",
            **graph.at(inside[0]),
            hint="break the circle at one of the imports below",
            notes=tuple(graph.note(edge) for edge in inside[:20]),
            data={
                "rule_id": rule["id"],
                "cycle_nodes": names,
                "evidence": [{"module_path": p, "module_id": m, "import": i} for p, m, i in sorted(facts)],
            },
        )


def strongly_connected(graph: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Return the strongly connected sets of two or more names, sorted (Tarjan, iterative).

    Args:
        graph: the successors of each name.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[set[str]] = []
    for start, first in graph.items():
        work = [(start, iter(first))] if start not in index else []
        while work:
            name, rest = work[-1]
            if name not in index:
                index[name] = low[name] = len(index)
                stack.append(name)
                on_stack.add(name)
            for other in rest:
                if other not in index:
                    work.append((other, iter(graph.get(other, ()))))
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
