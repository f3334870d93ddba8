"""Walking a project: which files are modules. Nothing is read here, and nothing is left out in silence.

A module is a file that an import can name: Python files below folders that are called like identifiers, and x07AST
files. Folders whose name starts with a dot cannot be named, so they hold none. What else is not looked at is counted:
what the manifest excludes, virtual environments, files with names like ``run-all.py``.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from x07py.arch.scan.patterns import compile_globs
from x07py.arch.store import FileFacts, facts
from x07py.files import NOTEBOOK
from x07py.printing import escaped

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

_PYTHON = ".py"
MODULE_SUFFIXES = (_PYTHON, ".x07.json")
PYTHON_SUFFIXES = (_PYTHON, NOTEBOOK)
_BYTECODE = "__pycache__"
_COMPILED = (".pyc", ".so", ".pyd")
_COMPILED_NAME = re.compile(r"([^.]+)(?:\.pyc|(?:\.[\w-]+)*\.(?:so|pyd))")
_ENVIRONMENT = ("pyvenv.cfg", "bin", "Scripts")
_SHOWN = 3


class SourceFile(NamedTuple):
    """A file that may be a module: its path below the root, and what tells whether it changed.

    A link to a module, or to a folder that holds some, is one too, with what it points to; it is not followed.
    """

    path: str
    stat: FileFacts
    link: str = ""


class Unread(NamedTuple):
    """What a walk did not look into, and what Python would run in place of what it saw.

    Args:
        excluded: files and folders that a pattern of the manifest excludes, by pattern, in the manifest's order.
        environments: virtual environments.
        unnamed: Python files whose names no import can write.
        closed: folders that could not be listed.
        compiled: compiled files that are imported without a source, or in place of the one beside them.
        caches: folders of compiled sources, each with what tells whether it changed.
    """

    excluded: dict[str, list[str]]
    environments: list[str]
    unnamed: list[str]
    closed: list[str]
    compiled: list[str]
    caches: list[tuple[str, FileFacts]]

    def document(self) -> dict[str, object]:
        """Return what was not read as the report states it."""
        return {
            "excluded": {pattern: len(paths) for pattern, paths in self.excluded.items()},
            "environments": self.environments,
            "unnamed_files": len(self.unnamed),
            "closed_folders": self.closed,
        }

    def __str__(self) -> str:
        rows = [
            ("excluded by scan.exclude", [path for paths in self.excluded.values() for path in paths]),
            ("virtual environments", self.environments),
            ("files with names that no import can write", self.unnamed),
            ("folders that cannot be listed", self.closed),
        ]
        return "; ".join(f"{len(paths)} {what} ({_few(paths)})" for what, paths in rows if paths)


class Scan:
    """Which files are left out: glob patterns of paths below the root; `*` also matches ``/``.

    Args:
        exclude: patterns of paths; one that ends in ``/**`` stands for a folder.
        notebooks: whether the code cells of notebooks are modules, too.
    """

    def __init__(self, exclude: Sequence[str] = (), *, notebooks: bool = False) -> None:
        self.exclude: tuple[str, ...] = tuple(exclude)
        self.suffixes: tuple[str, ...] = (*MODULE_SUFFIXES, NOTEBOOK) if notebooks else MODULE_SUFFIXES

    @cached_property
    def _patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(pattern, compile_globs([pattern])) for pattern in self.exclude]

    def excluded_by(self, path: str, *, folder: bool) -> str | None:
        """Return the pattern that excludes a file, or a folder with all that it holds."""
        paths = (path, f"{path}/x") if folder else (path,)
        for pattern, compiled in self._patterns:
            if any(compiled.fullmatch(one) for one in paths):
                return pattern
        return None


def is_importable(part: str) -> bool:
    """Tell whether a part of a path can be a part of a module's name.

    A digit may come first: no statement writes such a name, but ``import_module`` does, and migrations are found so.
    """
    return f"_{part}".isidentifier()


def module_files(root: Path, scan: Scan) -> tuple[list[SourceFile], Unread]:
    """Return the module files below `root`, sorted by path, and what was not looked into.

    Links are not followed. Time is linear in the entries of the folders that are entered.
    """
    return _Walk(root, scan).files()


class _Walk:
    """One walk over a project."""

    def __init__(self, root: Path, scan: Scan) -> None:
        self._root = root
        self._scan = scan
        self._found: list[SourceFile] = []
        self._unread = Unread({pattern: [] for pattern in scan.exclude}, [], [], [], [], [])

    def files(self) -> tuple[list[SourceFile], Unread]:
        rest = [""]
        while rest:
            rest += self._enter(rest.pop())
        for paths in (*self._unread.excluded.values(), *self._unread[1:5]):
            paths.sort()
        self._unread.caches.sort()
        return sorted(self._found), self._unread

    def _enter(self, prefix: str) -> list[str]:
        """Add what a folder holds, and return the folders in it that hold more."""
        try:
            with os.scandir(self._root / prefix) as entries:
                listed = list(entries)
        except OSError:
            self._unread.closed.append(prefix.rstrip("/") or ".")
            return []
        names = {entry.name for entry in listed}
        if prefix and _ENVIRONMENT[0] in names and not names.isdisjoint(_ENVIRONMENT[1:]):
            self._unread.environments.append(prefix.rstrip("/"))
            return []
        folders = []
        for entry in listed:
            name = entry.name
            if name.endswith(self._scan.suffixes) and entry.is_file(follow_symlinks=False):
                self._file(entry, prefix + name)
            elif name.startswith("."):
                continue
            elif name == _BYTECODE:
                self._unread.caches.append((prefix + name, facts(entry.stat(follow_symlinks=False))))
            elif name.endswith(_COMPILED) and _runs_unread(name, names):
                if self._admits(prefix + name, folder=False):
                    self._unread.compiled.append(prefix + name)
            elif entry.is_dir(follow_symlinks=False):
                if self._admits(prefix + name, folder=True):
                    folders.append(f"{prefix}{name}/")
            elif entry.is_symlink():
                self._link(entry, prefix + name)
        return folders

    def _file(self, entry: os.DirEntry[str], path: str) -> None:
        if entry.name.startswith(".") or not self._admits(path, folder=False):
            return
        if path.endswith(_PYTHON) and not is_importable(entry.name.removesuffix(_PYTHON)):
            self._unread.unnamed.append(path)
            return
        self._found.append(SourceFile(path, facts(entry.stat(follow_symlinks=False))))

    def _link(self, entry: os.DirEntry[str], path: str) -> None:
        """Add a link that points to a module, or to a folder with one directly below it."""
        try:
            if entry.is_dir():
                with os.scandir(entry.path) as inside:
                    holds = any(one.name.endswith(self._scan.suffixes) for one in inside)
            else:
                holds = entry.is_file() and path.endswith(self._scan.suffixes)
        except OSError:  # it points to nothing that can be read, nor can Python import it
            return
        if holds and self._admits(path, folder=entry.is_dir()):
            target = str((self._root / path).readlink())
            self._found.append(SourceFile(path, facts(entry.stat(follow_symlinks=False)), target))

    def _admits(self, path: str, *, folder: bool) -> bool:
        pattern = self._scan.excluded_by(path, folder=folder) if self._scan.exclude else None
        if pattern is not None:
            self._unread.excluded[pattern].append(path)
        return pattern is None


def _runs_unread(name: str, names: Collection[str]) -> bool:
    """Tell whether Python runs a compiled file in place of what is read: without a source, or before the one there is.

    An extension module without a source is what it is called, and is said not to be read where it is imported.
    """
    found = _COMPILED_NAME.fullmatch(name)
    if found is None or not is_importable(found[1]):
        return False
    sourced = f"{found[1]}.py" in names
    return not sourced if name.endswith(".pyc") else sourced or found[1] == "__init__"


def _few(paths: Sequence[str]) -> str:
    more = f", and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(map(escaped, paths[:_SHOWN])) + more
