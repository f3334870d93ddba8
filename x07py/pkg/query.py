"""Questions about a project's packages that change nothing: the tree, why, outdated, audit, provides, verify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from x07py.contracts.lockfile import LOCK_NAME, Lock, read_lock
from x07py.contracts.packages import verify_package, verify_toolchain
from x07py.contracts.semver import parse_range, parse_version
from x07py.errors import PackageError
from x07py.pkg.entry import SOURCE_TOOLCHAIN
from x07py.pkg.local import toolchain_packages
from x07py.pkg.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.contracts.lockfile import LockedPackage
    from x07py.contracts.project import Project
    from x07py.pkg.entry import Entry
    from x07py.pkg.sources import Index

_MAX_PATHS = 100


def require_lock(project: Project) -> Lock:
    """Return the project's lock.

    Raises:
        PackageError: ``X07PKG_LOCK_MISSING`` or ``X07PKG_LOCK_PARSE``.
    """
    lock = read_lock(project.root)
    if lock is None:
        raise PackageError(
            "X07PKG_LOCK_MISSING",
            "the project has no lock",
            where=str(project.root / LOCK_NAME),
            hint="make it with `x07 pkg lock`",
        )
    return lock


def require_package(lock: Lock, name: str) -> LockedPackage:
    """Return a package of the lock.

    Raises:
        PackageError: ``X07PKG_DEP_NOT_FOUND``.
    """
    package = lock.packages.get(name)
    if package is None:
        raise PackageError(
            "X07PKG_DEP_NOT_FOUND", f"the lock does not hold {name}", hint="`x07 pkg tree` shows what it holds"
        )
    return package


def why(lock: Lock, name: str) -> list[list[str]]:
    """Return the ways from a direct dependency to `name`, each a list of names, shortest first; at most 100."""
    require_package(lock, name)
    found = list(_ways(lock, [name]))
    return sorted(found, key=lambda way: (len(way), way))


def _ways(lock: Lock, below: list[str]) -> Iterator[list[str]]:
    stack = [below]
    count = 0
    while stack and count < _MAX_PATHS:
        way = stack.pop()
        package = lock.packages[way[0]]
        if package.direct:
            count += 1
            yield way
        stack += [[name, *way] for name in reversed(package.required_by) if name not in way]


@dataclass(frozen=True, slots=True)
class Outdated:
    """A package with newer versions: the newest within the ranges that bind it, and the newest of all."""

    name: str
    version: str
    compatible: str
    newest: str
    direct: bool


def outdated(project: Project, lock: Lock, index: Index | None) -> list[Outdated]:
    """Return the locked packages of which newer releases exist, by name.

    Raises:
        PackageError: what the index raises.
    """
    sources = Sources(project, None, index)
    if index is not None:
        index.prefetch(name for name in lock.packages if name not in toolchain_packages())
    rows = []
    for name, package in sorted(lock.packages.items()):
        bounds = [
            parse_range(text.partition("@")[2])
            for by in package.required_by
            for text in lock.packages[by].requires
            if text.partition("@")[0] == name
        ]
        bounds += [parse_range(row.requirement) for row in project.dependencies if row.name == name]
        releases = [version for version in sources.versions(name) if not version.prerelease]
        current = parse_version(package.version)
        if releases and releases[-1] > current:
            fits = [version for version in releases if all(bound.contains(version) for bound in bounds)]
            compatible = max([current, *fits]).text
            rows.append(Outdated(name, package.version, compatible, releases[-1].text, package.direct))
    return rows


def audit(project: Project, lock: Lock, index: Index | None) -> list[dict[str, Any]]:
    """Return what speaks against locked packages: yanked, advisories; as recorded where `index` is None.

    Raises:
        PackageError: what the index raises.
    """
    rows: list[dict[str, Any]] = []
    sources = Sources(project, lock, index)
    for name, package in sorted(lock.packages.items()):
        facts: dict[str, Any] = {"name": name, "version": package.version}
        entry: Entry | None = None
        if index is not None and package.source.startswith("index+"):
            entry = sources.offered(name).get(parse_version(package.version))
        yanked = package.yanked if entry is None else entry.yanked
        advisories = [{"id": each} for each in package.advisories] if entry is None else list(entry.advisories)
        if yanked:
            rows.append({**facts, "kind": "yanked"})
        rows += [
            {**facts, "kind": "advisory", **{key: row.get(key) for key in ("id", "severity", "summary", "url")}}
            for row in advisories
        ]
    return rows


def provides(lock: Lock | None, project: Project, index: Index | None, module: str) -> list[dict[str, Any]]:
    """Return who provides a module: locked packages, then the toolchain, then the index; `locked` tells which.

    The index is asked only if nothing else provides it; that reads the page of every package that it lists.
    """
    rows: list[dict[str, Any]] = []

    def offer(kind: str, name: str, version: str, modules: tuple[str, ...]) -> None:
        if any(module == own or module.startswith(own + ".") for own in modules) and all(
            row["name"] != name for row in rows
        ):
            rows.append({"kind": kind, "name": name, "version": version, "locked": kind == "dependency"})

    for package in lock.packages.values() if lock is not None else ():
        offer("dependency", package.name, package.version, package.modules)
    for entry in toolchain_packages().values():
        offer("toolchain", entry.name, entry.version.text, entry.modules)
    if index is not None and not rows:
        index.prefetch(index.names())
        sources = Sources(project, None, index)
        for name in index.names():
            versions = sources.versions(name)
            if versions:
                offer("index", name, versions[-1].text, sources.entry(name, versions[-1]).modules)
    return sorted(rows, key=lambda row: (row["kind"], row["name"]))


def verify(project: Project, lock: Lock, names: list[str]) -> list[dict[str, Any]]:
    """Check every file of the installed packages; return a row a package, with the error where there is one."""
    rows = []
    for name in names or sorted(lock.packages):
        package = require_package(lock, name)
        row: dict[str, Any] = {"name": name, "version": package.version, "ok": True}
        try:
            if package.source == SOURCE_TOOLCHAIN:
                verify_toolchain(package)
            else:
                verify_package(project.root, package)
        except PackageError as error:
            row |= {"ok": False, "code": error.code, "message": error.message, "hint": error.hint}
        rows.append(row)
    return rows
