"""The packages of a project, as a program may use them: compared with the lock, sorted by world.

`x07 run`, `x07 arch check`, `open_driver` and the pytest plugin all ask here, so that none trusts what the others would
refuse. A project that has neither a lock nor dependencies in ``[tool.x07]`` has declared nothing: it uses what is
installed. From the first `x07 pkg add` on, only what is declared counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from x07py.contracts.lockfile import LOCK_NAME, Lock, LockedPackage, read_lock, read_settled_lock
from x07py.contracts.project import PYPROJECT, STANDALONE, find_manifest, read_project
from x07py.errors import PackageError

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.contracts.bytecode import UnlockedFiles
    from x07py.contracts.installed import InstalledPackage

_CHANGED = "look at what changed; `x07 pkg lock` takes it up, installing the distribution again puts it back"


class ProjectPackages(NamedTuple):
    """What a program in one world finds of its project's packages.

    Args:
        world: the world that was asked about.
        allowed: packages whose modules may be imported.
        refused: packages that the lock holds and the world does not allow.
    """

    world: str
    allowed: tuple[LockedPackage, ...]
    refused: tuple[LockedPackage, ...]

    def check_import(self, module: str) -> None:
        """Refuse a module that belongs to a package which this world does not allow.

        Raises:
            PackageError: ``X07PKG_WORLD_REFUSED``.
        """
        for package in self.refused:
            if any(module == own or module.startswith(own + ".") for own in package.modules):
                raise PackageError(
                    "X07PKG_WORLD_REFUSED",
                    f"{package.name} {package.version} may not be used in world {self.world}",
                    where=f"import {module}",
                    hint=f"it allows {', '.join(package.worlds)}; import it only in a program for one of these",
                )


def sorted_by_world(packages: Lock, world: str) -> ProjectPackages:
    """Return the packages of a lock as `world` takes them."""
    rows = tuple(packages.values())
    return ProjectPackages(
        world, tuple(row for row in rows if world in row.worlds), tuple(row for row in rows if world not in row.worlds)
    )


def verified_packages(root: Path) -> Lock:
    """Compare the project's packages with what is installed and return the lock, empty if nothing is declared.

    Every file of a package's modules is hashed: time is linear in their bytes.

    Raises:
        PackageError: ``X07PKG_LOCK_MISSING``, ``X07PKG_LOCK_PARSE``, ``X07PKG_LOCK_MISMATCH`` if the manifest asks for
            something else, ``X07PKG_NOT_SYNCED`` if a package is not installed, ``X07PKG_DIST_MISSING`` if a client
            below it is not, ``X07PKG_SOURCE_CHANGED`` if one has another version or says other things of itself,
            ``X07PKG_TAMPERED`` if a file or the registration of a driver is not the one that was locked, or a compiled
            file not the one that was installed.
        FileError: ``X07IO_READ``.
    """
    lock = read_lock(root)
    asked = _asked(root)
    if lock is None:
        if asked:
            raise PackageError(
                "X07PKG_LOCK_MISSING",
                f"the project has dependencies and no {LOCK_NAME}",
                where=str(root),
                hint="x07 pkg sync",
            )
        return {}
    _compare_with_manifest(lock, asked, root)
    if lock:
        from x07py.contracts.bytecode import UnlockedFiles
        from x07py.contracts.installed import installed_here

        here = installed_here()
        compiled = UnlockedFiles(root)
        for package in lock.values():
            verify_package(package, here, compiled)
        compiled.keep()
    return lock


def _asked(root: Path) -> dict[str, str]:
    manifest = find_manifest(root)
    if manifest is None or manifest not in {root.resolve() / STANDALONE, root.resolve() / PYPROJECT}:
        return {}
    return {row.name: row.requirement for row in read_project(manifest).dependencies}


def _compare_with_manifest(lock: Lock, asked: dict[str, str], root: Path) -> None:
    locked = {name: package.requirement for name, package in lock.items() if package.direct}
    if asked != locked:
        names = sorted(name for name in {*asked, *locked} if asked.get(name) != locked.get(name))
        raise PackageError(
            "X07PKG_LOCK_MISMATCH",
            f"manifest and lock differ in {', '.join(names[:5])}",
            where=str(root / LOCK_NAME),
            hint="x07 pkg sync",
        )


def verify_package(locked: LockedPackage, here: dict[str, InstalledPackage], compiled: UnlockedFiles) -> None:
    """Compare one package with what is installed, and its compiled files with their sources and the installer's record.

    Raises:
        PackageError: as `verified_packages`.
    """
    title = f"{locked.name} {locked.version}"
    found = here.get(locked.name)
    if found is None:
        raise PackageError(
            "X07PKG_NOT_SYNCED",
            f"{title} is locked and not installed",
            where=f"distribution {locked.distribution} {locked.distribution_version}",
            hint="x07 pkg sync",
        )
    now = lock_entry(found, locked.requirement)
    refuse_changed(locked, now, found)
    plain = [name for name in LockedPackage._fields if name not in {"files", "drivers"}]
    changed = [name for name in plain if getattr(locked, name) != getattr(now, name)]
    if changed:
        told = "; ".join(f"{name} was {_shown(locked, name)}, is {_shown(now, name)}" for name in changed)
        raise PackageError("X07PKG_SOURCE_CHANGED", f"{title}: {told}", where=str(found.file), hint=_CHANGED)
    if foreign := compiled.foreign(found):
        raise PackageError(
            "X07PKG_TAMPERED",
            f"{title} has compiled files that are not those of its source or its wheel: {', '.join(foreign[:5])}",
            where=str(found.place),
            hint="remove bytecode (__pycache__), and install the distribution again",
        )


def refuse_changed(locked: LockedPackage, now: LockedPackage, found: InstalledPackage) -> None:
    """Refuse a package of which a file or the registration of a driver changed; what is or was editable has no files.

    Args:
        locked: what the lock says of it.
        now: what a lock would say of what is installed, `found`.
        found: the package, which says what to call the files.

    Raises:
        PackageError: ``X07PKG_TAMPERED``.
    """
    for name in ("drivers", "files"):
        was, is_now = getattr(locked, name), getattr(now, name)
        changed = sorted(key for key in {*was, *is_now} if was.get(key) != is_now.get(key))
        if changed and (name == "drivers" or locked.editable == now.editable):
            files = found.named(changed) if name == "files" else [_registration(locked, found, one) for one in changed]
            more = f" and {len(files) - 5} more" if len(files) > 5 else ""
            raise PackageError(
                "X07PKG_TAMPERED",
                f"{locked.name} {locked.version} is not what was locked: {', '.join(files[:5])}{more}",
                where=str(found.place),
                hint=_CHANGED,
            )


def _registration(locked: LockedPackage, found: InstalledPackage, kind: str) -> str:
    was, is_now = (drivers.get(kind) or "nothing" for drivers in (locked.drivers, found.drivers))
    return f"{found.place_of_driver(kind)} registers driver {kind} as {is_now}, was {was}"


def _shown(package: LockedPackage, name: str) -> str:
    value = getattr(package, name)
    if isinstance(value, dict):
        return ", ".join(f"{key} {text}" for key, text in value.items()) or "none"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def lock_entry(found: InstalledPackage, requirement: str) -> LockedPackage:
    """Return what a lock says of an installed package.

    Raises:
        PackageError: ``X07PKG_DIST_MISSING`` if a client below it is not installed.
    """
    from x07py.contracts.distributions import installed_version

    document, clients = found.document, {}
    for client in document.clients:
        version = installed_version(client)
        if version is None:
            raise PackageError(
                "X07PKG_DIST_MISSING",
                f"{document.name} {document.version} needs the distribution {client}, which is not installed",
                where="this Python environment",
                hint="x07 pkg sync",
            )
        clients[client] = version
    editable = bool(found.source)
    return LockedPackage(
        name=document.name,
        version=document.version,
        requirement=requirement,
        distribution=found.distribution_name,
        distribution_version=found.distribution.version,
        extra=document.extra,
        editable=editable,
        worlds=document.worlds,
        modules=document.modules,
        capabilities=document.capabilities,
        requires=tuple(sorted(f"{need.name}@{need.requirement}" for need in document.requires)),
        drivers=found.drivers,
        clients=clients,
        files={} if editable else found.hashes(),
    )


def project_packages(root: Path, world: str) -> ProjectPackages:
    """Return the project's packages as `world` takes them, compared with the lock; raises as `verified_packages`."""
    return sorted_by_world(verified_packages(root), world)


def check_kind(root: Path, kind: str) -> None:
    """Refuse a driver that the project has not declared; a project without a lock has declared nothing yet.

    Raises:
        PackageError: ``X07PKG_KIND_UNDECLARED``, ``X07PKG_LOCK_PARSE``.
        FileError: ``X07IO_READ``.
    """
    lock = read_settled_lock(root)
    if lock is not None and not any(kind in package.drivers for package in lock.values()):
        raise PackageError(
            "X07PKG_KIND_UNDECLARED",
            f"no package of the project provides the driver {kind!r}",
            where=str(root / LOCK_NAME),
            hint=f"x07 pkg provides {kind} says which does; add it with x07 pkg add NAME --sync",
        )
