"""Changing a project's packages: manifest, then environment, then lock.

The lock is written last. So a lock that fits says that all is done, and after a crash at any step the comparison that
every reader makes says what is half done; `x07 pkg sync` goes on from there. A change that fails puts manifest, the
manager's lock and, as far as the manager can, the environment back.
"""

from __future__ import annotations

import importlib
import site
import sysconfig
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from x07py.contracts.distributions import installed_versions
from x07py.contracts.installed import TOOLCHAIN, installed_here
from x07py.contracts.journal import change_together, project_lock
from x07py.contracts.lockfile import LOCK_NAME, Lock, read_lock, render_lock
from x07py.contracts.packages import verified_packages
from x07py.contracts.project import PYPROJECT, Dependency, Project, parse_project
from x07py.contracts.requirement import ANY, parse_spec, specifiers
from x07py.errors import PackageError
from x07py.files import CONTRACT_BYTES, MANIFEST_BYTES, read_file, replace_file
from x07py.pkg.closure import close_over, package_of, refuse_tampered, require_installed
from x07py.pkg.edit import (
    direct_references,
    drop_requirement,
    is_exact,
    remove_dependency,
    required_distributions,
    set_dependency,
    set_requirement,
)
from x07py.pkg.managers import Manager, manager_of
from x07py.pkg.module_rules import check_modules
from x07py.pkg.orphans import orphans

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Files = dict[str, bytes]


@dataclass(slots=True)
class Outcome:
    """What a command did.

    Args:
        before: the lock as it was, empty if there was none.
        after: the lock as it is; None if it waits for `x07 pkg sync`.
        edited: the names of the manifests that say something else than before.
        warnings: what the user should know and need not act on.
    """

    before: Lock
    after: Lock | None
    edited: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class _Change:
    """One change of a project that this process holds."""

    def __init__(self, found: Project, *, offline: bool) -> None:
        self.project, self.root, self.offline = found, found.root, offline
        self.manager: Manager = manager_of(found.root)
        self.before = read_lock(found.root)
        self.here = installed_here()
        self.files: Files = {}
        for name in {found.file.name, PYPROJECT}:
            if (self.root / name).is_file():
                self.files[name] = read_file(self.root / name, limit=MANIFEST_BYTES, root=self.root)
        self.found = dict(self.files)

    def require(self, package: str, requirement: str, *, versions: bool = True) -> None:
        """Ask for a package in the manifest, and for its distribution where the manager reads that."""
        own = self.project.file
        self.files[own.name] = set_dependency(own, self.files[own.name], package, requirement)
        if PYPROJECT in self.files:
            name, extra = self.distribution_of(package)
            wanted = None if name == TOOLCHAIN or not versions else specifiers(requirement)
            file = self.root / PYPROJECT
            self.files[PYPROJECT] = set_requirement(file, self.files[PYPROJECT], name, extra, wanted)

    def is_exact(self, package: str) -> bool:
        """Tell whether the manager is asked for one exact version of a package's distribution."""
        return PYPROJECT in self.files and is_exact(self.files[PYPROJECT], self.distribution_of(package)[0])

    def forget(self, package: str) -> None:
        """Stop asking for a package, and for its distribution if nothing else of the project needs that."""
        own = self.project.file
        name, extra = self.distribution_of(package)
        others = [self.distribution_of(row.name) for row in self.asked() if row.name != package]
        self.files[own.name] = remove_dependency(own, self.files[own.name], package)
        gone = (name, extra) not in others and (name != TOOLCHAIN or extra)
        if gone and PYPROJECT in self.files:
            self.files[PYPROJECT] = drop_requirement(self.root / PYPROJECT, self.files[PYPROJECT], name, extra)

    def asked(self) -> tuple[Dependency, ...]:
        """Return what the manifest, as it shall be, asks for."""
        file = self.project.file
        return parse_project(file, self.files[file.name]).dependencies

    def distribution_of(self, package: str) -> tuple[str, str]:
        """Return the distribution of a package and the extra that it needs; what is not installed is called alike."""
        if package in self.here:
            return self.here[package].distribution_name, self.here[package].document.extra
        if self.before and package in self.before:
            return self.before[package].distribution, self.before[package].extra
        return package, ""

    def wanted(self) -> list[str]:
        """Return requirements for pip."""
        rows = []
        direct = direct_references(self.files[PYPROJECT]) if PYPROJECT in self.files else {}
        for row in self.asked():
            name, extra = self.distribution_of(row.name)
            versions = "" if name == TOOLCHAIN else specifiers(row.requirement) or ""
            plain = (f"{name}[{extra}]" if extra else name) + versions
            rows.append(plain if name == TOOLCHAIN else direct.get(name, plain))
        return sorted(set(rows))

    def look_again(self) -> None:
        """See what was installed since this process started."""
        importlib.invalidate_caches()
        site.addsitedir(sysconfig.get_path("purelib"))
        self.here = installed_here()

    def write(self, lock: Lock | None = None) -> None:
        """Write what differs from the disk, as one change."""
        files = self.files if lock is None else {**self.files, LOCK_NAME: render_lock(lock)}
        changed = {name: data for name, data in files.items() if _content(self.root, name) != data}
        if changed:
            change_together(self.root, changed)

    def edited(self) -> list[str]:
        """Return the names of the manifests that are not as they were found."""
        return sorted(name for name, data in self.files.items() if self.found[name] != data)

    def lock(self) -> Lock:
        """Return the lock as it shall be, of distributions that bring what they declare."""
        lock = close_over(self.asked(), self.here)
        for name in lock:
            check_modules(self.here[name], self.here)
        return lock

    def without_orphans(self, gone: Lock) -> list[str]:
        """Return the distributions that stay behind when packages go."""
        kept = required_distributions(self.files[PYPROJECT]) if PYPROJECT in self.files else set()
        kept |= {self.distribution_of(row.name)[0] for row in self.asked()}
        return orphans(gone.values(), kept)


def _content(root: Path, name: str) -> bytes | None:
    path = root / name
    return read_file(path, limit=MANIFEST_BYTES, root=root) if path.is_file() else None


@contextmanager
def _put_back_if_it_fails(change: _Change) -> Iterator[None]:
    """Restore manifest, manager's lock and environment, if what is done inside fails."""
    before, lock_file = dict(change.files), change.manager.lock_file
    locked = read_file(lock_file, limit=CONTRACT_BYTES) if lock_file is not None and lock_file.is_file() else None
    versions = installed_versions()
    try:
        yield
    except BaseException:
        change.files = before
        change.write()
        if lock_file is not None and locked is not None:
            replace_file(lock_file, locked, mode=0o644)
        new = sorted(installed_versions().keys() - versions.keys())
        if new:
            with suppress(PackageError):
                change.manager.remove(new, offline=True)
        raise


def add(found: Project, text: str, *, sync: bool, offline: bool) -> tuple[str, Outcome]:
    """Add a package; returns its name and what happened.

    Raises:
        PackageError: ``X07PKG_SPEC_INVALID``, ``X07PKG_DEP_EXISTS``, ``X07PKG_NAME_UNKNOWN`` for one that is not
            installed and shall not be, ``X07PKG_INSTALL_FAILED``, ``X07PKG_EDIT``; as `close_over`.
        FileError: ``X07IO_WRITE``.
    """
    need = parse_spec(text)
    with project_lock(found.root):
        change = _Change(found, offline=offline)
        name = package_of(need.name, change.here)
        asked = {row.name: row.requirement for row in change.asked()}
        if name in asked and need.requirement not in {ANY, asked[name]}:
            raise _exists(name, asked[name], need.requirement)
        known = change.here.get(name)
        if known is None and not sync:
            raise _unknown(name)
        pin = known.document.version if known is not None and need.requirement == ANY else need.requirement
        with _put_back_if_it_fails(change):
            if name not in asked:
                change.require(name, pin, versions=need.requirement != ANY)
            change.write()
            if sync and not (offline and _is_complete(change)):
                change.manager.install(change.wanted(), offline=offline)
                change.look_again()
                require_installed(name, change.here, change.manager.name)
                if pin == ANY and name not in asked:
                    change.require(name, change.here[name].document.version, versions=False)
            return name, _locked(change, sync=sync)


def _is_complete(change: _Change) -> bool:
    """Tell whether everything that the manifest asks for is installed already."""
    try:
        return bool(change.lock())
    except PackageError:
        return False


def _locked(change: _Change, *, sync: bool, take_up: bool = False) -> Outcome:
    """Write the lock, if what it shall hold is installed; only who asks to take up changed files gets them."""
    before = change.before or {}
    try:
        lock = change.lock()
    except PackageError as error:
        if sync or error.code not in {"X07PKG_NOT_SYNCED", "X07PKG_DIST_MISSING"}:
            raise
        change.write()
        return Outcome(before, None, change.edited(), [f"{error.message}: the lock waits for `x07 pkg sync`"])
    if not take_up:
        refuse_tampered(before, lock, change.here)
    change.write(lock)
    return Outcome(before, lock, change.edited(), _warnings(change.project, lock))


def _warnings(found: Project, lock: Lock) -> list[str]:
    return [
        f"{package.name} may not be imported in this project's world {found.world}"
        for package in lock.values()
        if found.world and found.world not in package.worlds
    ]


def _exists(name: str, has: str, wanted: str) -> PackageError:
    return PackageError(
        "X07PKG_DEP_EXISTS",
        f"the project asks for {name} {has}; requested {name}@{wanted}",
        where=name,
        hint=f"x07 pkg update '{name}@{wanted}' --sync",
    )


def _unknown(name: str) -> PackageError:
    return PackageError(
        "X07PKG_NAME_UNKNOWN",
        f"no package, capability or alias {name!r} is installed",
        where="this Python environment",
        hint=f"x07 pkg add {name} --sync installs a distribution of that name; x07 pkg list shows what is installed",
    )


def remove(found: Project, text: str, *, sync: bool, offline: bool) -> tuple[str, Outcome]:
    """Remove a package, and with `sync` what nothing needs any more; returns its name and what happened.

    Raises:
        PackageError: ``X07PKG_DEP_NOT_FOUND``; as `add`.
        FileError: ``X07IO_WRITE``.
    """
    with project_lock(found.root):
        change = _Change(found, offline=offline)
        name = package_of(parse_spec(text).name, change.here)
        if name not in {row.name for row in change.asked()}:
            raise PackageError(
                "X07PKG_DEP_NOT_FOUND",
                f"the project does not ask for {name}",
                where=str(found.file),
                hint="x07 pkg tree shows what it asks for, and what that brings in",
            )
        with _put_back_if_it_fails(change):
            change.forget(name)
            change.write()
            gone = {key: row for key, row in (change.before or {}).items() if key == name}
            if sync:
                gone |= _gone(change)
                change.manager.remove(change.without_orphans(gone), offline=offline)
                change.look_again()
            return name, _locked(change, sync=sync)


def _gone(change: _Change) -> Lock:
    """Return what the lock holds and the manifest does not lead to any more."""
    before, reached = change.before or {}, set()
    waiting = [row.name for row in change.asked()]
    while waiting:
        name = waiting.pop()
        if name not in reached and name in before:
            reached.add(name)
            waiting += [need.name for need in before[name].needs]
    return {name: row for name, row in before.items() if name not in reached}


def update(found: Project, texts: list[str], *, sync: bool, offline: bool) -> Outcome:
    """Take newer versions of packages, or with ``NAME@RANGE`` another range; pins move to what is installed then.

    Raises:
        PackageError: ``X07PKG_DEP_NOT_FOUND``; as `add`.
        FileError: ``X07IO_WRITE``.
    """
    with project_lock(found.root):
        change = _Change(found, offline=offline)
        asked = {row.name: row.requirement for row in change.asked()}
        needs = [parse_spec(text) for text in texts] or [parse_spec(name) for name in asked]
        wanted = {package_of(need.name, change.here): need.requirement for need in needs}
        if unknown := sorted(wanted.keys() - asked.keys()):
            hint = f"x07 pkg add {unknown[0]} --sync"
            raise PackageError("X07PKG_DEP_NOT_FOUND", f"the project does not ask for {unknown[0]}", hint=hint)
        pins = {name for name, given in wanted.items() if given == ANY and _is_pin(asked[name])}
        with _put_back_if_it_fails(change):
            for name in [name for name, given in wanted.items() if given != ANY]:
                change.require(name, wanted[name])
            exact = {name for name in pins if change.is_exact(name)}
            if sync:
                _upgrade(change, {change.distribution_of(name)[0] for name in wanted}, pins)
            for name in pins & change.here.keys():
                change.require(name, change.here[name].document.version, versions=name in exact)
            if sync and exact and change.manager.lock_file is not None:
                change.write()
                change.manager.install(change.wanted(), offline=offline)
            return _locked(change, sync=sync)


def _upgrade(change: _Change, upgrade: set[str], pins: set[str]) -> None:
    """Let the manager take the newest versions that the manifest allows, and of pins the newest of all."""
    for name in pins:
        change.require(name, ANY)
    change.write()
    change.manager.install(change.wanted(), upgrade=upgrade, offline=change.offline)
    change.look_again()


def _is_pin(requirement: str) -> bool:
    return requirement == ANY or (specifiers(requirement) or "") == f"=={requirement}"


def _pins(lock: Lock) -> list[str]:
    """Return exactly what a lock says, but for x07 itself and what is live."""
    rows = {client: version for package in lock.values() for client, version in package.clients.items()}
    installed = [row for row in lock.values() if row.distribution != TOOLCHAIN and not row.editable]
    rows |= {row.distribution: row.distribution_version for row in installed}
    return [f"{name}=={version}" for name, version in sorted(rows.items())]


def lock(found: Project) -> Outcome:
    """Write the lock of what is installed.

    Raises:
        PackageError: as `close_over`; ``X07PKG_LOCK_PARSE`` for a lock that cannot be read, which stays.
        FileError: ``X07IO_WRITE``.
    """
    with project_lock(found.root):
        return _locked(_Change(found, offline=True), sync=True, take_up=True)


def sync(found: Project, *, offline: bool) -> Outcome:
    """Make the environment what the lock says; after an interrupted or manual edit, what the manifest says, and lock.

    A lock that fits the manifest stays as it is: what is installed must be what it holds.

    Raises:
        PackageError: as `add` and `verified_packages`.
        FileError: ``X07IO_WRITE``.
    """
    with project_lock(found.root):
        change = _Change(found, offline=offline)
        asked = {row.name: row.requirement for row in change.asked()}
        before = change.before
        fits = before is not None and asked == {row.name: row.requirement for row in before.values() if row.direct}
        for row in change.asked() if not fits and PYPROJECT in change.files else ():
            change.require(row.name, row.requirement, versions=False)
        change.write()
        if not (offline and _is_complete(change)):
            change.manager.install(change.wanted(), pins=_pins(before if fits and before else {}), offline=offline)
            change.look_again()
        if fits and before is not None:
            return Outcome(before, verified_packages(found.root), change.edited())
        if gone := _gone(change):
            change.manager.remove(change.without_orphans(gone), offline=offline)
            change.look_again()
        return _locked(change, sync=True)
