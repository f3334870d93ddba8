"""Rules on chains of imports: what a set of nodes must not reach, directly or through modules of other nodes.

Layers, independence and forbidden reach are one search each: from the modules of some nodes, through modules that no
side of the rule holds, to the first module of a node that may not be reached. A shortest chain is the finding.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.arch.manifest import is_below
from x07py.arch.model import finding
from x07py.arch.place import POINTER
from x07py.arch.scan.patterns import compile_dotted

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Sequence

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.diag import Diagnostic

Step = tuple[str, str]


class _Ban(NamedTuple):
    """What the modules of some nodes may not reach.

    Args:
        rule: the rule.
        code: of its findings.
        sources: nodes that the chain starts in.
        targets: nodes that it may not end in.
        walls: nodes that it does not pass through.
        externals: prefixes from outside that it may not end in.
        direct: whether a chain of one import counts; another rule tells of those where not.
        indirect: whether longer ones do.
        why: what is wrong, with ``{source}`` and ``{target}``.
    """

    rule: dict[str, Any]
    code: str
    sources: tuple[str, ...]
    targets: frozenset[str]
    walls: frozenset[str]
    externals: tuple[str, ...]
    direct: bool
    indirect: bool
    why: str


def check_chains(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield a shortest chain for each pair that a rule forbids; linear in the imports for each layer or group."""
    bans = [
        *(ban for rule in manifest.rules("layers_v1") for ban in _of_layers(rule)),
        *(ban for rule in manifest.rules("independence_v1") for ban in _of_independence(rule)),
        *(_of_forbidden(rule) for rule in manifest.rules("forbidden_v1")),
    ]
    for ban in bans:
        yield from _broken(graph, ban)
    for rule in manifest.rules("protected_v1"):
        yield from _protected(graph, rule)
    for rule in manifest.rules("layers_v1"):
        yield from _exhaustive(manifest, rule)
    yield from _unused(manifest, graph)


def _of_layers(rule: dict[str, Any]) -> Iterator[_Ban]:
    layers: list[tuple[str, ...]] = rule["layers"]
    walls = frozenset(name for layer in layers for name in layer)
    for level, layer in enumerate(layers):
        above = frozenset(name for other in layers[level + 1 :] for name in other)
        why = "layer {source} lies below {target} and reaches it"
        direct = bool(rule.get("ignore"))
        indirect = rule.get("indirect", True)
        if above and (direct or indirect):
            yield _Ban(rule, "E_ARCH_LAYERS_VIOLATION", layer, above, walls, (), direct, indirect, why)


def _of_independence(rule: dict[str, Any]) -> Iterator[_Ban]:
    groups: list[tuple[str, ...]] = rule["nodes"]
    walls = frozenset(name for group in groups for name in group)
    for group in groups:
        others = walls - frozenset(group)
        why = "{source} and {target} are to be independent, and the first reaches the second"
        yield _Ban(rule, "E_ARCH_INDEPENDENCE", group, others, walls, (), True, rule.get("indirect", True), why)


def _of_forbidden(rule: dict[str, Any]) -> _Ban:
    targets = frozenset(rule.get("to", ()))
    externals = tuple(rule.get("externals", ()))
    indirect = not rule.get("allow_indirect", False)
    why = "{source} may not reach {target}"
    return _Ban(rule, "E_ARCH_FORBIDDEN", tuple(rule["from"]), targets, targets, externals, True, indirect, why)


def _broken(graph: Graph, ban: _Ban) -> Iterator[Diagnostic]:
    for target, steps in sorted(_search(graph, ban).items()):
        edges = [graph.edge(*step) for step in steps]
        source = graph.node_of[edges[0].module.id].id
        through = f" through {', '.join(edge.target for edge in edges[:-1])}" if len(edges) > 1 else ""
        first, last = edges[0], edges[-1]
        yield finding(
            ban.code,
            f"{ban.why.format(source=source, target=target)}{through}: {first.module.id} imports {first.target}",
            **graph.at(first),
            hint=f"break the chain at one of its imports, or change rule {ban.rule['id']}",
            notes=tuple(graph.note(edge) for edge in edges),
            related=tuple(graph.related(edge) for edge in edges[1:]),
            data={
                "rule_id": ban.rule["id"],
                "source": source,
                "target": target,
                "module_path": first.module.path,
                "module_id": first.module.id,
                "import": last.target,
                "chain": [first.module.id, *(edge.target for edge in edges)],
            },
        )


def _search(graph: Graph, ban: _Ban) -> dict[str, list[Step]]:
    """Return a shortest chain to each node and external that may not be reached, by its name."""
    ignores = _ignorer(ban.rule)
    starts = [name for name in sorted(graph.node_of) if graph.node_of[name].id in ban.sources]
    came: dict[str, str] = dict.fromkeys(starts, "")
    queue = deque(starts)
    found: dict[str, list[Step]] = {}
    while queue:
        module_id = queue.popleft()
        counts = ban.direct if not came[module_id] else ban.indirect
        for target in sorted(graph.inside[module_id]):
            if target in came or ignores(module_id, target):
                continue
            node = graph.node_of.get(target)
            if node is not None and node.id in ban.targets:
                if counts and node.id not in found:
                    found[node.id] = _chain(came, module_id, target)
            elif ban.indirect and (node is None or node.id not in ban.walls):
                came[target] = module_id
                queue.append(target)
        for target in sorted(graph.outside[module_id]) if counts and ban.externals else ():
            prefix = next((one for one in ban.externals if is_below(target, one)), None)
            if prefix is not None and prefix not in found and not ignores(module_id, target):
                found[prefix] = _chain(came, module_id, target)
    return found


def _chain(came: dict[str, str], module_id: str, target: str) -> list[Step]:
    steps = [(module_id, target)]
    while came[steps[0][0]]:
        steps.insert(0, (came[steps[0][0]], steps[0][0]))
    return steps


def _protected(graph: Graph, rule: dict[str, Any]) -> Iterator[Diagnostic]:
    ignores = _ignorer(rule)
    for (source, target), edges in sorted(graph.node_imports().items()):
        if target not in rule["nodes"] or source in rule["importers"]:
            continue
        for edge in edges:
            if not ignores(edge.module.id, edge.target):
                yield finding(
                    "E_ARCH_PROTECTED",
                    f"node {target} is protected, and {source} is not among its importers: "
                    f"{edge.module.id} imports {edge.target}",
                    **graph.at(edge),
                    hint=f"import it through one of {', '.join(rule['importers']) or 'its own modules'}",
                    data={
                        "rule_id": rule["id"],
                        "module_path": edge.module.path,
                        "module_id": edge.module.id,
                        "import": edge.target,
                    },
                )


def _exhaustive(manifest: Manifest, rule: dict[str, Any]) -> Iterator[Diagnostic]:
    held = {name for layer in rule["layers"] for name in layer} | set(rule.get("exempt", ()))
    for place, node in enumerate(manifest.nodes if rule.get("exhaustive") else ()):
        if node.id not in held:
            yield finding(
                "E_ARCH_LAYERS_NOT_EXHAUSTIVE",
                f"node {node.id} is in no layer of rule {rule['id']}, which is to be exhaustive",
                path=manifest.path,
                hint="give it a layer, or list it in exempt of the rule",
                data={"rule_id": rule["id"], "name": node.id, POINTER: f"/nodes/{place}/id"},
            )


def _unused(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield exceptions of rules that match no import."""
    for place, rule in enumerate(manifest.document["rules"]):
        for at, row in enumerate(rule.get("ignore", ())):
            ignores = _ignorer({"ignore": [row]})
            if not any(ignores(edge.module.id, edge.target) for edge in graph.edges()):
                yield finding(
                    "E_ARCH_EXCEPTION_UNUSED",
                    f"rule {rule['id']} ignores {row['importer']} > {row['imported']}, and there is no such import",
                    path=manifest.path,
                    hint="take it out",
                    data={"name": row["importer"], POINTER: f"/rules/{place}/ignore/{at}"},
                )


def _ignorer(rule: dict[str, Any]) -> Callable[[str, str], bool]:
    rows: Sequence[dict[str, str]] = rule.get("ignore", ())
    patterns = [(_pattern(row["importer"]), _pattern(row["imported"])) for row in rows]
    return lambda importer, imported: any(one.fullmatch(importer) and two.fullmatch(imported) for one, two in patterns)


def _pattern(name: str) -> re.Pattern[str]:
    return compile_dotted(name, one="*", many="**", least=1)
