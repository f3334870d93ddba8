"""``deny_prefixes`` that name a member of a module (``decimal.Decimal``): taken by ``from``, or used through it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from x07py.arch.manifest import is_below
from x07py.arch.model import finding
from x07py.arch.scan.module_files import PYTHON_SUFFIXES
from x07py.arch.scan.python import package_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest, Node
    from x07py.arch.model import Module
    from x07py.diag import Diagnostic


def check_members(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield denied members that modules take or use; a module is parsed only if it imports what is around one."""
    if not manifest.checks("enforce_world_caps"):
        return
    for module_id, node in sorted(graph.node_of.items(), key=lambda row: row[0]):
        prefixes = [prefix.removesuffix(".") for prefix in node.deny_prefixes if "." in prefix.removesuffix(".")]
        module = graph.modules[module_id]
        if not prefixes or not module.path.endswith(PYTHON_SUFFIXES):
            continue
        imported = {*graph.inside[module_id], *graph.outside[module_id]}
        for prefix in prefixes:
            if any(is_below(target, prefix) for target in imported):
                continue  # that is an import of its own, which has its finding
            for offset in sorted({*_taken(module, prefix), *_used(graph, module, prefix)}):
                yield _denied(graph, node, module, prefix, offset)


def _taken(module: Module, prefix: str) -> Iterator[int]:
    for base, names, kind, offset in module.imports:
        if kind != "type" and any(is_below(f"{base}.{name}", prefix) for name in names):
            yield offset


def _used(graph: Graph, module: Module, prefix: str) -> Iterator[int]:
    """Yield where an attribute of an imported module is the denied member."""
    around = {
        name
        for base, names, kind, _ in module.imports
        if kind != "type"
        for name in (base, *(f"{base}.{one}" for one in names))
        if prefix.startswith(f"{name}.") or name == prefix.partition(".")[0]
    }
    text = graph.sources.text(module.path) if around else ""
    if prefix.rpartition(".")[2] not in text:
        return
    from x07py.arch.scan.syntax import Reader

    try:
        reader = Reader(text, package_of(module.id, module.path), deep=True, module_id=module.id)
    except (SyntaxError, ValueError, RecursionError):  # read by its tokens, which tell no uses
        return
    for part in ast.walk(reader.tree):
        if isinstance(part, ast.Attribute) and id(part) not in reader.type_only and reader.dotted(part) == prefix:
            yield reader.offset(part)


def _denied(graph: Graph, node: Node, module: Module, prefix: str, offset: int) -> Diagnostic:
    return finding(
        "E_ARCH_IMPORT_PREFIX_DENIED",
        f"node {node.id} denies {prefix}: {module.id} uses it",
        **graph.sources.at(module.path, offset),
        hint=f"use something else, or take {prefix!r} out of deny_prefixes of {node.id!r}",
        data={
            "denied_prefix": prefix,
            "node": node.id,
            "module_id": module.id,
            "module_path": module.path,
            "import": prefix,
        },
    )
