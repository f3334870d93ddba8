"""Changing a project's packages: plan in memory, install what is new, then write manifest and lock as one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from x07py.contracts.journal import change_together
from x07py.contracts.lockfile import LOCK_NAME, Lock, LockedPackage, read_lock
from x07py.contracts.packages import check_dists
from x07py.contracts.project import parse_project
from x07py.contracts.semver import parse_version
from x07py.errors import PackageError
from x07py.pkg.install import install, missing, prune
from x07py.pkg.lockfile import render_lock
from x07py.pkg.resolve import resolve

if TYPE_CHECKING:
    from x07py.contracts.project import Project
    from x07py.pkg.sources import Index

Kind = Literal["added", "removed", "upgraded", "downgraded", "changed"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one package: `was` and `now` are versions, None where it was or is not there."""

    kind: Kind
    name: str
    was: str | None
    now: str | None
    direct: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A change that was worked out and not yet made.

    Args:
        project: the project as it shall be.
        manifest: the bytes of its manifest, None if they stay.
        before: the lock as it is; None also if it cannot be read.
        packages: the lock as it shall be.
        named_index: the index that the change writes into the manifest, None if it writes none.
    """

    project: Project
    manifest: bytes | None
    before: Lock | None
    packages: dict[str, LockedPackage]
    named_index: str | None = None

    @property
    def changes(self) -> list[Change]:
        """What differs between the two locks, by name."""
        return list_changes(self.before.packages if self.before is not None else {}, self.packages)

    @property
    def lock_bytes(self) -> bytes | None:
        """The bytes of the new lock, None if the lock stays."""
        if self.before is not None and self.before.packages == self.packages:
            return None
        return render_lock(self.packages)

    @property
    def warnings(self) -> list[str]:
        """What the user should know and need not act on."""
        rows = []
        if self.named_index is not None:
            rows.append(
                f"index.url = {self.named_index} goes into {self.project.file.name}: the lock needs it from now on"
            )
        for package in self.packages.values():
            title = f"{package.name} {package.version}"
            if package.yanked:
                rows.append(f"{title} was yanked; `x07 pkg update {package.name}` takes another version")
            if package.advisories:
                rows.append(f"{title} has advisories {', '.join(package.advisories)}; see `x07 pkg audit`")
            if self.project.world and self.project.world not in package.worlds:
                rows.append(f"{title} may not be imported in this project's world {self.project.world}")
        try:
            check_dists(tuple(self.packages.values()))
        except PackageError as error:
            rows.append(f"{error.message}: {error.hint}")
        return rows


def list_changes(was: dict[str, LockedPackage], now: dict[str, LockedPackage]) -> list[Change]:
    """Return what differs between two sets of locked packages, by name."""
    rows: list[Change] = []
    for name in sorted({*was, *now}):
        old, new = was.get(name), now.get(name)
        if old is None and new is not None:
            rows.append(Change("added", name, None, new.version, new.direct))
        elif old is not None and new is None:
            rows.append(Change("removed", name, old.version, None, old.direct))
        elif old is not None and new is not None and old != new:
            before, after = parse_version(old.version), parse_version(new.version)
            kind: Kind = "upgraded" if before < after else "downgraded" if after < before else "changed"
            rows.append(Change(kind, name, old.version, new.version, new.direct))
    return rows


def read_lock_or_none(project: Project) -> Lock | None:
    """Return the lock, or None if there is none or it cannot be used; for commands that make it anew."""
    try:
        return read_lock(project.root)
    except PackageError:
        return None


def plan(
    project: Project,
    index: Index | None,
    *,
    manifest: bytes | None = None,
    upgrade: frozenset[str] | bool = False,
    pending: str | None = None,
) -> Plan:
    """Work out the lock of `project`.

    Args:
        project: the project as it is.
        index: where other packages come from.
        manifest: the manifest as it shall be, None if it stays.
        upgrade: as for `resolve`.
        pending: as for `resolve`.

    Raises:
        PackageError: what `resolve` raises.
    """
    wanted = parse_project(project.file, manifest) if manifest is not None else project
    before = read_lock_or_none(project)
    packages = resolve(replace(wanted, index_url=project.index_url), before, index, upgrade=upgrade, pending=pending)
    return Plan(project=wanted, manifest=manifest, before=before, packages=packages)


def carry_out(done: Plan, index: Index | None, *, sync: bool) -> tuple[list[str], list[str]]:
    """Make a planned change; the caller holds the project's lock.

    Packages are installed before manifest and lock are written: if a download fails, nothing has changed.

    Args:
        done: the plan.
        index: where archives come from.
        sync: also install, and remove what the lock does not hold any more.

    Returns:
        The packages installed and removed from disk, as ``NAME@VERSION``.

    Raises:
        PackageError: what `install` raises.
        FileError: ``X07IO_WRITE``.
    """
    root = done.project.root
    installed = missing(root, [done.packages[name] for name in sorted(done.packages)]) if sync else []
    install(root, installed, index)
    lock = done.lock_bytes
    files = {done.project.file.name: done.manifest, LOCK_NAME: lock}
    written = {name: data for name, data in files.items() if data is not None}
    if written:
        change_together(root, written)
    removed = prune(root, done.packages) if sync else []
    return [f"{package.name}@{package.version}" for package in installed], removed
