"""The modules of tach (``tach.toml``) as nodes and rules of a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.convert.importlinter import Converted
from x07py.arch.convert.partition import Partition
from x07py.errors import ArchError
from x07py.files import MANIFEST_BYTES, parse_toml, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from x07py.arch.model import Module

_KNOWN = {"modules", "source_roots", "exclude", "layers", "forbid_circular_dependencies"}
_ROOT = "<root>"


def from_tach(file: Path, modules: Mapping[str, Module]) -> Converted:
    """Return the nodes and rules for the modules in a file.

    Raises:
        ArchError: ``E_ARCH_CONVERT`` if it cannot be read, or has no module.
    """
    try:
        document = parse_toml(read_file(file, limit=MANIFEST_BYTES).decode())
        rows = [_row(one) for one in document.get("modules", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchError(
            "E_ARCH_CONVERT", f"cannot be read: {error}", where=str(file), hint="correct the file first"
        ) from None
    if not rows:
        raise ArchError("E_ARCH_CONVERT", "the file has no module of tach", where=str(file), hint="name another file")
    partition = Partition(modules, (row["path"] for row in rows if row["path"] != _ROOT))
    ids = [node["id"] for node in partition.nodes()]
    left_out = [f"setting {name!r} has no counterpart" for name in sorted(document.keys() - _KNOWN)]
    left_out += [f"module {row['path']}: {name} has no counterpart" for row in rows for name in _unknown(row)]
    rules = [*_allowed(rows, partition, ids), *_layers(document, rows, partition)]
    if document.get("forbid_circular_dependencies"):
        rules.append({"kind": "deny_cycles_v1", "id": "no-circles", "scope": "nodes"})
    checks = {"allowlist_mode": {"enabled": True, "default_allow_external": True, "default_allow_internal": False}}
    return Converted({"nodes": partition.nodes(), "rules": rules, "checks": checks}, left_out)


def _row(one: dict[str, Any]) -> dict[str, Any]:
    depends = one.get("depends_on")
    names = None if depends is None else [row["path"] if isinstance(row, dict) else row for row in depends]
    return {**one, "path": one["path"], "depends_on": names}


def _unknown(row: dict[str, Any]) -> list[str]:
    return sorted(row.keys() - {"path", "depends_on", "cannot_depend_on", "layer", "utility"})


def _group(path: str, partition: Partition, rows: list[dict[str, Any]]) -> list[str]:
    """Return the node of a module: tach too gives a module to its deepest name."""
    if path != _ROOT:
        own = partition.group(path)
        return own[:1] if any(row["path"] == path for row in rows) else own
    named = {name for row in rows if row["path"] != _ROOT for name in partition.group(row["path"])}
    return [node["id"] for node in partition.nodes() if node["id"] not in named]


def _allowed(rows: list[dict[str, Any]], partition: Partition, ids: list[str]) -> Iterator[dict[str, Any]]:
    """Yield what each module may import; one that does not say may import anything, as may what tach does not name."""
    utilities = [name for row in rows if row.get("utility") for name in _group(row["path"], partition, rows)]
    said: set[str] = set()
    for row in rows:
        for source in _group(row["path"], partition, rows):
            said.add(source)
            allowed = ids if row["depends_on"] is None else utilities
            allowed = [*allowed, *(one for path in row["depends_on"] or () for one in _group(path, partition, rows))]
            if others := sorted(set(allowed) - {source}):
                yield {"kind": "deps_v1", "id": f"allow:{source}"[:128], "from": source, "to": others, "mode": "allow"}
            denied = [one for path in row.get("cannot_depend_on", ()) for one in _group(path, partition, rows)]
            if denied:
                rule = {"kind": "deps_v1", "id": f"deny:{source}"[:128], "from": source, "to": denied, "mode": "deny"}
                yield rule
    for source in sorted(set(ids) - said):
        if others := sorted(set(ids) - {source}):
            yield {"kind": "deps_v1", "id": f"allow:{source}"[:128], "from": source, "to": others, "mode": "allow"}


def _layers(document: dict[str, Any], rows: list[dict[str, Any]], partition: Partition) -> Iterator[dict[str, Any]]:
    names = [one["name"] if isinstance(one, dict) else one for one in document.get("layers", [])]
    groups = [
        sorted({one for row in rows if row.get("layer") == name for one in _group(row["path"], partition, rows)})
        for name in reversed(names)
    ]
    if any(groups):
        layers = [group for group in groups if group]
        yield {"kind": "layers_v1", "id": "layers", "layers": layers, "direction": "down", "indirect": False}
