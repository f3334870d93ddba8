"""Rules on single modules: imports from outside, import prefixes, smoke entries, bare bytes at a public border.

Each is a function below `check_modules`, which is all that the check knows of them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from x07py.arch.manifest import is_below
from x07py.arch.model import finding
from x07py.arch.place import POINTER
from x07py.arch.scan.module_files import PYTHON_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.arch.graph import Edge, Graph
    from x07py.arch.manifest import Manifest, Node
    from x07py.diag import Diagnostic


def check_modules(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield what is wrong with single modules, by each rule."""
    yield from _check_imports(manifest, graph)
    yield from _check_exports(manifest, graph)
    yield from _check_secrets(graph)


def _check_imports(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield imports that the manifest's externals or the prefixes of the importer's node do not admit."""
    admitted: dict[bool, dict[str, bool]] = {True: {}, False: {}}
    for module_id, imported in graph.outside.items():
        python = graph.modules[module_id].path.endswith(PYTHON_SUFFIXES)
        known = admitted[python]
        for target in imported:
            if target not in known:
                known[target] = is_admitted(manifest, target, python=python)
            if not known[target]:
                edge = graph.edge(module_id, target)
                yield finding(
                    "E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED",
                    f"{module_id} imports {target}, which externals do not list",
                    **graph.at(edge),
                    hint=f"drop the import, or add {target!r} to externals.allowed_exact in {manifest.path}",
                    data=_facts(edge),
                )
    if manifest.checks("enforce_world_caps"):
        yield from _check_prefixes(graph)


def _check_prefixes(graph: Graph) -> Iterator[Diagnostic]:
    fine: dict[str, set[str]] = {}
    for module_id, node in graph.node_of.items():
        if not node.deny_prefixes and not node.allow_prefixes:
            continue
        known = fine.setdefault(node.id, set())
        for target in (*graph.inside[module_id], *graph.outside[module_id]):
            if target not in known and (row := _prefix_finding(graph, node, module_id, target)) is not None:
                yield row
            else:
                known.add(target)


def _prefix_finding(graph: Graph, node: Node, module_id: str, target: str) -> Diagnostic | None:
    denied = next((prefix for prefix in node.deny_prefixes if is_below(target, prefix)), None)
    own = (
        graph.modules[module_id].path.endswith(PYTHON_SUFFIXES) and target.partition(".")[0] in sys.stdlib_module_names
    )
    if denied is None and (own or not node.allow_prefixes or any(is_below(target, one) for one in node.allow_prefixes)):
        return None
    edge = graph.edge(module_id, target)
    facts = {"node": node.id, **_facts(edge)}
    if denied is not None:
        return finding(
            "E_ARCH_IMPORT_PREFIX_DENIED",
            f"node {node.id} denies imports below {denied}: {module_id} imports {target}",
            **graph.at(edge),
            hint=f"drop the import, or take {denied!r} out of deny_prefixes of {node.id!r}",
            data={"denied_prefix": denied, **facts},
        )
    return finding(
        "E_ARCH_IMPORT_PREFIX_NOT_ALLOWED",
        f"node {node.id} does not list {target}, which {module_id} imports",
        **graph.at(edge),
        hint=f"drop the import, or add a prefix to allow_prefixes of {node.id!r}",
        data=facts,
    )


def _facts(edge: Edge) -> dict[str, str]:
    return {"module_id": edge.module.id, "module_path": edge.module.path, "import": edge.target}


def is_admitted(manifest: Manifest, target: str, *, python: bool) -> bool:
    """Tell whether externals admit an import; Python's own library is none, worlds and prefixes rule it.

    Args:
        manifest: where the externals stand.
        target: full name of what is imported.
        python: whether the importer is a Python module.
    """
    if python and target.partition(".")[0] in sys.stdlib_module_names:
        return True
    externals = manifest.document["externals"]
    if target in externals["allowed_exact"]:
        return True
    mode = manifest.document["checks"].get("allowlist_mode")
    if mode and mode["enabled"] and not mode["default_allow_external"]:
        return False
    return any(is_below(target, prefix) for prefix in externals["allowed_import_prefixes"])


def _check_secrets(graph: Graph) -> Iterator[Diagnostic]:
    """Yield passwords and keys in modules."""
    for module in graph.modules.values():
        for offset in module.secrets:
            yield finding(
                "E_ARCH_SECRET_IN_MODULE",
                f"module {module.id} holds a password or a private key",
                **graph.sources.at(module.path, offset),
                hint="take it from the environment or a secret's file when the program runs; change it now",
                data={"module_id": module.id, "module_path": module.path},
            )


def _check_exports(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield nodes whose smoke entry no module exports, and bare bytes at the border of public nodes."""
    exported: dict[str, set[str]] = {}
    for module_id, node in graph.node_of.items():
        names = graph.modules[module_id].exports
        exported.setdefault(node.id, set()).update(names, (f"{module_id}.{name}" for name in names))
    for index, node in enumerate(manifest.nodes):
        if node.smoke_entry and node.id in exported and node.smoke_entry not in exported[node.id]:
            yield finding(
                "E_ARCH_SMOKE_MISSING",
                f"no module of node {node.id} exports {node.smoke_entry}",
                path=manifest.path,
                hint="write the function, or correct smoke_entry of the node",
                data={
                    "node": node.id,
                    "smoke_entry": node.smoke_entry,
                    POINTER: f"/nodes/{index}/contracts/smoke_entry",
                },
            )
    if not manifest.checks("brand_boundary_v1"):
        return
    for module_id, node in sorted(graph.node_of.items(), key=lambda row: row[0]):
        module = graph.modules[module_id]
        for symbol, param, kind, offset in module.bare_bytes if node.public else ():
            what = f"parameter {param}" if param else "the result"
            yield finding(
                "E_ARCH_PUBLIC_BYTES_UNBRANDED",
                f"{what} of {module_id}.{symbol} is bare {kind} at the border of public node {node.id}",
                **graph.sources.at(module.path, offset),
                hint='say what the bytes are: a NewType, or Annotated[bytes, "brand"]',
                data={
                    "node": node.id,
                    "module_path": module.path,
                    "symbol": symbol,
                    "param": param,
                    "ty": kind,
                },
            )
