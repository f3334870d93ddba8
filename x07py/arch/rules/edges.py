"""Rules on the imports between nodes: visibility, deny and layer rules, allowlist mode, worlds, trust zones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.arch.model import finding
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.arch.graph import Edge, Graph
    from x07py.arch.manifest import Manifest, Node
    from x07py.diag import Diagnostic

_SHOWN = 20


class _Fault(NamedTuple):
    """What is wrong with a pair of nodes, without the imports that show it."""

    code: str
    message: str
    hint: str
    data: dict[str, Any]


def check_edges(manifest: Manifest, graph: Graph, *, self_edges: bool) -> Iterator[Diagnostic]:
    """Yield what is wrong with each pair of nodes.

    Each finding stands at the first import of its pair and lists the others.

    Args:
        manifest: where the rules stand.
        graph: the imports.
        self_edges: whether an import inside one node is one from the node to itself, for visibility and allowlist mode.
    """
    nodes = {node.id: node for node in manifest.nodes}
    between: dict[tuple[str, str], list[Edge]] | None = None
    for pair, edge in sorted(graph.node_edges(selves=self_edges).items()):
        source, target = (nodes[name] for name in pair)
        refused = [*_denied(manifest, source, target), *_layers(manifest, source, target)]
        faults = [*_visibility(manifest, source, target), *refused, *_worlds(manifest, source, target)]
        faults += _trust(source, target)
        if not refused:
            faults += _allowlist(manifest, source, target)
        if not faults:
            continue
        if between is None and pair[0] != pair[1]:
            between = graph.node_imports()
        edges = between[pair] if between and pair in between else graph.between(*pair)
        others = [graph.note(one) for one in edges if one != edge]
        notes = others[:_SHOWN] + ([f"and {len(others) - _SHOWN} more"] if len(others) > _SHOWN else [])
        facts = {
            "node_from": source.id,
            "node_to": target.id,
            "module_path": edge.module.path,
            "module_id": edge.module.id,
            "import": edge.target,
        }
        for fault in faults:
            yield finding(
                fault.code,
                f"{fault.message}: {edge.module.id} imports {edge.target}",
                **graph.at(edge),
                hint=fault.hint,
                notes=tuple(notes),
                related=tuple(graph.related(one) for one in edges if one != edge),
                data={**facts, **fault.data},
            )


def _visibility(manifest: Manifest, source: Node, target: Node) -> Iterator[_Fault]:
    if manifest.checks("enforce_visibility") and not target.public and source.id not in target.visible_to:
        yield _Fault(
            "E_ARCH_VISIBILITY",
            f"node {source.id} may not see node {target.id}",
            f"import a public node instead, or add {source.id!r} to visible_to of {target.id!r}",
            {},
        )


def _denied(manifest: Manifest, source: Node, target: Node) -> Iterator[_Fault]:
    for rule in manifest.rules("deps_v1"):
        if rule["mode"] == "deny" and rule["from"] == source.id and target.id in rule["to"]:
            yield _Fault(
                "E_ARCH_DEPS_DENY",
                f"rule {rule['id']} forbids {source.id} to import {target.id}",
                "move the code that is needed to a node that both may import",
                {"rule_id": rule["id"]},
            )


def _layers(manifest: Manifest, source: Node, target: Node) -> Iterator[_Fault]:
    for rule in manifest.rules("layers_v1"):
        if rule.get("ignore"):
            continue  # chains tell, which know what is ignored
        level = {name: index for index, layer in enumerate(rule["layers"]) for name in layer}
        if level.get(target.id, -1) > level.get(source.id, len(level)):
            yield _Fault(
                "E_ARCH_LAYERS_VIOLATION",
                f"layer {source.id} lies below {target.id} and imports it",
                f"pass what is needed in from {target.id}, or move it down to {source.id}",
                {"rule_id": rule["id"]},
            )


def _allowlist(manifest: Manifest, source: Node, target: Node) -> Iterator[_Fault]:
    mode = manifest.document["checks"].get("allowlist_mode")
    if not mode or not mode["enabled"] or mode["default_allow_internal"]:
        return
    allowed = any(
        rule["mode"] == "allow" and rule["from"] == source.id and target.id in rule["to"]
        for rule in manifest.rules("deps_v1")
    )
    layered = [{name for layer in rule["layers"] for name in layer} for rule in manifest.rules("layers_v1")]
    if not allowed and not any({source.id, target.id} <= names for names in layered):
        yield _Fault(
            "E_ARCH_EDGE_NOT_ALLOWED",
            f"no rule allows {source.id} to import {target.id}",
            f"add a deps_v1 rule with mode allow from {source.id!r} to {target.id!r}, or drop the import",
            {},
        )


def _worlds(manifest: Manifest, source: Node, target: Node) -> Iterator[_Fault]:
    if not manifest.checks("enforce_world_caps") or not manifest.checks("world_of_imported_v1"):
        return
    if WORLDS[source.world].solve and not WORLDS[target.world].solve:
        yield _Fault(
            "E_ARCH_WORLD_EDGE_FORBIDDEN",
            f"{source.world} node {source.id} imports {target.world} node {target.id}",
            "turn the call round: let the adapter call the pure code, and pass values in",
            {"world_from": source.world, "world_to": target.world},
        )


def _trust(source: Node, target: Node) -> Iterator[_Fault]:
    if source.trust_zone == "verified_core" and target.trust_zone not in {"verified_core", "certified_capsule"}:
        yield _Fault(
            "E_ARCH_TRUST_ZONE_EDGE",
            f"verified_core node {source.id} imports {target.trust_zone} node {target.id}",
            "verified_core may import verified_core and certified_capsule only",
            {"from_zone": source.trust_zone, "to_zone": target.trust_zone},
        )
