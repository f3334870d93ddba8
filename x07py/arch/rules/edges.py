"""Rules on the imports between nodes: visibility, deny and layer rules, allowlist mode, worlds, trust zones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.model import at, finding
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.arch.graph import Edge, Graph
    from x07py.arch.manifest import Manifest, Node
    from x07py.diag import Diagnostic


def check_edges(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield what is wrong with each pair of nodes; an import inside one node is no edge."""
    nodes = {node.id: node for node in manifest.nodes}
    for (source, target), edges in sorted(graph.node_edges().items()):
        pair = nodes[source], nodes[target], edges[0]
        refused = [*_denied(manifest, *pair), *_layers(manifest, *pair)]
        yield from _visibility(manifest, *pair)
        yield from refused
        if not refused:
            yield from _allowlist(manifest, *pair)
        yield from _worlds(manifest, *pair)
        yield from _trust(*pair)


def evidence(source: Node, target: Node, edge: Edge) -> dict[str, Any]:
    """Return the facts that every finding about a pair of nodes carries."""
    return {
        "node_from": source.id,
        "node_to": target.id,
        "module_path": edge.module.path,
        "module_id": edge.module.id,
        "import": edge.target,
    }


def _where(edge: Edge) -> dict[str, object]:
    return at(edge.origin.place, edge.module.path)


def _visibility(manifest: Manifest, source: Node, target: Node, edge: Edge) -> Iterator[Diagnostic]:
    if manifest.checks("enforce_visibility") and not target.public and source.id not in target.visible_to:
        yield finding(
            "E_ARCH_VISIBILITY",
            f"node {source.id} may not see node {target.id}: {edge.module.id} imports {edge.target}",
            **_where(edge),
            hint=f"import a public node instead, or add {source.id!r} to visible_to of {target.id!r}",
            data=evidence(source, target, edge),
        )


def _denied(manifest: Manifest, source: Node, target: Node, edge: Edge) -> Iterator[Diagnostic]:
    for rule in manifest.rules("deps_v1"):
        if rule["mode"] == "deny" and rule["from"] == source.id and target.id in rule["to"]:
            yield finding(
                "E_ARCH_DEPS_DENY",
                f"rule {rule['id']} forbids {source.id} to import {target.id}: {edge.module.id} imports {edge.target}",
                **_where(edge),
                hint="move the code that is needed to a node that both may import",
                data={"rule_id": rule["id"], **evidence(source, target, edge)},
            )


def _layers(manifest: Manifest, source: Node, target: Node, edge: Edge) -> Iterator[Diagnostic]:
    for rule in manifest.rules("layers_v1"):
        level = {name: index for index, name in enumerate(rule["layers"])}
        if level.get(target.id, -1) > level.get(source.id, len(level)):
            yield finding(
                "E_ARCH_LAYERS_VIOLATION",
                f"layer {source.id} lies below {target.id} and imports it: {edge.module.id} imports {edge.target}",
                **_where(edge),
                hint=f"pass what is needed in from {target.id}, or move it down to {source.id}",
                data={"rule_id": rule["id"], **evidence(source, target, edge)},
            )


def _allowlist(manifest: Manifest, source: Node, target: Node, edge: Edge) -> Iterator[Diagnostic]:
    mode = manifest.document["checks"].get("allowlist_mode")
    if not mode or not mode["enabled"] or mode["default_allow_internal"]:
        return
    allowed = any(
        rule["mode"] == "allow" and rule["from"] == source.id and target.id in rule["to"]
        for rule in manifest.rules("deps_v1")
    )
    if not allowed and not any({source.id, target.id} <= set(rule["layers"]) for rule in manifest.rules("layers_v1")):
        yield finding(
            "E_ARCH_EDGE_NOT_ALLOWED",
            f"no rule allows {source.id} to import {target.id}: {edge.module.id} imports {edge.target}",
            **_where(edge),
            hint=f"add a deps_v1 rule with mode allow from {source.id!r} to {target.id!r}, or drop the import",
            data=evidence(source, target, edge),
        )


def _worlds(manifest: Manifest, source: Node, target: Node, edge: Edge) -> Iterator[Diagnostic]:
    if not manifest.checks("enforce_world_caps") or not manifest.checks("world_of_imported_v1"):
        return
    if WORLDS[source.world].solve and not WORLDS[target.world].solve:
        yield finding(
            "E_ARCH_WORLD_EDGE_FORBIDDEN",
            f"{source.world} node {source.id} imports {target.world} node {target.id}: "
            f"{edge.module.id} imports {edge.target}",
            **_where(edge),
            hint="turn the call round: let the adapter call the pure code, and pass values in",
            data={"world_from": source.world, "world_to": target.world, **evidence(source, target, edge)},
        )


def _trust(source: Node, target: Node, edge: Edge) -> Iterator[Diagnostic]:
    if source.trust_zone == "verified_core" and target.trust_zone not in {"verified_core", "certified_capsule"}:
        yield finding(
            "E_ARCH_TRUST_ZONE_EDGE",
            f"verified_core node {source.id} imports {target.trust_zone} node {target.id}: "
            f"{edge.module.id} imports {edge.target}",
            **_where(edge),
            hint="verified_core may import verified_core and certified_capsule only",
            data={"from_zone": source.trust_zone, "to_zone": target.trust_zone, **evidence(source, target, edge)},
        )
