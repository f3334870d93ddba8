"""Names in the manifest that match nothing: a rule with a typing error in it would hold for ever."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING

from x07py.arch.git import is_ignored
from x07py.arch.model import finding
from x07py.arch.place import POINTER
from x07py.arch.scan.patterns import compile_globs
from x07py.osbound import os_bound_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.diag import Diagnostic

_CLOSE = 0.8
_EXTERNALS = ("allowed_exact", "allowed_import_prefixes")


def check_names(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield prefixes and globs that match no module and no import; a project without modules has none to match.

    What a node may not import is often what nobody imports. So of names from outside, a denied one is reported only if
    it is nearly one that is imported or well known, and as a warning; an allowed one, which has no effect, is an error.
    """
    if graph.modules:
        names = _Names(manifest, graph)
        yield from names.of_nodes()
        yield from names.denied()
        yield from names.allowed()


def check_excludes(root: Path, manifest: Manifest, excluded: Mapping[str, Collection[str]]) -> Iterator[Diagnostic]:
    """Yield patterns that leave out nothing; what git ignores is there on some machines only, and may be named."""
    for place, pattern in enumerate(manifest.scan.exclude):
        if not excluded[pattern] and not is_ignored(root, pattern.replace("**", "x")):
            yield finding(
                "W_ARCH_EXCLUDE_UNUSED",
                f"scan.exclude names {pattern!r}, which leaves out nothing",
                path=manifest.path,
                hint="correct it, or take it out",
                data={"name": pattern, POINTER: f"/scan/exclude/{place}"},
            )


class _Names:
    def __init__(self, manifest: Manifest, graph: Graph) -> None:
        self._path = manifest.path
        self._document = manifest.document
        self._paths = [module.path for module in graph.modules.values()]
        self._ours = _with_parents(graph.modules)
        outside = {target for imported in graph.outside.values() for target in imported}
        self._imported = _with_parents(outside) | self._ours
        self._graph = graph
        self._near: dict[str, list[str]] = {}
        self._tops = {name.partition(".")[0] for name in graph.modules}

    def of_nodes(self) -> Iterator[Diagnostic]:
        for index, row in enumerate(self._document["nodes"]):
            prefixes, globs = row["match"]["module_prefixes"], row["match"]["path_globs"]
            for place, prefix in enumerate(prefixes):
                if prefix.removesuffix(".") not in self._ours:
                    where = f"module_prefixes of node {row['id']!r}"
                    yield self._nothing(where, prefix, self._ours, f"/nodes/{index}/match/module_prefixes/{place}")
            for place, glob in enumerate(globs):
                pattern = compile_globs([glob])
                if not any(pattern.fullmatch(path) for path in self._paths):
                    where = f"path_globs of node {row['id']!r}"
                    yield self._nothing(where, glob, self._paths, f"/nodes/{index}/match/path_globs/{place}")
            if not prefixes and not globs:
                yield finding(
                    "E_ARCH_NAME_MATCHES_NOTHING",
                    f"node {row['id']!r} has neither prefixes nor patterns, so no module belongs to it",
                    path=self._path,
                    hint="say which modules it holds, or take it out",
                    data={"name": row["id"], POINTER: f"/nodes/{index}/match"},
                )

    def denied(self) -> Iterator[Diagnostic]:
        known = sys.stdlib_module_names | os_bound_table().modules.keys() | self._imported
        for index, row in enumerate(self._document["nodes"]):
            where = f"deny_prefixes of node {row['id']!r}"
            for place, prefix in enumerate(row["imports"]["deny_prefixes"]):
                name, pointer = prefix.removesuffix("."), f"/nodes/{index}/imports/deny_prefixes/{place}"
                if name in known:
                    continue
                if self._is_ours(name):
                    if not self._is_member(name):
                        yield self._nothing(where, prefix, self._ours, pointer)
                elif near := self._like(name, known):
                    yield finding(
                        "W_ARCH_DENIED_UNKNOWN",
                        f"{where} names {prefix!r}, which nothing imports and which looks like {near[0]!r}",
                        path=self._path,
                        hint=f"if {near[0]!r} is meant, correct it",
                        data={"name": prefix, POINTER: pointer},
                    )

    def _is_member(self, name: str) -> bool:
        """Tell whether a module of the project mentions the name as something of its own."""
        above, _, member = name.rpartition(".")
        module = self._graph.modules.get(above)
        return module is not None and member in self._graph.sources.text(module.path)

    def _like(self, name: str, known: Collection[str]) -> list[str]:
        """Return the known name that is nearly this one, if any; many nodes may deny one name."""
        if name not in self._near:
            alike = sorted(one for one in known if one.count(".") == name.count(".")) if known else []
            self._near[name] = get_close_matches(name, alike, 1, _CLOSE)
        return self._near[name]

    def allowed(self) -> Iterator[Diagnostic]:
        lists = [(f"externals.{key}", f"/externals/{key}", self._document["externals"][key]) for key in _EXTERNALS]
        for index, row in enumerate(self._document["nodes"]):
            where = f"allow_prefixes of node {row['id']!r}"
            lists.append((where, f"/nodes/{index}/imports/allow_prefixes", row["imports"]["allow_prefixes"]))
        for where, pointer, prefixes in lists:
            for place, prefix in enumerate(prefixes):
                name = prefix.removesuffix(".")
                if name in self._imported:
                    continue
                if self._is_ours(name):
                    yield self._nothing(where, prefix, self._ours, f"{pointer}/{place}")
                    continue
                near = get_close_matches(name, sorted(self._imported), 1, _CLOSE)
                yield finding(
                    "E_ARCH_ALLOWED_UNUSED",
                    f"{where} names {prefix!r}, which nothing imports",
                    path=self._path,
                    hint=f"did you mean {near[0]!r}?" if near else "take it out",
                    data={"name": prefix, POINTER: f"{pointer}/{place}"},
                )

    def _is_ours(self, name: str) -> bool:
        return name.partition(".")[0] in self._tops

    def _nothing(self, where: str, name: str, known: Collection[str], pointer: str) -> Diagnostic:
        near = get_close_matches(name, sorted(known), 1)
        return finding(
            "E_ARCH_NAME_MATCHES_NOTHING",
            f"{where} names {name!r}, which matches nothing",
            path=self._path,
            hint=f"did you mean {near[0]!r}?" if near else "take it out, or correct it",
            data={"name": name, POINTER: pointer},
        )


def _with_parents(names: Iterable[str]) -> set[str]:
    """Return dotted names with all names above them."""
    found: set[str] = set()
    for name in names:
        above = name
        while above and above not in found:
            found.add(above)
            above = above.rpartition(".")[0]
    return found
