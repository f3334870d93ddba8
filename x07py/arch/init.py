"""`x07 arch init`: a first manifest that states what a project looks like today, to be tightened from there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.arch.check import Request, check
from x07py.arch.documents import jcs_sha256
from x07py.arch.exceptions import exceptions_for
from x07py.arch.first_manifest import cycle_rule, fresh_manifest, fresh_node, manifest_bytes
from x07py.arch.git import ignored_folders
from x07py.arch.graph import build_graph
from x07py.arch.lock import LOCK_PATH, manifest_lock_bytes
from x07py.arch.manifest import read_manifest
from x07py.arch.project import MANIFEST_PATH
from x07py.arch.rules.circles import strongly_connected
from x07py.arch.rules.cycles import following
from x07py.arch.rules.modules import is_admitted
from x07py.arch.scan.module_files import MODULE_SUFFIXES, Scan, module_files
from x07py.arch.scan.module_names import ModuleNames
from x07py.arch.scan.patterns import literal_glob
from x07py.arch.scan.tree import read_modules
from x07py.contracts.roots import Layout, find_layout
from x07py.errors import ArchError, FileError
from x07py.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from x07py.arch.convert.importlinter import Converted
    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.arch.model import Module
    from x07py.diag import Diagnostic

_WIDEST = 1024


class First(NamedTuple):
    """What a first manifest says.

    Args:
        nodes: how many nodes it has.
        roots: the folders on the import path that it names.
        excluded: patterns of what it leaves out.
        exceptions: how many findings it excuses, by code and file.
        left_out: what another tool's settings say that has no counterpart.
    """

    nodes: int
    roots: tuple[str, ...]
    excluded: tuple[str, ...]
    exceptions: int
    left_out: tuple[str, ...] = ()


Convert = Callable[["Mapping[str, Module]"], "Converted"]
"""Makes nodes and rules from the settings of another tool, given the project's modules."""


def first_manifest(root: Path, convert: Convert | None = None) -> First:
    """Write ``arch/manifest.x07arch.json`` and its lock so that a check of the project finds nothing.

    Each top-level package, and each project inside this one, becomes one public run-os node; what they import from
    outside is listed; what git ignores, and files that are no modules, are excluded; what is wrong in a file today
    is an exception, to be looked at.

    Args:
        root: the project's folder.
        convert: takes nodes and rules over from another tool; what breaks these today is no exception.

    Raises:
        ArchError: ``E_ARCH_INIT_EXISTS`` if there is a manifest, ``E_ARCH_INIT_EMPTY`` if there is no module.
        FileError: ``X07IO_WRITE``.
    """
    if (root / MANIFEST_PATH).exists():
        raise ArchError(
            "E_ARCH_INIT_EXISTS", "there is a manifest already", where=MANIFEST_PATH, hint="edit it, or move it away"
        )
    layout, exclude = find_layout(root), _ignored(root)
    files, _ = module_files(root, Scan(exclude))
    names = ModuleNames(root, layout.roots or ["."], [file.path for file in files if file.path.endswith(".py")])
    modules, faults = read_modules(root, files, names, None, lambda _name, _path: 0)
    if not modules:
        raise ArchError(
            "E_ARCH_INIT_EMPTY", "there is no module here", where=str(root), hint="run this where your packages are"
        )
    exclude += sorted({literal_glob(row.path) for row in faults if row.path and row.severity == "error"})
    document = _document(root, layout, modules, exclude)
    converted = convert(modules) if convert else None
    if converted is not None:
        for name, part in converted.parts.items():
            document[name] = {**document.get(name, {}), **part} if isinstance(part, dict) else part
    _write(root, document)
    manifest = read_manifest(root, MANIFEST_PATH, [])
    if manifest is not None:
        graph = build_graph(root, manifest, modules, [], names)
        document["externals"]["allowed_import_prefixes"] = _externals(manifest, graph)
        if converted is None and not strongly_connected(following(graph.node_edges())):
            document["rules"] = [cycle_rule("nodes")]
        _write(root, document)
    left_out = converted.left_out if converted is not None else []
    if left := _wrong_today(root, converted=converted is not None):
        document["exceptions"] = exceptions_for(left)
        _write(root, document)
    manifest = read_manifest(root, MANIFEST_PATH, [])
    if manifest is not None:
        replace_file(root / LOCK_PATH, manifest_lock_bytes(manifest), root=root)
    return First(
        len(document["nodes"]), layout.roots, tuple(exclude), len(document.get("exceptions", ())), tuple(left_out)
    )


def _wrong_today(root: Path, *, converted: bool) -> list[Diagnostic]:
    """Return the errors in modules, without those against rules that were taken over."""
    found = check(Request(root, MANIFEST_PATH)).findings
    left = [row for row in found if row.severity == "error" and (row.path or "").endswith(MODULE_SUFFIXES)]
    return [row for row in left if "rule_id" not in row.data and "node_from" not in row.data] if converted else left


def contracts_only(root: Path) -> bool:
    """Write a manifest without nodes and tell so, if there is no module: code that comes later has to be named there.

    Raises:
        FileError: ``X07IO_WRITE``.
    """
    if module_files(root, Scan(_ignored(root)))[0]:
        return False
    _write(root, fresh_manifest(_repo_id(root), []))
    manifest = read_manifest(root, MANIFEST_PATH, [])
    if manifest is not None:
        replace_file(root / LOCK_PATH, manifest_lock_bytes(manifest), root=root)
    return True


def _repo_id(root: Path) -> str:
    return (re.sub(r"[^A-Za-z0-9._-]", "_", root.resolve().name).lstrip("._-") or "project")[:128]


def _ignored(root: Path) -> list[str]:
    """Return patterns of the folders that git ignores and that hold modules; none where this is no repository."""
    folders = ignored_folders(root)
    files = module_files(root, Scan())[0] if folders else []
    held = [one for one in folders if any(file.path.startswith(one) for file in files)]
    return sorted(f"{literal_glob(one)}**" for one in held if len(one) < _WIDEST)


def _externals(manifest: Manifest, graph: Graph) -> list[str]:
    """Return the shortest prefixes that admit what is imported from outside, and nothing of the project."""
    ours = {name for module in graph.modules for name in _with_above(module)}
    outside = {
        edge.target
        for edge in graph.edges()
        if not edge.internal and not is_admitted(manifest, edge.target, python=edge.module.path.endswith(".py"))
    }
    return sorted({_shortest(target, ours) for target in outside})


def _shortest(target: str, ours: set[str]) -> str:
    prefix = ""
    for part in target.split("."):
        prefix = f"{prefix}.{part}".lstrip(".")
        if prefix not in ours:
            break
    return prefix


def _with_above(name: str) -> Iterable[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _document(root: Path, layout: Layout, modules: dict[str, Module], exclude: Sequence[str]) -> dict[str, Any]:
    """Return a manifest with a node for each member and for each top-level name outside of them."""
    of_members: dict[str, set[str]] = {}
    others: dict[str, list[str]] = {}
    for module in modules.values():
        member = next((one for one in layout.members if module.path.startswith(f"{one}/")), None)
        top = module.id.partition(".")[0]
        if member is not None:
            of_members.setdefault(member, set()).add(top)
        else:
            others.setdefault(top, []).append(module.path)
    shared = {top for tops in of_members.values() for top in tops}
    nodes: list[tuple[list[str], list[str], str]]
    nodes = [([], [f"{literal_glob(member)}/**"], member.replace("/", ".")) for member in sorted(of_members)]
    for top, paths in sorted(others.items()):
        globs = sorted({_own_glob(path, layout) for path in paths}) if top in shared else []
        nodes.append(([] if globs else [top], globs, top))
    ids = _ids(name for _, _, name in nodes)
    rows = [fresh_node(ids[place], "run-os", *node[:2]) for place, node in enumerate(nodes)]
    scan = {"roots": [one or "." for one in layout.roots], "exclude": list(exclude)}
    return {**fresh_manifest(_repo_id(root), rows), "scan": {key: value for key, value in scan.items() if value}}


def _own_glob(path: str, layout: Layout) -> str:
    """Return the pattern of the outermost folder that holds a file and no member, or of the file itself."""
    root = max((f"{one}/" for one in layout.roots if one and path.startswith(f"{one}/")), key=len, default="")
    at = path.find("/", len(root))
    while at >= 0:
        folder = path[: at + 1]
        if not any(member.startswith(folder) for member in layout.members):
            return f"{literal_glob(folder)}**"
        at = path.find("/", at + 1)
    return literal_glob(path)


def _ids(names: Iterable[str]) -> list[str]:
    """Return the id of a node for each name, unlike any other."""
    ids: list[str] = []
    for place, name in enumerate(names):
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")[:100] or "node"
        ids.append(stem if stem not in ids else f"{stem}-{jcs_sha256([name, place])[:8]}")
    return ids


def _write(root: Path, document: dict[str, Any]) -> None:
    path = root / MANIFEST_PATH
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(
            "X07IO_WRITE", f"cannot write: {error.strerror}", where=str(path), hint="check who may write there"
        ) from None
    replace_file(path, manifest_bytes(document), root=root)
