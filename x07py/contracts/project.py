"""The project manifest: ``[tool.x07]`` in ``pyproject.toml``, or an ``x07.toml``, which wins where both stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from x07py.contracts.journal import settle
from x07py.contracts.requirement import NAME, specifiers
from x07py.errors import PackageError
from x07py.files import MANIFEST_BYTES, cannot_read, parse_toml, read_file

STANDALONE = "x07.toml"
PYPROJECT = "pyproject.toml"


class Dependency(NamedTuple):
    """One entry of ``dependencies``: a package and a requirement on its version."""

    name: str
    requirement: str


class Project(NamedTuple):
    """A project as its manifest states it.

    Args:
        root: the folder of the manifest.
        file: the manifest.
        settings: the whole x07 table, for the parts that other readers know.
        dependencies: what the user asked for, in the order of the file.
        world: the project's world, if it names one.
    """

    root: Path
    file: Path
    settings: dict[str, Any]
    dependencies: tuple[Dependency, ...]
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
        data = read_file(file, limit=MANIFEST_BYTES, root=file.parent)
    except OSError as error:
        raise cannot_read(file, error) from None
    return parse_project(file, data)


def parse_project(file: Path, data: bytes) -> Project:
    """Return the project that the manifest bytes `data`, to stand at `file`, state.

    Raises:
        PackageError: ``X07PKG_PROJECT_PARSE``.
    """
    try:
        document = parse_toml(data.decode("utf-8").replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        _refuse(file, f"not valid TOML: {error}")
    settings = _table(file, _table(file, document, "tool"), "x07") if file.name == PYPROJECT else document
    if not isinstance(settings.get("world", ""), str):
        _refuse(file, "world is not a string")
    for gone in ("patch", "index"):
        if gone in settings:
            _refuse(file, f"{gone} has no effect: the manager of the project chooses versions and indexes")
    return Project(
        root=file.parent,
        file=file,
        settings=settings,
        dependencies=_entries(file, settings),
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


def _entries(file: Path, settings: dict[str, Any]) -> tuple[Dependency, ...]:
    table = _table(file, settings, "dependencies")
    for name, value in table.items():
        if not NAME.fullmatch(name):
            _refuse(file, f"dependencies: {name!r} is not a package name")
        if not isinstance(value, str) or (not specifiers(value) and value != "*"):
            _refuse(file, f"dependencies.{name} is neither a version nor a range")
    return tuple(Dependency(name, value) for name, value in table.items())
