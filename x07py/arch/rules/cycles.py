"""Cycles among nodes or among modules: each with a shortest circle, and the imports to cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.arch.model import finding
from x07py.arch.rules.circles import edges_to_cut, shortest_circle, strongly_connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from x07py.arch.graph import Edge, Graph
    from x07py.arch.manifest import Manifest
    from x07py.arch.rules.circles import Pair
    from x07py.diag import Diagnostic

_SHOWN = 20
_NAMED = 12


def check_cycles(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield one finding for each cycle that a ``deny_cycles_v1`` rule forbids."""
    if not manifest.checks("deny_cycles"):
        return
    for rule in manifest.rules("deny_cycles_v1"):
        if rule["scope"] == "modules":
            yield from _cycles(graph, rule, dict(graph.inside), lambda pair: [graph.edge(*pair)])
        else:
            between = graph.node_imports()
            yield from _cycles(graph, rule, following(between), between.__getitem__)


def following(pairs: Iterable[Pair]) -> dict[str, Iterable[str]]:
    """Return the successors of each name in a graph of pairs."""
    found: dict[str, list[str]] = {}
    for source, target in pairs:
        found.setdefault(source, []).append(target)
    return dict(found)


def _cycles(
    graph: Graph,
    rule: dict[str, str],
    imported: Mapping[str, Iterable[str]],
    imports_of: Callable[[Pair], list[Edge]],
) -> Iterator[Diagnostic]:
    for members in strongly_connected(imported):
        names = sorted(members)
        inside = {
            (source, target): imports_of((source, target))
            for source in names
            for target in sorted(imported[source])
            if target in members
        }
        circle = shortest_circle(imported, members)
        steps = [inside[pair][0] for pair in zip(circle, [*circle[1:], circle[0]], strict=True)]
        cut, fewest = edges_to_cut({pair: len(edges) for pair, edges in inside.items()}, members)
        cuts = [edge for pair in cut for edge in inside[pair]]
        facts = [(edges[0].module.path, edges[0].module.id, edges[0].target) for edges in inside.values()]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        what = "the fewest imports" if fewest else "a small set of imports, perhaps not the smallest,"
        shown = [*circle[:_SHOWN], *(["..."] if len(circle) > _SHOWN else []), circle[0]]
        yield finding(
            "E_ARCH_CYCLE",
            f"{len(names)} {rule['scope']} import each other in a circle: {', '.join(names[:_NAMED])}{more}",
            **graph.at(steps[0]),
            hint=f"break it: {what} without which no circle is left are listed below",
            notes=(
                f"a shortest circle: {' > '.join(shown)}",
                *_limited([graph.note(edge) for edge in steps]),
                f"cut {len(cuts)} import{'s' if len(cuts) > 1 else ''}:",
                *_limited([graph.note(edge) for edge in cuts[: _SHOWN + 1]], len(cuts)),
            ),
            related=tuple(dict.fromkeys(graph.related(edge) for edge in [*steps, *cuts][:_SHOWN])),
            data={
                "rule_id": rule["id"],
                "cycle_nodes": names,
                "shortest": circle,
                "cut": [{"module_path": e.module.path, "module_id": e.module.id, "import": e.target} for e in cuts],
                "evidence": [{"module_path": p, "module_id": m, "import": i} for p, m, i in sorted(facts)],
            },
        )


def _limited(notes: list[str], count: int | None = None) -> list[str]:
    """Return notes, those beyond the first as their number."""
    count = len(notes) if count is None else count
    return [*notes[:_SHOWN], *([f"and {count - _SHOWN} more"] if count > _SHOWN else [])]
