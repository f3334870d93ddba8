"""From a manifest to the packages of its lock: reuse the lock where it still holds, resolve where it does not."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from x07py.errors import PackageError
from x07py.pkg.current import is_satisfied
from x07py.pkg.explain import explain
from x07py.pkg.local import capabilities, toolchain_packages
from x07py.pkg.lockfile import locked_package
from x07py.pkg.solve import Solver, UnsolvableError
from x07py.pkg.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.contracts.lockfile import Lock, LockedPackage
    from x07py.contracts.project import Project
    from x07py.contracts.semver import Version
    from x07py.pkg.sources import Index


def resolve(
    project: Project,
    lock: Lock | None,
    index: Index | None,
    *,
    upgrade: frozenset[str] | bool = False,
    pending: str | None = None,
) -> dict[str, LockedPackage]:
    """Return the packages that `project` needs, by name.

    A lock that still satisfies the project is taken as it is, without asking the index.

    Args:
        project: the project as it shall be.
        lock: the lock as it is.
        index: where packages come from that are neither local nor part of x07py.
        upgrade: names whose locked version counts for nothing, or True for all.
        pending: the package that the command is about to add.

    Raises:
        ConflictError: ``X07PKG_CONFLICT``.
        PackageError: ``X07PKG_NAME_UNKNOWN`` if no source has a package that the manifest names;
            ``X07PKG_MODULE_CLASH``; what the sources raise.
    """
    if not upgrade and lock is not None and is_satisfied(project, lock):
        return lock.packages
    sources = Sources(project, lock, index, upgrade)
    roots = sources.roots()
    if index is not None:
        index.prefetch(name for name in roots if name not in toolchain_packages())
    for name in sorted(roots):
        if not sources.offered(name):
            raise name_unknown(name, index)
    try:
        chosen = Solver(sources).solve(roots)
    except UnsolvableError as error:
        raise explain(error, sources, pending=pending) from None
    return _locked(sources, chosen)


def _locked(sources: Sources, chosen: dict[str, Version]) -> dict[str, LockedPackage]:
    required_by: dict[str, list[str]] = {name: [] for name in chosen}
    for name, version in chosen.items():
        for other in sources.requires(name, version):
            required_by[other].append(name)
    direct = {row.name for row in sources.project.dependencies}
    packages = {
        name: locked_package(
            sources.entry(name, version),
            direct=name in direct,
            patched=sources.is_patched(name),
            required_by=tuple(sorted(required_by[name])),
        )
        for name, version in chosen.items()
    }
    _refuse_clashes(packages.values())
    return packages


def _refuse_clashes(packages: Iterable[LockedPackage]) -> None:
    owner: dict[str, str] = {}
    for package in packages:
        for module in package.modules:
            if module in owner:
                raise PackageError(
                    "X07PKG_MODULE_CLASH",
                    f"{owner[module]} and {package.name} both provide module {module}",
                    hint="a program can use one of the two packages",
                )
            owner[module] = package.name


def name_unknown(name: str, index: Index | None) -> PackageError:
    """Return the error for a name that no source has, with the nearest name that one has."""
    known = [*toolchain_packages(), *capabilities(), *(index.names() if index is not None else ())]
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        hint = f"did you mean {near[0]}?"
    elif index is None:
        hint = "the project names no index; set index.url in the manifest, or give --path or --index"
    else:
        hint = "`x07 pkg list` shows what there is"
    return PackageError("X07PKG_NAME_UNKNOWN", f"no package is called {name!r}", hint=hint)
