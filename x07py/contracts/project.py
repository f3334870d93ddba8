"""The project manifest: ``[tool.x07]`` in ``pyproject.toml``, or an ``x07.toml``, which wins where both stand."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from x07py.contracts.journal import settle
from x07py.errors import FileError, PackageError

STANDALONE = "x07.toml"
PYPROJECT = "pyproject.toml"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,127}")
"""What a package name looks like, whole string."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of ``dependencies`` or ``patch``: a name with a requirement on its version, a folder, or both."""

    name: str
    requirement: str
    path: str | None


@dataclass(frozen=True, slots=True)
class Project:
    """A project as its manifest states it.

    Args:
        root: the folder of the manifest.
        file: the manifest.
        settings: the whole x07 table, for the parts that other readers know.
        dependencies: what the user asked for, in the order of the file.
        patch: overrides that hold for the whole graph.
        index_url: where packages come from, or None for what ships with x07py alone.
        index_keys: ed25519 public keys by id, base64; not empty means that every index entry must be signed.
        world: the project's world, if it names one.
    """

    root: Path
    file: Path
    settings: dict[str, Any]
    dependencies: tuple[Dependency, ...]
    patch: tuple[Dependency, ...]
    index_url: str | None
    index_keys: dict[str, str]
    world: str | None


def find_manifest(start: Path | None = None) -> Path | None:
    """Return the manifest of the nearest folder, from `start` (default: the working directory) upwards, that has one.

    A ``pyproject.toml`` counts even without ``[tool.x07]``: it marks the project that the table belongs to.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        for name in (STANDALONE, PYPROJECT):
            if (folder / name).is_file():
                return folder / name
    return None


def read_project(start: Path | None = None) -> Project:
    """Return the project that `start` lies in; `start` may also be a manifest file.

    Raises:
        PackageError: ``X07PKG_PROJECT_MISSING`` without a manifest, ``X07PKG_PROJECT_PARSE`` if it cannot be meant
            or has another name.
        FileError: ``X07IO_READ``.
    """
    given = start is not None and start.is_file()
    file = start.parent.resolve() / start.name if start is not None and given else find_manifest(start)
    if file is None:
        raise PackageError(
            "X07PKG_PROJECT_MISSING",
            f"there is no {PYPROJECT} or {STANDALONE} here or above",
            where=str(start or Path.cwd()),
            hint=f"make a project with `x07 init NAME`, or start with an empty {STANDALONE}",
        )
    if file.name not in {STANDALONE, PYPROJECT}:
        _refuse(file, f"a manifest is called {PYPROJECT} or {STANDALONE}")
    settle(file.parent)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise FileError(
            "X07IO_READ", f"cannot read: {error.strerror}", where=str(file), hint="check the file"
        ) from None
    return parse_project(file, data)


def parse_project(file: Path, data: bytes) -> Project:
    """Return the project that the manifest bytes `data`, to stand at `file`, state.

    Raises:
        PackageError: ``X07PKG_PROJECT_PARSE``.
    """
    try:
        document = tomllib.loads(data.decode("utf-8").replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        _refuse(file, f"not valid TOML: {error}")
    settings = _table(file, _table(file, document, "tool"), "x07") if file.name == PYPROJECT else document
    index = _table(file, settings, "index")
    keys = _table(file, index, "keys")
    for name, value in (("index.url", index.get("url", "")), ("world", settings.get("world", "")), *keys.items()):
        if not isinstance(value, str):
            _refuse(file, f"{name} is not a string")
    return Project(
        root=file.parent,
        file=file,
        settings=settings,
        dependencies=_entries(file, settings, "dependencies"),
        patch=_entries(file, settings, "patch"),
        index_url=index.get("url") or None,
        index_keys=keys,
        world=settings.get("world") or None,
    )


def _refuse(file: Path, what: str) -> NoReturn:
    raise PackageError(
        "X07PKG_PROJECT_PARSE", what, where=str(file), hint="docs/reference/pkg.md shows what the manifest may hold"
    )


def _table(file: Path, parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key, {})
    if not isinstance(value, dict):
        _refuse(file, f"{key} is not a table")
    return value


def _entries(file: Path, settings: dict[str, Any], key: str) -> tuple[Dependency, ...]:
    return tuple(_entry(file, key, name, value) for name, value in _table(file, settings, key).items())


def _entry(file: Path, table: str, name: str, value: Any) -> Dependency:
    if not NAME.fullmatch(name):
        _refuse(file, f"{table}: {name!r} is not a package name")
    fields = {"version": value} if isinstance(value, str) else value
    if not isinstance(fields, dict) or not fields or not fields.keys() <= {"version", "path"}:
        _refuse(file, f"{table}.{name} is neither a version nor a table of version and path")
    if not all(isinstance(text, str) and text.strip() for text in fields.values()):
        _refuse(file, f"{table}.{name}: version and path are strings that are not empty")
    return Dependency(name, fields.get("version", "*"), fields.get("path"))
