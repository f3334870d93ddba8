"""The installed packages of a project, as a program may use them: verified against the lock, sorted by world.

`x07 run`, `x07 arch check` and the pytest plugin all ask here, so that none trusts what the others would refuse.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import x07py
from x07py._version import __version__
from x07py.contracts.loader import parse_json
from x07py.contracts.lockfile import DEPS_FOLDER, LOCK_NAME, MANIFEST_NAME, LockedPackage, read_lock
from x07py.contracts.project import PYPROJECT, STANDALONE, find_manifest, read_project
from x07py.errors import PackageError

_COMPILED = "__pycache__"


@dataclass(frozen=True, slots=True)
class Installed:
    """What a program in one world finds of its project's packages.

    Args:
        world: the world that was asked about.
        roots: folders to put on the import path, in the order of the package names.
        allowed: packages whose modules may be imported.
        refused: packages that the lock holds and the world does not allow.
    """

    world: str
    roots: tuple[Path, ...]
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


def installed_packages(root: Path, world: str) -> Installed:
    """Verify the project's packages and return those that `world` may use.

    Every file of a hydrated package is hashed: time is linear in their bytes. A project without dependencies needs no
    lock.

    Raises:
        PackageError: ``X07PKG_LOCK_MISSING``, ``X07PKG_LOCK_PARSE``, ``X07PKG_NOT_SYNCED`` if a package is not there,
            ``X07PKG_TAMPERED`` if a file is not the one that was locked, ``X07PKG_SOURCE_CHANGED`` if this x07py ships
            another one, ``X07PKG_LOCK_MISMATCH`` if the lock says other things than the package's own manifest, or the
            package does not work with this x07py, ``X07PKG_DIST_MISSING`` if a Python
            distribution that an allowed package needs is missing or has another version.
        FileError: ``X07IO_READ``.
    """
    packages = verified_packages(root)
    allowed = tuple(package for package in packages if world in package.worlds)
    check_dists(allowed)
    roots = tuple(p.folder(root) / p.module_root for p in allowed if p.source != "toolchain")
    return Installed(world, roots, allowed, tuple(package for package in packages if world not in package.worlds))


def verified_packages(root: Path) -> list[LockedPackage]:
    """Verify the project's packages and return what the lock says of them, by name; as `installed_packages`.

    Raises:
        PackageError: as `installed_packages`, save ``X07PKG_DIST_MISSING``.
        FileError: ``X07IO_READ``.
    """
    lock = read_lock(root)
    if lock is None:
        _require_no_dependencies(root)
        return []
    packages = [lock.packages[name] for name in sorted(lock.packages)]
    for package in packages:
        if not package.compatible:
            raise _incompatible(package)
        if package.source == "toolchain":
            verify_toolchain(package)
        else:
            verify_package(root, package)
    return packages


def _require_no_dependencies(root: Path) -> None:
    manifest = find_manifest(root)
    if manifest is not None and manifest in (root.resolve() / STANDALONE, root.resolve() / PYPROJECT):
        project = read_project(manifest)
        if project.dependencies:
            raise PackageError(
                "X07PKG_LOCK_MISSING",
                "the project has dependencies and no x07.lock",
                where=str(root),
                hint="make it with `x07 pkg lock`, then `x07 pkg sync`",
            )


def verify_package(root: Path, package: LockedPackage) -> None:
    """Compare every file of one hydrated package with the lock; a file too many counts like a changed one.

    Raises:
        PackageError: ``X07PKG_NOT_SYNCED``, ``X07PKG_TAMPERED`` or, as `check_manifest`, ``X07PKG_LOCK_MISMATCH``.
    """
    folder = package.folder(root)
    deps = root / DEPS_FOLDER
    for link in (path for path in (deps.parent, deps, folder.parent, folder) if path.is_symlink()):
        raise PackageError(
            "X07PKG_TAMPERED",
            f"{package.name} {package.version} is reached by a symbolic link",
            where=str(link),
            hint="remove the link; `x07 pkg sync` puts the locked files there",
        )
    if not (folder / MANIFEST_NAME).is_file():
        raise PackageError(
            "X07PKG_NOT_SYNCED",
            f"{package.name} {package.version} is locked and not installed",
            where=str(folder),
            hint="install what the lock says with `x07 pkg sync`",
        )
    _drop_compiled(folder)
    found = hash_files(folder)
    if found != package.files:
        names = sorted(path for path in {*found, *package.files} if found.get(path) != package.files.get(path))
        raise PackageError(
            "X07PKG_TAMPERED",
            f"{package.name} {package.version} is not what was locked: {', '.join(names[:5])}",
            where=str(folder),
            hint="look at what changed; `x07 pkg sync` puts the locked files back",
        )
    check_manifest(package, (folder / MANIFEST_NAME).read_bytes())


def verify_toolchain(package: LockedPackage) -> None:
    """Compare a package of x07py itself with the lock.

    Raises:
        PackageError: ``X07PKG_SOURCE_CHANGED`` if this x07py ships another one or none; as `check_manifest`.
    """
    file = Path(x07py.__file__).parent / "catalog" / "packages" / package.name / MANIFEST_NAME
    data = file.read_bytes() if file.is_file() else b""
    if package.files != {MANIFEST_NAME: hashlib.sha256(data).hexdigest()}:
        raise PackageError(
            "X07PKG_SOURCE_CHANGED",
            f"this x07py ships another {package.name} than the locked {package.version}, or none",
            where=LOCK_NAME,
            hint="run `x07 pkg lock`, or install the x07py that the lock was made with",
        )
    check_manifest(package, data)


def check_manifest(package: LockedPackage, data: bytes) -> None:
    """Compare what the lock says of a package with the package's own manifest `data`, whose digest was checked.

    Raises:
        PackageError: ``X07PKG_LOCK_MISMATCH`` if they differ, or `data` is no manifest.
    """
    try:
        stated = _stated(parse_json(data))
        wrong = [key for key, value in stated.items() if getattr(package, key) != value]
    except (ValueError, RecursionError, AttributeError, TypeError):
        wrong = [MANIFEST_NAME]
    if wrong:
        raise PackageError(
            "X07PKG_LOCK_MISMATCH",
            f"lock and manifest of {package.name} {package.version} differ in {', '.join(wrong)}",
            where=LOCK_NAME,
            hint=f"restore the lock from version control, or run `x07 pkg lock --upgrade-package {package.name}`; "
            "if it comes back, tell who runs the index",
        )


def _stated(manifest: Any) -> dict[str, Any]:
    """Return what the lock should say, in its form."""
    meta = manifest.get("meta", {})
    needs = (text.partition("@") for text in set(meta.get("requires_packages", [])))
    return {
        "name": manifest.get("name"),
        "version": manifest.get("version"),
        "requires": tuple(sorted(f"{name}@{wanted.strip()}" for name, _, wanted in needs)),
        "requires_dists": tuple(sorted(set(meta.get("requires_dists", [])))),
        "x07py_compat": meta["x07py_compat"].strip() if meta.get("x07py_compat") is not None else None,
        "worlds": tuple(sorted(set(meta.get("worlds_allowed", [])))),
        "module_root": manifest.get("module_root"),
        "modules": tuple(sorted(set(manifest.get("modules", [])))),
    }


def _incompatible(package: LockedPackage) -> PackageError:
    return PackageError(
        "X07PKG_LOCK_MISMATCH",
        f"{package.name} {package.version} works with x07py {package.x07py_compat}, this is {__version__}",
        where=LOCK_NAME,
        hint="install that x07py, or let `x07 pkg lock` choose another version",
    )


def _drop_compiled(folder: Path) -> None:
    """Remove compiled files: Python would run them without comparing their content with the source."""
    for place in [path for path in folder.rglob(_COMPILED) if path.is_dir() and not path.is_symlink()]:
        shutil.rmtree(place, ignore_errors=True)


def hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below `folder` by its path; links and devices get an empty one."""
    found: dict[str, str] = {}
    for path in folder.rglob("*"):
        key = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            found[key] = ""
        elif path.is_file():
            with path.open("rb") as file:
                found[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def check_dists(packages: tuple[LockedPackage, ...]) -> None:
    """Check that the Python distributions which `packages` need are installed in this environment.

    Raises:
        PackageError: ``X07PKG_DIST_MISSING``, with the command that installs them all.
    """
    wanted = {text: package.name for package in packages for text in package.requires_dists}
    if not wanted:
        return
    missing = [text for text in sorted(wanted) if not _is_installed(text)]
    if missing:
        needed_by = ", ".join(sorted({wanted[text] for text in missing}))
        raise PackageError(
            "X07PKG_DIST_MISSING",
            f"this Python lacks {', '.join(missing)}",
            where=f"needed by {needed_by}",
            hint="python -m pip install " + shlex.join(missing),
        )


def _is_installed(text: str) -> bool:
    from importlib import metadata

    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate():
            return True
        return wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except (InvalidRequirement, metadata.PackageNotFoundError):
        return False
