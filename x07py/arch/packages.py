"""Which x07 package a module belongs to: what the lock holds, and what x07py ships."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import x07py
from x07py.arch.model import finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from x07py.arch.graph import Graph
    from x07py.contracts.lockfile import LockedPackage
    from x07py.diag import Diagnostic

LOCK_NAME = "x07.lock"
MANIFEST_NAME = "x07-package.json"


@dataclass(frozen=True, slots=True)
class PackageModules:
    """Locked packages by module name, and names of shipped packages by module name."""

    locked: Mapping[str, LockedPackage]
    shipped: Mapping[str, str]

    def owner(self, module: str) -> LockedPackage | None:
        """Return the locked package that a module belongs to."""
        return next((self.locked[name] for name in _upwards(module) if name in self.locked), None)

    def shipped_by(self, module: str) -> str | None:
        """Return the name of the shipped package that a module belongs to."""
        return next((self.shipped[name] for name in _upwards(module) if name in self.shipped), None)


def read_package_modules(root: Path) -> PackageModules:
    """Return the packages of the project at `root`, every file of them compared with the lock.

    A project that has never had a lock has none; time is linear in the bytes of the packages.

    Raises:
        PackageError, FileError: as `x07py.contracts.packages.verified_packages`.
    """
    locked: dict[str, LockedPackage] = {}
    if (root / LOCK_NAME).exists() or (root / ".x07").exists():
        from x07py.contracts.packages import verified_packages

        locked = {name: package for package in verified_packages(root) for name in package.modules}
    shipped: dict[str, str] = {}
    for folder in (Path(x07py.__file__).parent / "catalog" / "packages").iterdir():
        document = json.loads((folder / MANIFEST_NAME).read_bytes())
        shipped.update((name, document["name"]) for name in document["modules"])
    return PackageModules(locked, shipped)


def check_locked(graph: Graph, packages: PackageModules) -> Iterator[Diagnostic]:
    """Yield imports of a shipped package's modules that the lock does not hold."""
    missing: dict[str, str | None] = {}
    for module_id, imported in graph.outside.items():
        for target in imported:
            if target not in missing:
                missing[target] = None if packages.owner(target) else packages.shipped_by(target)
            name = missing[target]
            if name is not None:
                edge = graph.edge(module_id, target)
                yield finding(
                    "E_ARCH_PACKAGE_NOT_LOCKED",
                    f"{module_id} imports {target} of package {name}, which the lock does not hold",
                    **graph.at(edge),
                    hint=f"x07 pkg add {name} --sync",
                    data={"module_path": edge.module.path, "import": target, "package": name},
                )


def _upwards(module: str) -> Iterator[str]:
    while module:
        yield module
        module = module.rpartition(".")[0]
