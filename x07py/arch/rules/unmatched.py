"""Names in the manifest that match nothing: a rule with a typing error in it would hold for ever."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING

from x07py.arch.model import finding
from x07py.arch.scan.files import compile_globs
from x07py.osbound import os_bound_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.diag import Diagnostic

_CLOSE = 0.8


def check_names(manifest: Manifest, graph: Graph) -> Iterator[Diagnostic]:
    """Yield prefixes and globs that match no module and no import; a project without modules has none to match.

    What a node may not import is often what nobody imports. So of names from outside, a denied one is reported only if
    it is nearly one that is imported or well known, and an allowed one, which has no effect, is a warning.
    """
    if graph.modules:
        names = _Names(manifest, graph)
        yield from names.of_nodes()
        yield from names.denied()
        yield from names.allowed()


class _Names:
    def __init__(self, manifest: Manifest, graph: Graph) -> None:
        self._manifest = manifest
        self._paths = [module.path for module in graph.modules.values()]
        self._ours = _with_parents(graph.modules)
        outside = {target for imported in graph.outside.values() for target in imported}
        self._imported = _with_parents(outside) | self._ours
        self._tops = {name.partition(".")[0] for name in graph.modules}

    def of_nodes(self) -> Iterator[Diagnostic]:
        for row in self._manifest.document["nodes"]:
            for prefix in row["match"]["module_prefixes"]:
                if prefix.removesuffix(".") not in self._ours:
                    yield self._nothing(f"module_prefixes of node {row['id']!r}", prefix, self._ours)
            for glob in row["match"]["path_globs"]:
                pattern = compile_globs([glob])
                if not any(pattern.fullmatch(path) for path in self._paths):
                    yield self._nothing(f"path_globs of node {row['id']!r}", glob, self._paths)

    def denied(self) -> Iterator[Diagnostic]:
        known = sys.stdlib_module_names | os_bound_table().modules.keys() | self._imported
        for row in self._manifest.document["nodes"]:
            for prefix in row["imports"]["deny_prefixes"]:
                name = prefix.removesuffix(".")
                if name not in known and (self._is_ours(name) or get_close_matches(name, known, 1, _CLOSE)):
                    yield self._nothing(f"deny_prefixes of node {row['id']!r}", prefix, known)

    def allowed(self) -> Iterator[Diagnostic]:
        document = self._manifest.document
        places = [(f"externals.{key}", document["externals"][key]) for key in sorted(document["externals"])]
        places += [(f"allow_prefixes of node {n['id']!r}", n["imports"]["allow_prefixes"]) for n in document["nodes"]]
        for where, prefixes in places:
            for prefix in prefixes:
                name = prefix.removesuffix(".")
                if name in self._imported:
                    continue
                if self._is_ours(name):
                    yield self._nothing(where, prefix, self._ours)
                else:
                    yield finding(
                        "W_ARCH_ALLOWED_UNUSED",
                        f"{where} names {prefix!r}, which nothing imports",
                        path=self._manifest.path,
                        hint="take it out",
                        data={"name": prefix},
                    )

    def _is_ours(self, name: str) -> bool:
        return name.partition(".")[0] in self._tops

    def _nothing(self, where: str, name: str, known: Collection[str]) -> Diagnostic:
        near = get_close_matches(name, sorted(known), 1)
        return finding(
            "E_ARCH_NAME_MATCHES_NOTHING",
            f"{where} names {name!r}, which matches nothing",
            path=self._manifest.path,
            hint=f"did you mean {near[0]!r}?" if near else "take it out, or correct it",
            data={"name": name},
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
