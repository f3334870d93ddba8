"""Where a project's Python code starts: the folders on the import path that its own build settings name.

Read are the settings of setuptools (``pyproject.toml``, ``setup.cfg``, a constant in ``setup.py``), hatch, poetry, pdm,
flit, uv and maturin, workspaces of uv, and folders with a project file of their own; without any, ``src`` and ``lib``
layouts are known by their looks. Nothing of the project runs.
"""

from __future__ import annotations

import configparser
import os
import re
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.files import MANIFEST_BYTES, parse_toml, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_NOT_MEMBERS = frozenset(
    ("test", "tests", "testing", "fixtures", "example", "examples", "docs", "doc", "templates", "node_modules", "build")
)
_SETUP_DIR = re.compile(r"""package_dir\s*=\s*(?:\{\s*|dict\(\s*)?["']{2}\s*[:=]\s*["']([^"']+)["']""")
_LAYOUTS = ("src", "lib", "python")


class Layout(NamedTuple):
    """How a project is laid out.

    Args:
        roots: folders on the import path, below the project, sorted; an empty text is the project itself.
        members: folders of the projects inside it, sorted; none lies in another.
    """

    roots: tuple[str, ...]
    members: tuple[str, ...]


def find_layout(root: Path) -> Layout:
    """Return where the code of a project and of the projects inside it starts; linear in its folders.

    A project file that cannot be read names nothing.
    """
    folders = sorted({folder for folder in (*_projects(root), *_workspace(root)) if folder})
    members: list[str] = []
    for folder in folders:
        if not members or not folder.startswith(f"{members[-1]}/"):
            members.append(folder)
    found = {one for folder in ("", *folders) for one in _roots_of(root, folder)}
    return Layout(tuple(sorted(found)), tuple(members))


def _projects(root: Path) -> Iterator[str]:
    """Yield the folders with a project file, the root's own first; those of tests and examples are no members."""
    rest = [""]
    while rest:
        folder = rest.pop()
        try:
            with os.scandir(root / folder) as entries:
                listed = list(entries)
        except OSError:
            continue
        names = {entry.name for entry in listed}
        if not folder or ("__init__.py" not in names and not names.isdisjoint(_PROJECT_FILES)):
            yield folder
        if "pyvenv.cfg" in names or "__init__.py" in names:
            continue
        rest += [
            f"{folder}/{entry.name}".lstrip("/")
            for entry in listed
            if entry.is_dir(follow_symlinks=False)
            and not entry.name.startswith((".", "__"))
            and entry.name.lower() not in _NOT_MEMBERS
        ]


def _workspace(root: Path) -> Iterator[str]:
    """Yield the members that uv's workspace of the root names, with or without a project file."""
    table = _table(_toml(root / "pyproject.toml"), "tool", "uv", "workspace")
    patterns = table.get("members")
    for pattern in patterns if isinstance(patterns, list) else ():
        if not isinstance(pattern, str) or _leaves(pattern) or not PurePath(pattern).parts:
            continue
        folders = {root}
        parts = PurePath(pattern).parts
        for part in (one for at, one in enumerate(parts) if one != "**" or parts[at - 1 : at] != ("**",)):
            folders = {below for folder in folders for below in _matching(folder, part, folders)}
        yield from (one.relative_to(root).as_posix() for one in folders if not one.name.startswith("."))


def _matching(folder: Path, part: str, others: set[Path]) -> Iterator[Path]:
    """Yield the folders that one part of a pattern leads to from a folder.

    Args:
        folder: where to begin.
        part: ``**`` for the folder and all below it, else a name with wildcards for a folder in it.
        others: all folders that this part begins at; below one of them, that one goes on by itself.
    """
    if part != "**":
        yield from (one for one in _folders(folder) if fnmatchcase(one.name, part))
        return
    left = [folder]
    while left:
        one = left.pop()
        yield one
        left += [below for below in _folders(one) if below not in others]


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _roots_of(root: Path, folder: str) -> set[str]:
    """Return the roots of one project, as its build settings or its looks give them; folders that are there."""
    place = root / folder
    named = {one for one in _named(place) if one is not None}
    there = {os.path.normpath(one) for one in named if (place / one).is_dir() and not _leaves(one)}
    if not there:
        there = {one for one in _LAYOUTS if _looks_like_root(place / one)} or {"."}
    return {"" if one == "." else one for one in (os.path.normpath(f"{folder}/{part}".lstrip("/")) for part in there)}


def _leaves(path: str) -> bool:
    return PurePath(path).is_absolute() or os.path.normpath(path).startswith("..")


def _looks_like_root(folder: Path) -> bool:
    """Tell whether a folder holds packages and is none."""
    below = ("*/__init__.py", "*/*/__init__.py", "*.py") if folder.name == "src" else ("*/__init__.py",)
    return not (folder / "__init__.py").exists() and any(next(folder.glob(one), None) for one in below)


def _named(place: Path) -> Iterator[str | None]:
    document = _toml(place / "pyproject.toml")
    tools = document.get("tool")
    if isinstance(tools, dict):
        yield from _setuptools(_table(tools, "setuptools"))
        yield from _hatch(_table(tools, "hatch", "build"))
        yield from _hatch(_table(tools, "hatch", "build", "targets", "wheel"))
        yield from (_text(row.get("from")) for row in _rows(_table(tools, "poetry").get("packages")))
        yield _text(_table(tools, "pdm", "build").get("package-dir"))
        yield _text(_table(tools, "uv", "build-backend").get("module-root"))
        yield _text(_table(tools, "maturin").get("python-source"))
    yield from _setup_cfg(place / "setup.cfg")
    try:
        text = read_file(place / "setup.py", limit=MANIFEST_BYTES, root=place)
        match = _SETUP_DIR.search(text.decode("utf-8", "replace"))
    except OSError:
        return
    yield match[1] if match else None


def _setuptools(table: dict[str, Any]) -> Iterator[str | None]:
    yield _text(_table(table, "package-dir").get(""))
    where = _table(table, "packages", "find").get("where")
    yield from (_text(one) for one in where) if isinstance(where, list) else ()


def _hatch(table: dict[str, Any]) -> Iterator[str | None]:
    sources = table.get("sources")
    for one in sources if isinstance(sources, list | dict) else ():
        yield _text(one)
    packages = table.get("packages")
    for one in packages if isinstance(packages, list) else ():
        yield os.path.dirname(one.rstrip("/")) or "." if isinstance(one, str) else None  # noqa: PTH120


def _setup_cfg(file: Path) -> Iterator[str | None]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_file(file, limit=MANIFEST_BYTES, root=file.parent).decode("utf-8"))
    except (OSError, ValueError, configparser.Error):
        return
    for line in parser.get("options", "package_dir", fallback="").splitlines():
        name, equals, folder = line.partition("=")
        yield folder.strip() if equals and not name.strip() else None
    yield from (one.strip() for one in parser.get("options.packages.find", "where", fallback="").split() if one)


def _toml(file: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_file(file, limit=MANIFEST_BYTES, root=file.parent).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def _table(table: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
