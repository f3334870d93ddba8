"""The nodes of a project and the imports between them, as Mermaid, Graphviz DOT, or one self-contained HTML page.

Nodes have the colour of their world; an edge that a finding names is red.
"""

from __future__ import annotations

import html
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.printing import content_policy, escaped, html_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest, Node
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
    """What is drawn: nodes in the manifest's order, edges sorted, other findings by their node, layers by rule."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    modules: Mapping[str, Sequence[str]]
    findings: Mapping[str, Sequence[Diagnostic]]
    layers: Sequence[Sequence[Sequence[str]]]


def picture(manifest: Manifest, graph: Graph, findings: Sequence[Diagnostic]) -> Picture:
    """Return what there is to draw of a graph and the findings of its check. Linear in the imports."""
    counts: dict[tuple[str, str], int] = {}
    modules: dict[str, list[str]] = {node.id: [] for node in manifest.nodes}
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
    layers = [rule["layers"] for rule in manifest.rules("layers_v1")]
    return Picture(manifest.nodes, edges, modules, rest, layers)


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


def document(drawn: Picture) -> dict[str, Any]:
    """Return the picture for programs: nodes with their modules, edges with the codes of what is wrong with them."""
    return {
        "schema_version": "x07py.arch.graph@0.1.0",
        "nodes": [
            {"id": node.id, "world": node.world, "modules": list(drawn.modules[node.id])} for node in drawn.nodes
        ],
        "edges": [
            {
                "from": edge.source,
                "to": edge.target,
                "imports": edge.imports,
                "findings": sorted({row.code for row in edge.findings}),
            }
            for edge in drawn.edges
        ],
    }


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
        "layers": drawn.layers,
        "colours": COLOURS,
    }
    text = html_data(data)
    template = resources.files(__package__).joinpath("graph.html").read_text(encoding="utf-8")
    head, _, tail = template.partition("@DATA@")
    title = html.escape(escaped(title))
    return head.replace("@POLICY@", content_policy(template)).replace("@TITLE@", title) + text + tail


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
    return {
        "code": row.code,
        "severity": row.severity,
        "text": row.message,
        "at": row.location(),
        "rule": str(row.data.get("rule_id", "")),
    }
