"""Does the lock still fit the manifest? Answered from the two alone, so that the usual answer comes at once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from x07py.contracts.lockfile import MANIFEST_NAME
from x07py.contracts.packages import check_manifest
from x07py.contracts.semver import parse_range, parse_version
from x07py.errors import PackageError
from x07py.pkg.entry import SOURCE_TOOLCHAIN
from x07py.pkg.local import read_folder, toolchain_packages
from x07py.pkg.lockfile import locked_package

if TYPE_CHECKING:
    from x07py.contracts.lockfile import Lock, LockedPackage
    from x07py.contracts.project import Project


def is_satisfied(project: Project, lock: Lock) -> bool:
    """Tell whether the lock is a solution of the project as it stands. Linear in the lock; asks no index."""
    direct = {row.name: row for row in project.dependencies}
    patch = {row.name: row for row in project.patch}
    asked = {name: parse_range(row.requirement) for name, row in (patch | direct).items()}
    if {name for name, package in lock.packages.items() if package.direct} != direct.keys():
        return False
    required_by: dict[str, list[str]] = {name: [] for name in lock.packages}
    for package in lock.packages.values():
        if package.patched != (package.name in patch) or not _is_source_unchanged(project, package):
            return False
        if not package.compatible:
            return False
        wanted = [(row.requirement, package.name) for row in (direct.get(package.name),) if row is not None]
        wanted += [(row.requirement, package.name) for row in (patch.get(package.name),) if row is not None]
        for text in package.requires:
            name, _, requirement = text.partition("@")
            if name not in required_by:
                return False
            required_by[name].append(package.name)
            wanted.append((requirement, name))
        for requirement, name in wanted:
            if name in patch and requirement != patch[name].requirement:
                continue
            free = name in asked and asked[name].prerelease
            if not parse_range(requirement).contains(parse_version(lock.packages[name].version), prereleases=free):
                return False
    return all(
        package.required_by == tuple(sorted(required_by[package.name])) and (package.direct or package.required_by)
        for package in lock.packages.values()
    )


def _is_source_unchanged(project: Project, package: LockedPackage) -> bool:
    local = next(
        (row for row in (*project.patch, *project.dependencies) if row.name == package.name and row.path), None
    )
    if local is not None and local.path is not None:
        source = f"path+{local.path}"
        if package.source != source:
            return False
        entry = read_folder(project.root / local.path, source=source)[0]
    elif package.source == SOURCE_TOOLCHAIN:
        found = toolchain_packages().get(package.name)
        if found is None:
            return False
        entry = found
    else:
        ours = package.source == f"index+{project.index_url}" and package.name not in toolchain_packages()
        signed = not project.index_keys or package.signed_by in project.index_keys.values()
        return ours and signed and _is_manifest_unchanged(project, package)
    own: dict[str, Any] = {"direct": package.direct, "patched": package.patched, "required_by": package.required_by}
    return locked_package(entry, **own) == package


def _is_manifest_unchanged(project: Project, package: LockedPackage) -> bool:
    """Compare the lock with the manifest of a package of an index, as far as that is installed."""
    try:
        data = (package.folder(project.root) / MANIFEST_NAME).read_bytes()
        if hashlib.sha256(data).hexdigest() == package.files.get(MANIFEST_NAME):
            check_manifest(package, data)
    except OSError:
        return True
    except PackageError:
        return False
    return True
