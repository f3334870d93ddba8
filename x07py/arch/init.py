"""`x07 arch init`: a first manifest that states what a project looks like today, to be tightened from there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from x07py.arch.documents import jcs_sha256, pretty, write_file
from x07py.arch.fresh import cycle_rule, fresh_manifest, fresh_node
from x07py.arch.graph import build_graph
from x07py.arch.lock import LOCK_PATH, manifest_lock_bytes
from x07py.arch.manifest import MANIFEST_PATH, read_manifest
from x07py.arch.rules.cycles import following, strongly_connected
from x07py.arch.rules.modules import is_admitted
from x07py.arch.scan.files import EXCLUDE, INCLUDE, ModuleNames, Scan, module_files
from x07py.arch.scan.tree import read_modules
from x07py.arch.settings import read_settings
from x07py.errors import ArchError, FileError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def first_manifest(root: Path) -> tuple[int, list[str]]:
    """Write ``arch/manifest.x07arch.json`` and its lock so that a check of the project finds nothing.

    Each top-level package becomes one public run-os node; what they import from outside is listed; files that are no
    modules, or are modules twice, are excluded.

    Args:
        root: the project's folder.

    Returns:
        How many nodes the manifest has, and the paths that were excluded.

    Raises:
        ArchError: ``E_ARCH_INIT_EXISTS`` if there is a manifest, ``E_ARCH_INIT_EMPTY`` if there is no module.
        FileError: ``X07IO_WRITE``.
        ArchError, PackageError, FileError: as `read_settings`.
    """
    if (root / MANIFEST_PATH).exists():
        raise ArchError(
            "E_ARCH_INIT_EXISTS", "there is a manifest already", where=MANIFEST_PATH, hint="edit it, or move it away"
        )
    modules, faults = read_modules(
        root,
        module_files(root, Scan()),
        ModuleNames(root, read_settings(root).module_roots),
        None,
        lambda _name, _path: 2,
    )
    if not modules:
        raise ArchError(
            "E_ARCH_INIT_EMPTY", "there is no module here", where=str(root), hint="run this where your packages are"
        )
    excluded = sorted({row.path for row in faults if row.path})
    scan = Scan(INCLUDE, (*EXCLUDE, *(path for path in excluded if not set(path) & set("*?[]{}\\"))))
    document = _document(root, sorted({name.partition(".")[0] for name in modules}))
    _write(root, document)
    manifest = read_manifest(root, MANIFEST_PATH, [])
    if manifest is not None:
        graph = build_graph(root, manifest, modules, [])
        document["externals"]["allowed_import_prefixes"] = sorted(
            {
                edge.target.partition(".")[0]
                for edge in graph.edges()
                if not edge.internal and not is_admitted(manifest, edge.target, python=edge.module.path.endswith(".py"))
            }
        )
        if not strongly_connected(following(graph.node_edges())):
            document["rules"] = [cycle_rule("nodes")]
        _write(root, document)
        manifest = read_manifest(root, MANIFEST_PATH, [])
    if manifest is not None:
        write_file(root / LOCK_PATH, manifest_lock_bytes(manifest, scan))
    return len(document["nodes"]), excluded


def _document(root: Path, names: Iterable[str]) -> dict[str, Any]:
    ids: dict[str, str] = {}
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")[:100] or "node"
        ids[stem if stem not in ids else f"{stem}-{jcs_sha256(name)[:8]}"] = name
    repo = re.sub(r"[^A-Za-z0-9._-]", "_", root.resolve().name).lstrip("._-") or "project"
    return fresh_manifest(repo[:128], [fresh_node(node_id, "run-os", [name]) for node_id, name in ids.items()])


def _write(root: Path, document: dict[str, Any]) -> None:
    path = root / MANIFEST_PATH
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(
            "X07IO_WRITE", f"cannot write: {error.strerror}", where=str(path), hint="check who may write there"
        ) from None
    write_file(path, pretty(document))
