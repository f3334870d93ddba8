"""The manifest ``arch/manifest.x07arch.json``: read, checked against its schema, and typed."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from x07py.arch.documents import jcs_sha256, schema_findings
from x07py.arch.model import finding
from x07py.arch.place import POINTER
from x07py.arch.scan.module_files import Scan
from x07py.arch.scan.patterns import compile_globs
from x07py.contracts.defaults import filled
from x07py.contracts.loader import parse_json
from x07py.files import CONTRACT_BYTES, read_file
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from x07py.arch.model import Depth
    from x07py.diag import Diagnostic

SCHEMA_VERSION = "x07py.arch.manifest@0.1.0"
"""What a new manifest is: the reference's, with more; the reference's own is read as the reference reads it."""
_SCHEMAS = {SCHEMA_VERSION: "x07py.arch.manifest", "x07.arch.manifest@0.3.0": "x07.arch.manifest"}
_GROUPED = {"layers_v1": "layers", "independence_v1": "nodes"}
"""The field of a rule whose entries are a node or an array of nodes."""
_HINT = "docs/reference/arch.md lists the fields"


@dataclass(frozen=True, slots=True)
class Node:
    """One node: a set of modules with one world, trust zone and visibility."""

    id: str
    module_prefixes: tuple[str, ...]
    globs: re.Pattern[str] | None
    world: str
    trust_zone: str
    public: bool
    visible_to: tuple[str, ...]
    deny_prefixes: tuple[str, ...]
    allow_prefixes: tuple[str, ...]
    smoke_entry: str | None


@dataclass(frozen=True)
class Manifest:
    """A manifest that fits its schema, with its nodes typed; rules and checks are as written."""

    path: str
    digest: str
    document: dict[str, Any]
    nodes: tuple[Node, ...]

    def checks(self, name: str) -> bool:
        """Return a switch below ``checks``; an optional ``NAME.enabled`` that is absent counts as on."""
        value = self.document["checks"].get(name, True)
        return bool(value["enabled"] if isinstance(value, dict) else value)

    def nodes_of(self, module_id: str, path: str) -> tuple[Node, ...]:
        """Return the nodes that a module belongs to, in the order of the manifest; one is what is right."""
        above, _, _ = module_id.rpartition(".")
        found = self._by_prefix.get(module_id) or self._below(above)
        if not self._with_globs:
            return found
        members = {node.id for node in found}
        members.update(node.id for node in self._with_globs if node.globs and node.globs.fullmatch(path))
        return tuple(node for node in self.nodes if node.id in members) if len(members) > len(found) else found

    def depth(self, module_id: str, path: str) -> Depth:
        """Return how much of a module the rules of its node need."""
        nodes = self.nodes_of(module_id, path)
        if len(nodes) == 1:
            return self._depths[nodes[0].id]
        return max((self._depths[node.id] for node in nodes), default=0)

    @cached_property
    def _by_prefix(self) -> dict[str, tuple[Node, ...]]:
        """The nodes of each name that is a prefix of one, with those of the prefixes above it."""
        own: dict[str, dict[int, Node]] = {}
        for number, node in enumerate(self.nodes):
            for prefix in node.module_prefixes:
                own.setdefault(prefix.removesuffix("."), {})[number] = node
        found = {}
        for name in own:
            nodes = {number: node for above in _and_above(name) for number, node in own.get(above, {}).items()}
            found[name] = tuple(nodes[number] for number in sorted(nodes))
        return found

    @cached_property
    def _memo(self) -> dict[str, tuple[Node, ...]]:
        return {"": ()}

    def _below(self, package: str) -> tuple[Node, ...]:
        found = self._memo.get(package)
        if found is None:
            found = self._by_prefix.get(package) or self._below(package.rpartition(".")[0])
            self._memo[package] = found
        return found

    @cached_property
    def _with_globs(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.globs)

    @cached_property
    def _depths(self) -> dict[str, Depth]:
        brands = self.checks("brand_boundary_v1")
        return {
            node.id: 2 if WORLDS[node.world].solve or node.smoke_entry else 1 if brands and node.public else 0
            for node in self.nodes
        }

    @property
    def contracts(self) -> dict[str, Any]:
        """The configuration of the contract domains; empty without any."""
        found: dict[str, Any] = self.document.get("contracts_v1", {})
        return found

    @cached_property
    def scan(self) -> Scan:
        """Which files are left out; the manifest alone says so."""
        scan = self.document.get("scan", {})
        return Scan(scan.get("exclude", ()), notebooks=scan.get("notebooks", False))

    @property
    def own_format(self) -> bool:
        """Tell whether the manifest is of x07py's format, whose contracts lock may pin the manifest as well."""
        return bool(self.document["schema_version"] == SCHEMA_VERSION)

    @property
    def type_imports(self) -> bool:
        """Tell whether imports that only type checkers run count."""
        return bool(self.document.get("scan", {}).get("type_imports", False))

    @property
    def roots(self) -> tuple[str, ...]:
        """Folders on the import path, below the project; empty where the layout tells."""
        return tuple(self.document.get("scan", {}).get("roots", ()))

    def rules(self, kind: str) -> list[dict[str, Any]]:
        """Return the rules of one kind, in order; patterns of node ids as the ids, layers and groups as tuples."""
        return [rule for rule in self._rules if rule["kind"] == kind]

    @cached_property
    def _rules(self) -> list[dict[str, Any]]:
        ids = [node.id for node in self.nodes]
        return [_expanded(rule, ids) for rule in self.document["rules"]]


def _expanded(rule: dict[str, Any], ids: Sequence[str]) -> dict[str, Any]:
    """Return a rule with the ids that its patterns stand for."""
    lists: dict[str, Any] = {
        key: [one for name in _names(value) for one in _matching(name, ids)] for key, value in _id_lists(rule)
    }
    if rule["kind"] in _GROUPED:
        key = _GROUPED[rule["kind"]]
        lists[key] = [tuple(one for name in _names(group) for one in _matching(name, ids)) for group in rule[key]]
    return {**rule, **lists}


def _id_lists(rule: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the fields of a rule that list node ids."""
    for key in ("from", "to", "layers", "nodes", "importers", "exempt"):
        if isinstance(rule.get(key), list):
            yield key, rule[key]


def _names(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [name for one in value for name in ([one] if isinstance(one, str) else one)]


def _matching(name: str, ids: Sequence[str]) -> list[str]:
    return [one for one in ids if fnmatchcase(one, name)] if "*" in name else [name]


def _and_above(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def is_below(name: str, prefix: str) -> bool:
    """Tell whether a dotted name is `prefix` or lies below it; ``app.a`` and ``app.a.`` do not cover ``app.abc``."""
    stem = prefix.removesuffix(".")
    return name == stem or name.startswith(stem + ".")


def read_manifest(root: Path, path: str, findings: list[Diagnostic]) -> Manifest | None:
    """Return the manifest, or None after adding a finding for each reason why it cannot be used."""
    before = len(findings)
    document = manifest_document(root, path, findings)
    return manifest_of(root, path, document, findings) if len(findings) == before else None


def manifest_document(root: Path, path: str, findings: list[Diagnostic]) -> Any:
    """Return the JSON of the manifest's file, or None after adding a finding that says why there is none."""
    try:
        return parse_json(read_file(root / path, limit=CONTRACT_BYTES, root=root))
    except OSError as error:
        what = error.strerror or "unreadable"
        hint = "`x07 arch init` writes a manifest to start from"
        findings.append(finding("E_ARCH_MANIFEST_READ", f"cannot read the manifest: {what}", path=path, hint=hint))
    except (ValueError, RecursionError) as error:
        findings.append(finding("E_ARCH_MANIFEST_JSON_PARSE", f"not valid JSON: {error}", path=path, hint=_HINT))
    return None


def manifest_of(root: Path, path: str, document: Any, findings: list[Diagnostic]) -> Manifest | None:
    """Return the manifest that a document is, or None after adding a finding for each reason why it is none."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    schema = _SCHEMAS.get(version if isinstance(version, str) else "", _SCHEMAS[SCHEMA_VERSION])
    faults = schema_findings(document, schema, "E_ARCH_MANIFEST_SCHEMA_INVALID", path, _HINT)
    findings += faults
    if faults:
        return None
    digest, document = jcs_sha256(document), filled(document)
    try:
        nodes = tuple(_node(row) for row in document["nodes"])
        compile_globs(document.get("scan", {}).get("exclude", ()))
        compile_globs([row["path"] for row in document.get("exceptions", ())])
    except ValueError as error:
        findings.append(finding("E_ARCH_MANIFEST_INVALID", str(error), path=path, hint="mend the pattern"))
        return None
    before = len(findings)
    findings += _unknown_names(document, path)
    findings += _missing_roots(root, document, path)
    return Manifest(path, digest, document, nodes) if len(findings) == before else None


def _node(row: dict[str, Any]) -> Node:
    return Node(
        id=row["id"],
        module_prefixes=tuple(row["match"]["module_prefixes"]),
        globs=compile_globs(row["match"]["path_globs"]) if row["match"]["path_globs"] else None,
        world=row["world"],
        trust_zone=row["trust_zone"],
        public=row["visibility"]["mode"] == "public",
        visible_to=tuple(row["visibility"]["visible_to"]),
        deny_prefixes=tuple(row["imports"]["deny_prefixes"]),
        allow_prefixes=tuple(row["imports"]["allow_prefixes"]),
        smoke_entry=row.get("contracts", {}).get("smoke_entry"),
    )


def _missing_roots(root: Path, document: dict[str, Any], path: str) -> list[Diagnostic]:
    return [
        finding(
            "E_ARCH_MANIFEST_INVALID",
            f"scan.roots names {name!r}, which is no folder",
            path=path,
            hint="take it out, or correct it",
            data={POINTER: f"/scan/roots/{place}"},
        )
        for place, name in enumerate(document.get("scan", {}).get("roots", ()))
        if not (root / name).is_dir()
    ]


def _unknown_names(document: dict[str, Any], path: str) -> list[Diagnostic]:
    """Report ids that stand twice, and ids in rules and ``visible_to`` that no node has."""
    ids: dict[str, int] = {}
    found = [
        finding(
            "E_ARCH_MANIFEST_INVALID",
            f"two nodes are called {name!r}",
            path=path,
            hint="rename one of them",
            data={POINTER: f"/nodes/{index}/id"},
        )
        for index, name in enumerate(row["id"] for row in document["nodes"])
        if ids.setdefault(name, index) != index
    ]
    for where, name, pointer in _named_nodes(document):
        if name in ids or ("*" in name and _matching(name, list(ids))):
            continue
        near = get_close_matches(name, ids, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "nodes: " + ", ".join(sorted(ids)[:12])
        message = f"{where} names {name!r}, and no node is called so"
        facts = {"node": name, POINTER: pointer}
        found.append(finding("E_ARCH_MANIFEST_INVALID", message, path=path, hint=hint, data=facts))
    return found


def _named_nodes(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield where a node is named, its id, and the pointer to that."""
    for index, rule in enumerate(document["rules"]):
        where, pointer = f"rule {rule['id']!r}", f"/rules/{index}"
        if isinstance(rule.get("from"), str):
            yield where, rule["from"], f"{pointer}/from"
        for key, value in _id_lists(rule):
            for place, one in enumerate(value):
                yield from ((where, name, f"{pointer}/{key}/{place}") for name in _names(one))
    for index, node in enumerate(document["nodes"]):
        for place, name in enumerate(node["visibility"]["visible_to"]):
            yield f"visible_to of node {node['id']!r}", name, f"/nodes/{index}/visibility/visible_to/{place}"
