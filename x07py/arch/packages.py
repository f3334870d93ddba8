"""Which x07 package a module belongs to: what the lock holds, and what is installed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from x07py.arch.model import finding
from x07py.contracts.lockfile import LOCK_NAME
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.contracts.lockfile import LockedPackage
    from x07py.diag import Diagnostic


@dataclass(frozen=True, slots=True)
class PackageModules:
    """Locked packages by module name, and names of installed packages by module name."""

    locked: Mapping[str, LockedPackage]
    installed: Mapping[str, str]
    kinds: Mapping[str, LockedPackage] | None
    """Locked packages by the driver kinds that they provide; None if the project has no lock."""

    def owner(self, module: str) -> LockedPackage | None:
        """Return the locked package that a module belongs to."""
        return next((self.locked[name] for name in _upwards(module) if name in self.locked), None)

    def installed_with(self, module: str) -> str | None:
        """Return the name of the installed package that a module belongs to."""
        return next((self.installed[name] for name in _upwards(module) if name in self.installed), None)


def read_package_modules(root: Path) -> PackageModules:
    """Return the packages of the project at `root`, every file of them compared with the lock.

    A project that has declared none has none; time is linear in the bytes of the packages.

    Raises:
        PackageError, FileError: as `x07py.contracts.packages.verified_packages`.
    """
    from x07py.contracts.installed import installed_here
    from x07py.contracts.packages import verified_packages

    locked = {name: package for package in verified_packages(root).values() for name in package.modules}
    installed = {name: one.name for one in installed_here().values() for name in one.document.modules}
    packages = list(locked.values())
    kinds = {kind: one for one in packages for kind in one.drivers} if (root / LOCK_NAME).exists() else None
    return PackageModules(locked, installed, kinds)


def check_locked(graph: Graph, packages: PackageModules) -> Iterator[Diagnostic]:
    """Yield imports of an installed package's modules that the lock does not hold."""
    missing: dict[str, str | None] = {}
    for module_id, imported in graph.outside.items():
        for target in imported:
            if target not in missing:
                missing[target] = None if packages.owner(target) else packages.installed_with(target)
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


def check_opened(graph: Graph, packages: PackageModules) -> Iterator[Diagnostic]:
    """Yield drivers that code opens and no locked package provides, and locked drivers that no code opens."""
    if packages.kinds is None:
        return
    opened: set[str] = set()
    for module in graph.modules.values():
        for scope, kind, _, offset in module.scopes:
            if scope == "driver":
                opened.add(kind)
            if scope == "driver" and kind and kind not in packages.kinds:
                yield finding(
                    "E_ARCH_PACKAGE_NOT_LOCKED",
                    f"{module.id} opens the driver {kind!r}, which no package of the lock provides",
                    **graph.sources.at(module.path, offset),
                    hint=f"x07 pkg provides {kind} says which does; x07 pkg add NAME --sync adds it",
                    data={"module_path": module.path, "import": kind, "package": ""},
                )
    owners = [packages.owner(target) for targets in graph.outside.values() for target in targets]
    names = {one.name for one in owners if one is not None}
    for kind, name in sorted((kind, one.name) for kind, one in packages.kinds.items()):
        if "" not in opened and kind not in opened and name not in names:
            yield finding(
                "W_ARCH_PACKAGE_UNUSED",
                f"the lock holds {name}, and no code opens the driver {kind!r}",
                path=LOCK_NAME,
                hint=f"x07 pkg remove {name} --sync, or open it",
                data={"package": name},
            )


def check_driver_worlds(manifest: Manifest, graph: Graph, packages: PackageModules) -> Iterator[Diagnostic]:
    """Yield calls of `open_driver` that its module's world refuses, whatever the profile and the session.

    A solve world without cassettes refuses every driver. In one with cassettes a driver replays, whatever its package
    allows; in the others it is live, and its package has to allow the world.
    """
    if not manifest.checks("enforce_world_caps"):
        return
    for name, node in graph.node_of.items():
        module, world = graph.modules[name], WORLDS[node.world]
        for scope, kind, _, offset in module.scopes:
            package = (packages.kinds or {}).get(kind)
            if scope != "driver" or (world.opens_drivers and (world.solve or package is None)):
                continue
            if package is not None and world.name in package.worlds:
                continue
            what = f"the driver {kind!r}" if kind else "a driver"
            if world.opens_drivers and package is not None:
                reason = f"package {package.name} allows {', '.join(package.worlds)}"
            else:
                reason = "that world has neither a network nor cassettes (9610)"
            yield finding(
                "E_ARCH_DRIVER_WORLD",
                f"{name} ({world.name}) opens {what}, and {reason}",
                **graph.sources.at(module.path, offset),
                hint="open it in an adapter in a run-os node, or in a solve-rr node that only replays",
                data={
                    "node": node.id,
                    "world": world.name,
                    "module_id": name,
                    "module_path": module.path,
                    "import": kind,
                    "package": package.name if package is not None else "",
                },
            )


def _upwards(module: str) -> Iterator[str]:
    while module:
        yield module
        module = module.rpartition(".")[0]
