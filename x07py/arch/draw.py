"""The nodes of a project and the imports between them, as Mermaid, Graphviz DOT, or one self-contained HTML page.

Nodes have the colour of their world; an edge that a finding names is red.
"""

from __future__ import annotations

import html
import json
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.arch.rules.cycles import following, strongly_connected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Node
    from x07py.diag import Diagnostic

COLOURS = {
    "solve-pure": "#2e7d32",
    "solve-fs": "#00838f",
    "solve-kv": "#00695c",
    "solve-rr": "#1565c0",
    "solve-full": "#5e35b1",
    "run-os-sandboxed": "#ef6c00",
    "run-os": "#795548",
}
"""The colour of each world; white text can be read on all of them."""
FORBIDDEN = "#c62828"
_SHOWN = 200


class Edge(NamedTuple):
    """The imports from one node to another: how many, and the findings that name them."""

    source: str
    target: str
    imports: int
    findings: tuple[Diagnostic, ...]


class Picture(NamedTuple):
    """What is drawn: nodes in the order of the manifest, edges sorted, other findings by the node they are in."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    modules: Mapping[str, Sequence[str]]
    findings: Mapping[str, Sequence[Diagnostic]]


def picture(nodes: tuple[Node, ...], graph: Graph, findings: Sequence[Diagnostic]) -> Picture:
    """Return what there is to draw of a graph and the findings of its check. Linear in the imports."""
    counts: dict[tuple[str, str], int] = {}
    modules: dict[str, list[str]] = {node.id: [] for node in nodes}
    for module_id in sorted(graph.node_of):
        source = graph.node_of[module_id].id
        modules[source].append(module_id)
        for target in graph.inside[module_id]:
            other = graph.node_of.get(target)
            if other is not None and other.id != source:
                counts[source, other.id] = counts.get((source, other.id), 0) + 1
    named: dict[tuple[str, str], list[Diagnostic]] = {}
    rest: dict[str, list[Diagnostic]] = {}
    by_path = {module.path: graph.node_of[name].id for name, module in graph.modules.items() if name in graph.node_of}
    for row in findings:
        pair = str(row.data.get("node_from")), str(row.data.get("node_to"))
        if pair in counts:
            named.setdefault(pair, []).append(row)
        elif row.path in by_path:
            rest.setdefault(by_path[row.path], []).append(row)
    edges = tuple(Edge(*pair, counts[pair], tuple(named.get(pair, ()))) for pair in sorted(counts))
    return Picture(nodes, edges, modules, rest)


def mermaid(drawn: Picture) -> str:
    """Return a Mermaid flowchart, as Markdown viewers render it."""
    names = {node.id: f"n{place}" for place, node in enumerate(drawn.nodes)}
    lines = ["flowchart TD"]
    lines += (
        f'  {names[node.id]}["{_mermaid_text(node.id)}<br/>{node.world}"]:::{_class(node.world)}'
        for node in drawn.nodes
    )
    lines += (f"  {names[edge.source]} -->|{edge.imports}| {names[edge.target]}" for edge in drawn.edges)
    for place, edge in enumerate(drawn.edges):
        if edge.findings:
            lines.append(f"  linkStyle {place} stroke:{FORBIDDEN},stroke-width:3px")
    worlds = sorted({node.world for node in drawn.nodes})
    lines += [f"  classDef {_class(world)} fill:{COLOURS[world]},color:#fff" for world in worlds]
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    return html.escape(text).replace("#", "&num;")


def _class(world: str) -> str:
    return world.replace("-", "_")


def dot(drawn: Picture) -> str:
    """Return a graph in the DOT language of Graphviz."""
    lines = ["digraph architecture {", '  node [shape=box, style="filled,rounded", fontcolor="#ffffff"];']
    for node in drawn.nodes:
        label = _quoted(f"{node.id}\n{node.world}")
        lines.append(f'  {_quoted(node.id)} [label={label}, fillcolor="{COLOURS[node.world]}"];')
    for edge in drawn.edges:
        red = f', color="{FORBIDDEN}", penwidth=2' if edge.findings else ""
        lines.append(f'  {_quoted(edge.source)} -> {_quoted(edge.target)} [label="{edge.imports}"{red}];')
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def page(drawn: Picture, title: str) -> str:
    """Return one HTML page that needs no network: the graph in layers, and what each node and edge is on a click."""
    data = {
        "nodes": [_node(node, drawn) for node in drawn.nodes],
        "edges": [
            {
                "from": edge.source,
                "to": edge.target,
                "count": edge.imports,
                "findings": [_finding(f) for f in edge.findings],
            }
            for edge in drawn.edges
        ],
        "levels": levels(drawn),
        "colours": COLOURS,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    template = resources.files(__package__).joinpath("graph.html").read_text(encoding="utf-8")
    head, _, tail = template.partition("@DATA@")
    return head.replace("@TITLE@", html.escape(title)) + text + tail


def _node(node: Node, drawn: Picture) -> dict[str, Any]:
    modules = drawn.modules[node.id]
    return {
        "id": node.id,
        "world": node.world,
        "zone": node.trust_zone,
        "prefixes": list(node.module_prefixes),
        "visible": "everybody" if node.public else ", ".join(node.visible_to) or "nobody",
        "count": len(modules),
        "modules": list(modules[:_SHOWN]),
        "findings": [_finding(row) for row in drawn.findings.get(node.id, ())],
    }


def _finding(row: Diagnostic) -> dict[str, str]:
    return {"code": row.code, "severity": row.severity, "text": row.message, "at": row.location()}


def levels(drawn: Picture) -> list[list[str]]:
    """Return the node ids row by row: a node stands above all that it imports, but for the nodes of a circle."""
    pairs = [(edge.source, edge.target) for edge in drawn.edges]
    group = {node.id: node.id for node in drawn.nodes}
    for circle in strongly_connected(following(pairs)):
        group.update(dict.fromkeys(circle, min(circle)))
    below: dict[str, set[str]] = {name: set() for name in group.values()}
    for source, target in pairs:
        if group[source] != group[target]:
            below[group[source]].add(group[target])
    depth: dict[str, int] = {}
    while len(depth) < len(below):
        ready = [name for name, targets in below.items() if name not in depth and targets <= depth.keys()]
        depth.update({name: 1 + max((depth[other] for other in below[name]), default=-1) for name in ready})
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in drawn.nodes:
        rows[depth[group[node.id]]].append(node.id)
    return rows[::-1]
