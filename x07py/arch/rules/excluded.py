"""Imports of files that ``scan.exclude`` leaves out: what they import and reach, no rule has looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.arch.model import finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from x07py.arch.graph import Graph
    from x07py.arch.model import Import, Module
    from x07py.arch.scan.module_names import ModuleNames
    from x07py.diag import Diagnostic


def check_imported(
    root: Path, graph: Graph, names: ModuleNames, excluded: Mapping[str, Collection[str]]
) -> Iterator[Diagnostic]:
    """Yield each module's first import of a file that is excluded.

    Args:
        root: the project's folder.
        graph: modules that were read.
        names: says what a path is imported as.
        excluded: files and folders that are left out, by pattern.
    """
    places: dict[str, tuple[str, str]] = {}
    for pattern, paths in excluded.items():
        for path in paths:
            file = path if path.endswith(".py") else f"{path}/__init__.py"
            places.setdefault(names.name(file), (path, pattern))
    if not places:
        return
    for module in graph.modules.values():
        told: set[str] = set()
        for origin in module.imports:
            hit = next(
                filter(None, (_place(root, name, places, graph) for name in _meant(names, module, origin))), None
            )
            if hit is not None and hit[0] not in told and origin[2] != "type":
                told.add(hit[0])
                yield _imported(graph, module, origin, hit)


def _meant(names: ModuleNames, module: Module, origin: Import) -> list[str]:
    base = names.meant(module.path, origin[0]) if origin[0][:1] != "." else None
    return [base, *(f"{base}.{name}" for name in origin[1])] if base else []


def _place(root: Path, name: str, places: Mapping[str, tuple[str, str]], graph: Graph) -> tuple[str, str] | None:
    """Return the excluded file that a name stands for, with the pattern; None if it stands for none."""
    if name in graph.modules:
        return None
    above, below = name, ""
    while above:
        path, pattern = places.get(above, ("", ""))
        if path.endswith(".py"):
            return (path, pattern) if not below else None
        if path:
            tails = (f"{below}.py", f"{below}/__init__.py") if below else ("__init__.py",)
            return next(((f"{path}/{one}", pattern) for one in tails if (root / path / one).is_file()), None)
        above, _, last = above.rpartition(".")
        below = f"{last}/{below}" if below else last
    return None


def _imported(graph: Graph, module: Module, origin: Import, hit: tuple[str, str]) -> Diagnostic:
    path, pattern = hit
    return finding(
        "W_ARCH_EXCLUDED_IMPORTED",
        f"{module.id} imports {path}, which scan.exclude leaves out by {pattern!r}: no rule holds what it imports",
        **graph.sources.at(module.path, origin[3]),
        hint="take it out of scan.exclude, or name it under exceptions of the manifest with a reason",
        data={"module_id": module.id, "module_path": module.path, "name": path},
    )
