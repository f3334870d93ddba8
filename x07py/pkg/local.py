"""Packages that are at hand: those that ship with x07py, and folders that the manifest names by path."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from x07py.contracts.loader import parse_json
from x07py.contracts.lockfile import MANIFEST_NAME, is_inside
from x07py.errors import PackageError
from x07py.pkg.entry import SOURCE_TOOLCHAIN, Entry, read_entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_EXTRAS = ("LICENSE", "NOTICE", "README.md")
"""Files that go into a package without being asked for."""


@cache
def toolchain_packages() -> Mapping[str, Entry]:
    """Return the packages that ship with x07py, by name. Their modules are x07py's own."""
    packages = {}
    for folder in (resources.files("x07py.catalog") / "packages").iterdir():
        file = folder / MANIFEST_NAME
        data = file.read_bytes()
        files = {MANIFEST_NAME: hashlib.sha256(data).hexdigest()}
        entry = read_entry(json.loads(data), where=str(file), source=SOURCE_TOOLCHAIN, files=files)
        packages[entry.name] = entry
    return packages


@cache
def capabilities() -> dict[str, dict[str, Any]]:
    """Return the capability map, by capability name and by alias."""
    document = json.loads((resources.files("x07py.catalog") / "capabilities.json").read_bytes())
    by_id = {row["id"]: row for row in document["capabilities"]}
    return by_id | {alias: by_id[target] for alias, target in document["aliases"].items()}


def read_folder(folder: Path, *, source: str) -> tuple[Entry, dict[str, bytes]]:
    """Return the package in `folder` and the bytes of all its files: manifest, modules, data, licence and readme.

    Raises:
        PackageError: ``X07PKG_LOCAL_MISSING_DEP`` if there is none, ``X07PKG_MANIFEST_PARSE`` if its manifest is wrong
            or names a file that is not there.
    """
    file = folder / MANIFEST_NAME
    try:
        data = file.read_bytes()
    except OSError as error:
        raise PackageError(
            "X07PKG_LOCAL_MISSING_DEP",
            f"there is no package: {(error.strerror or 'unreadable').lower()}",
            where=str(file),
            hint=f"name a folder that holds {MANIFEST_NAME}",
        ) from None
    try:
        manifest = parse_json(data)
    except (ValueError, RecursionError) as error:
        raise _broken(file, f"not valid JSON: {error}") from None
    entry = read_entry(manifest, where=str(file), source=source, files={})
    contents = {MANIFEST_NAME: data, **_module_files(folder, entry), **_data_files(folder, entry)}
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(contents.items())}
    return read_entry(manifest, where=str(file), source=source, files=digests), contents


def _broken(file: Path, what: str) -> PackageError:
    return PackageError(
        "X07PKG_MANIFEST_PARSE",
        f"the package manifest cannot be meant: {what}",
        where=str(file),
        hint="docs/reference/pkg.md lists the fields of x07-package.json",
    )


def _module_files(folder: Path, entry: Entry) -> dict[str, bytes]:
    found = {}
    for module in entry.modules:
        base = "/".join(([] if entry.module_root == "." else [entry.module_root]) + module.split("."))
        path = next((path for path in (f"{base}.py", f"{base}/__init__.py") if (folder / path).is_file()), None)
        if path is None:
            raise _broken(folder / MANIFEST_NAME, f"module {module} has no file {base}.py or {base}/__init__.py")
        found[path] = _content(folder, path)
    return found


def _data_files(folder: Path, entry: Entry) -> dict[str, bytes]:
    listed = entry.manifest.get("data", [])
    if not isinstance(listed, list) or not all(is_inside(path) for path in listed):
        raise _broken(folder / MANIFEST_NAME, "data is not a list of files inside the package")
    extras = [path for path in _EXTRAS if (folder / path).is_file()]
    return {path: _content(folder, path) for path in (*listed, *extras)}


def _content(folder: Path, path: str) -> bytes:
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()):
        raise _broken(folder / MANIFEST_NAME, f"{path} leaves the package by a link")
    try:
        return file.read_bytes()
    except OSError as error:
        raise _broken(folder / MANIFEST_NAME, f"{path} cannot be read: {error.strerror}") from None
