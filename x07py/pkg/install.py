"""Bringing ``.x07/deps`` to what the lock says. Nothing good is replaced before its successor stands complete."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from x07py.contracts.journal import FOLDER, refuse_link
from x07py.contracts.lockfile import DEPS_FOLDER, MANIFEST_NAME
from x07py.contracts.packages import check_manifest, verify_package
from x07py.errors import FileError, PackageError
from x07py.pkg.archive import unpack
from x07py.pkg.entry import SOURCE_TOOLCHAIN
from x07py.pkg.local import read_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from x07py.contracts.lockfile import LockedPackage
    from x07py.pkg.sources import Index

_STAGING = f"{FOLDER}/staging"


def missing(root: Path, packages: Iterable[LockedPackage]) -> list[LockedPackage]:
    """Return the packages that are not hydrated as the lock says, or not at all."""
    return [package for package in packages if package.source != SOURCE_TOOLCHAIN and not _is_whole(root, package)]


def _is_whole(root: Path, package: LockedPackage) -> bool:
    try:
        verify_package(root, package)
    except PackageError:
        return False
    return True


def install(root: Path, packages: Iterable[LockedPackage], index: Index | None) -> None:
    """Hydrate `packages`, all of them or none; the caller holds the project's lock.

    Raises:
        PackageError: ``X07PKG_INDEX_NONE`` if a package comes from an index and there is none,
            ``X07PKG_SOURCE_CHANGED`` if its source has other files now, ``X07PKG_LOCK_MISMATCH`` if its own manifest
            says other things than the lock, ``X07PKG_ARCHIVE_UNSAFE`` if it brings compiled code; what the
            sources raise. Then nothing has been installed.
        FileError: ``X07IO_WRITE``, also if a folder on the way is a link.
    """
    staging, chosen = root / _STAGING, list(packages)
    places = [package.folder(root) for package in chosen]
    for folder in (root / FOLDER, staging, root / DEPS_FOLDER, *(place.parent for place in places), *places):
        refuse_link(folder)
    try:
        shutil.rmtree(staging, ignore_errors=True)
        for package in chosen:
            _stage(staging / package.name, _checked(root, package, index))
        for package in chosen:
            _place(staging / package.name, package.folder(root))
    except OSError as error:
        raise FileError(
            "X07IO_WRITE",
            f"cannot write: {error.strerror}",
            where=str(root / DEPS_FOLDER),
            hint="make room or choose a folder that can be written; what was installed is untouched",
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _checked(root: Path, package: LockedPackage, index: Index | None) -> Mapping[str, bytes]:
    """Return the files of a package if they are the locked ones."""
    contents = _contents(root, package, index)
    if {path: hashlib.sha256(data).hexdigest() for path, data in contents.items()} != package.files:
        raise PackageError(
            "X07PKG_SOURCE_CHANGED",
            f"{package.name} {package.version} is not what was locked any more",
            where=package.source,
            hint="look at what changed, then take it up with `x07 pkg lock`",
        )
    compiled = [path for path in contents if "__pycache__" in path.split("/") or path.endswith(".pyc")]
    if compiled:
        raise PackageError(
            "X07PKG_ARCHIVE_UNSAFE",
            f"{package.name} {package.version} brings compiled code, which nobody can read: {compiled[0]}",
            where=package.source,
            hint="nothing was written; tell whoever published it",
        )
    check_manifest(package, contents.get(MANIFEST_NAME, b""))
    return contents


def _contents(root: Path, package: LockedPackage, index: Index | None) -> Mapping[str, bytes]:
    if package.source.startswith("path+"):
        return read_folder(root / package.source.removeprefix("path+"), source=package.source)[1]
    if index is None:
        raise PackageError(
            "X07PKG_INDEX_NONE",
            f"{package.name} {package.version} comes from an index and the project names none",
            where=package.source,
            hint="set index.url in the manifest, or give --index",
        )
    return unpack(index.archive(package), where=f"{package.name} {package.version}")


def _stage(folder: Path, contents: Mapping[str, bytes]) -> None:
    for path, data in contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _place(staged: Path, final: Path) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        final.rename(staged.with_name(staged.name + ".old"))
    staged.rename(final)


def prune(root: Path, packages: Mapping[str, LockedPackage]) -> list[str]:
    """Remove hydrated packages that the lock does not hold; return them as ``NAME@VERSION``, sorted.

    `install` has refused links above; links and files below are not ours and stay.
    """
    removed = []
    for parent in _folders(root / DEPS_FOLDER):
        for folder in _folders(parent):
            package = packages.get(parent.name)
            if package is None or package.version != folder.name or package.source == SOURCE_TOOLCHAIN:
                removed.append(f"{parent.name}@{folder.name}")
                shutil.rmtree(folder, ignore_errors=True)
        if not any(parent.iterdir()):
            parent.rmdir()
    return removed


def _folders(parent: Path) -> list[Path]:
    """Return the folders in `parent`, sorted, none that is reached by a link."""
    found = parent.iterdir() if parent.is_dir() else ()
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())
