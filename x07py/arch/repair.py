"""Repairs that a check suggests: RFC 6902 patches of the manifest, of contract files and of x07AST modules.

A repair that admits more than before (an import, an edge) *widens*; those are applied only on demand. The file form is
``x07.arch.patchset@0.1.0``.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from x07py.arch.documents import canonical, pretty
from x07py.arch.first_manifest import fresh_node
from x07py.arch.manifest import is_below
from x07py.arch.place import unescaped
from x07py.arch.scan.patterns import literal_glob
from x07py.arch.scan.x07ast import scan_x07ast
from x07py.contracts.journal import change_together, project_lock
from x07py.contracts.loader import parse_json, resolve_inside
from x07py.errors import ArchError
from x07py.files import CONTRACT_BYTES, SOURCE_BYTES, cannot_read, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from x07py.diag import Diagnostic

PATCHSET = "x07.arch.patchset@0.1.0"
_NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_MAX_RULE_ID = 128


@dataclass(frozen=True, slots=True)
class Patch:
    """Operations on one JSON file.

    Args:
        path: the file, relative to the root.
        operations: RFC 6902 operations, in order; only ``add`` and ``replace`` are made.
        note: what they do, for people.
        widens: whether they admit something that was refused.
        canonical: whether the file is written in the form of RFC 8785 and not for people.
    """

    path: str
    operations: tuple[dict[str, Any], ...]
    note: str
    widens: bool = False
    canonical: bool = False

    def document(self) -> dict[str, Any]:
        """Return the patch as reports and patch sets hold it."""
        return {"path": self.path, "patch": list(self.operations), "note": self.note}


def patchset(patches: Iterable[Patch]) -> bytes:
    """Return patches as the bytes of a patch set file."""
    return pretty({"schema_version": PATCHSET, "patches": [patch.document() for patch in patches]})


def suggest(root: Path, manifest_path: str, findings: Sequence[Diagnostic]) -> list[Patch]:
    """Return the repairs that follow from findings about the manifest and about modules."""
    found: dict[str, list[Diagnostic]] = {}
    for row in findings:
        found.setdefault(row.code, []).append(row)
    patches = []
    if rows := found.get("E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED"):
        names = sorted({str(row.data["import"]) for row in rows})
        made = _made(root, manifest_path, ("externals", {}), ("externals/allowed_exact", []))
        operations = (*made, *_added("/externals/allowed_exact/-", names))
        patches.append(Patch(manifest_path, operations, "allow these imports from outside", widens=True))
    if rows := found.get("E_ARCH_NODE_ORPHAN_MODULE"):
        nodes = [_node(root, str(row.data["module_id"]), str(row.data["module_path"])) for row in rows]
        patches.append(
            Patch(
                manifest_path, _added("/nodes/-", nodes), "give each orphan a node of its own, in the strictest world"
            )
        )
    if rows := found.get("E_ARCH_EDGE_NOT_ALLOWED"):
        pairs = sorted({(str(row.data["node_from"]), str(row.data["node_to"])) for row in rows})
        rules = [_rule(*pair) for pair in pairs]
        operations = (*_made(root, manifest_path, ("rules", [])), *_added("/rules/-", rules))
        patches.append(Patch(manifest_path, operations, "allow these edges", widens=True))
    prefixed = [*found.get("E_ARCH_IMPORT_PREFIX_DENIED", ()), *found.get("E_ARCH_IMPORT_PREFIX_NOT_ALLOWED", ())]
    offending: dict[str, set[str]] = {}
    for row in prefixed:
        offending.setdefault(str(row.data["module_path"]), set()).add(str(row.data["import"]))
    return patches + [_without(root, path, offending[path]) for path in sorted(offending) if path.endswith(".x07.json")]


def _made(root: Path, path: str, *places: tuple[str, object]) -> tuple[dict[str, Any], ...]:
    """Return operations that make what a manifest leaves out, each place with what it is without any entry."""
    document = _read(root, path)
    lacking: list[dict[str, Any]] = []
    for place, empty in places:
        found = document
        for part in place.split("/"):
            found = found.get(part) if isinstance(found, dict) else None
        lacking += [] if found is not None else _added(f"/{place}", [empty])
    return tuple(lacking)


def _added(path: str, values: Iterable[object]) -> tuple[dict[str, Any], ...]:
    return tuple({"op": "add", "path": path, "value": value} for value in values)


def _node(root: Path, module_id: str, path: str) -> dict[str, Any]:
    name = f"orphan.{module_id}"
    if not _NODE_ID.fullmatch(name):
        name = "orphan." + hashlib.sha256(module_id.encode()).hexdigest()[:32]
    first = module_id.partition(".")[0]
    node = fresh_node(name, "solve-pure", [], [literal_glob(path)], public=False)
    if path.endswith(".x07.json"):
        imported = [row[0] for row in scan_x07ast(read_file(root / path, limit=SOURCE_BYTES, root=root), path).imports]
        used = [prefix for prefix in ("std.", "ext.") if any(is_below(name, prefix) for name in imported)]
        node["imports"]["allow_prefixes"] = [*used, f"{first}."]
    return node


def _rule(source: str, target: str) -> dict[str, Any]:
    name = f"allow:{source}->{target}"
    if len(name) > _MAX_RULE_ID:
        name = "allow:sha256:" + hashlib.sha256(f"{source}->{target}".encode()).hexdigest()
    return {"kind": "deps_v1", "id": name, "from": source, "to": [target], "mode": "allow"}


def _without(root: Path, path: str, offending: set[str]) -> Patch:
    imports = parse_json(read_file(root / path, limit=SOURCE_BYTES, root=root))["imports"]
    kept = sorted(name for name in imports if name not in offending)
    return Patch(path, ({"op": "replace", "path": "/imports", "value": kept},), "remove the forbidden imports")


def merge(patches: Iterable[Patch]) -> list[Patch]:
    """Return patches sorted by path, those that widen last, without repeated operations and empty repetitions."""
    merged: dict[tuple[str, bool], Patch] = {}
    for patch in patches:
        key = patch.path, patch.widens
        before = merged.get(key, Patch(patch.path, (), "", patch.widens, patch.canonical))
        operations = (*before.operations, *(one for one in patch.operations if one not in before.operations))
        notes = [note for note in (before.note, patch.note) if note]
        note = before.note if patch.note in before.note.split("; ") else "; ".join(notes)
        merged[key] = Patch(patch.path, operations, note, patch.widens, patch.canonical)
    return [merged[key] for key in sorted(merged)]


def apply(root: Path, patches: Sequence[Patch]) -> list[str]:
    """Apply patches; all files change together or none does, whatever kills the process.

    Args:
        root: the project.
        patches: what to apply; patches of one file are applied in their order.

    Returns:
        The paths that changed, sorted.

    Raises:
        ArchError: ``E_ARCH_PATCH_FAILED`` if a file is no longer what the check read.
        FileError: ``X07IO_WRITE``, ``X07IO_READ``.
    """
    if not patches:
        return []
    with project_lock(root):
        documents: dict[str, Any] = {}
        for patch in patches:
            if patch.path not in documents:
                documents[patch.path] = _read(root, patch.path)
            try:
                for operation in patch.operations:
                    _operate(documents[patch.path], operation)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise ArchError(
                    "E_ARCH_PATCH_FAILED",
                    f"the file changed since it was checked: {json.dumps(operation['path'])} is not there ({error})",
                    where=patch.path,
                    hint="run the check again",
                ) from None
        exact = {patch.path for patch in patches if patch.canonical}
        change_together(root, {path: _bytes(documents[path], exact=path in exact) for path in documents})
    return sorted(documents)


def _bytes(document: Any, *, exact: bool) -> bytes:
    data = canonical(document) if exact else None
    return pretty(document) if data is None else data + b"\n"


def _read(root: Path, path: str) -> Any:
    try:
        return parse_json(read_file(resolve_inside(root, path), limit=CONTRACT_BYTES))
    except OSError as error:
        raise cannot_read(path, error, "run the check again") from None
    except (ValueError, RecursionError):
        raise ArchError(
            "E_ARCH_PATCH_FAILED", "the file is not JSON any more", where=path, hint="run the check again"
        ) from None


def _operate(document: Any, operation: dict[str, Any]) -> None:
    """Carry out an ``add`` or ``replace`` (RFC 6902) in place; the pointer has at least one part."""
    *outer, last = map(unescaped, operation["path"].split("/")[1:])
    for part in outer:
        document = document[int(part)] if isinstance(document, list) else document[part]
    if isinstance(document, list) and last == "-":
        document.append(operation["value"])
    elif isinstance(document, list):
        document[int(last)] = operation["value"]
    elif operation["op"] == "replace" and last not in document:
        raise KeyError(last)
    else:
        document[last] = operation["value"]
