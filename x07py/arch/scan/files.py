"""Walking a project: which files are modules, and what each is called. Nothing is read here."""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from x07py.arch.store import FileFacts, facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_SUFFIXES = (".py", ".x07.json")
_PRUNED = (
    ".agent",
    ".git",
    ".x07",
    "dist",
    "gen",
    "node_modules",
    "target",
    "tmp",
    ".venv",
    "venv",
    "__pycache__",
)
INCLUDE = tuple(f"**/*{suffix}" for suffix in _SUFFIXES)
EXCLUDE = tuple(f"**/{name}/**" for name in _PRUNED)
_WHOLE_FOLDER = re.compile(r"\*\*/([\w.-]+)/\*\*")
_ENVIRONMENT = "pyvenv.cfg"


class SourceFile(NamedTuple):
    """A file that may be a module: its path below the root, and what tells whether it changed.

    A link to a module, or to a folder that holds some, is one too, with what it points to; it is not followed.
    """

    path: str
    stat: FileFacts
    link: str = ""


class Scan:
    """Which files are modules: glob patterns of paths below the root; `*` also matches ``/``."""

    def __init__(self, include: Sequence[str] = INCLUDE, exclude: Sequence[str] = EXCLUDE) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)

    @cached_property
    def pruned(self) -> frozenset[str]:
        """Names of folders that are excluded wherever they stand."""
        names = (_WHOLE_FOLDER.fullmatch(pattern) for pattern in self.exclude)
        return frozenset(match[1] for match in names if match)

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
        others = [pattern for pattern in self.exclude if not _WHOLE_FOLDER.fullmatch(pattern)]
        everything = set(INCLUDE) <= set(self.include)
        return None if everything else compile_globs(self.include), compile_globs(others) if others else None

    def enters(self, path: str) -> bool:
        """Tell whether a folder is looked into, given that the ones above it are."""
        exclude = self._patterns[1]
        return exclude is None or not exclude.fullmatch(f"{path}/x")

    def excludes(self, path: str) -> bool:
        """Tell whether a path is excluded by itself."""
        exclude = self._patterns[1]
        return exclude is not None and bool(exclude.fullmatch(path))

    def admits(self, path: str) -> bool:
        """Tell whether a file with the suffix of a module is one, given that its folder is looked into."""
        include, exclude = self._patterns
        return (include is None or bool(include.fullmatch(path))) and not (exclude and exclude.fullmatch(path))


def compile_globs(patterns: Sequence[str]) -> re.Pattern[str]:
    """Return one expression that matches a whole path if any pattern does.

    Raises:
        ValueError: a pattern has a bracket that is not closed.
    """
    if not patterns:
        return re.compile(r"(?!)")
    try:
        return re.compile("|".join(f"(?:{_translate(pattern)})" for pattern in patterns), re.DOTALL)
    except re.error as error:
        raise ValueError(f"not a glob pattern: {error}") from None


def _translate(pattern: str) -> str:
    out, at, depth = "", 0, 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
            continue
        closing = pattern.find("]", at + 2) if char == "[" else -1
        if closing > 0:
            inside = pattern[at + 1 : closing].replace("\\", r"\\").replace("[", r"\[")
            out, at = out + "[" + ("^" + inside[1:] if inside[0] == "!" else inside) + "]", closing + 1
            continue
        if char == "[" or (char == "}" and not depth):
            raise ValueError(f"{pattern!r} is not a glob pattern")
        depth += {"{": 1, "}": -1}.get(char, 0)
        comma = "|" if depth else ","
        out += {"*": ".*", "?": ".", "{": "(?:", "}": ")", ",": comma}.get(char, re.escape(char))
        at += 1
    if depth:
        raise ValueError(f"{pattern!r} is not a glob pattern")
    return out


def module_files(root: Path, scan: Scan) -> list[SourceFile]:
    """Return the module files below `root`, sorted by path.

    Excluded folders and virtual environments are not entered; links are not followed. Time is linear in the entries of
    the folders that are entered.
    """
    found: list[SourceFile] = []
    rest = [""]
    while rest:
        prefix = rest.pop()
        try:
            with os.scandir(root / prefix) as entries:
                listed = list(entries)
        except OSError:
            continue
        folders = []
        for entry in listed:
            name = entry.name
            if entry.is_file(follow_symlinks=False):
                if name == _ENVIRONMENT:
                    break
                if name.endswith(_SUFFIXES) and not name.startswith("._") and scan.admits(prefix + name):
                    found.append(SourceFile(prefix + name, facts(entry.stat(follow_symlinks=False))))
            elif entry.is_dir(follow_symlinks=False) and name not in scan.pruned and scan.enters(prefix + name):
                folders.append(f"{prefix}{name}/")
            elif entry.is_symlink() and _holds_modules(entry, prefix + name, scan):
                target = str((root / prefix / name).readlink())
                found.append(SourceFile(prefix + name, facts(entry.stat(follow_symlinks=False)), target))
        else:
            rest += folders
            continue
        found = [file for file in found if not file.path.startswith(prefix)]
    return sorted(found)


def _holds_modules(entry: os.DirEntry[str], path: str, scan: Scan) -> bool:
    """Tell whether a link points to a module, or to a folder with one directly below it, and is not excluded."""
    if scan.excludes(path) or entry.name in scan.pruned or not scan.enters(path):
        return False
    try:
        if entry.is_dir():
            with os.scandir(entry.path) as inside:
                return any(one.name.endswith(_SUFFIXES) for one in inside)
        return entry.is_file() and path.endswith(_SUFFIXES) and scan.admits(path)
    except OSError:  # it points to nothing that can be read, nor can Python import it
        return False


class ModuleNames:
    """What Python files are called: relative to the deepest module root that holds them.

    Args:
        root: the project's folder.
        roots: folders below it that are on the import path; without any, ``src`` is one if it is there and no package.
    """

    def __init__(self, root: Path, roots: Iterable[str] = ()) -> None:
        given = [one.strip("/") for one in roots]
        if not given:
            given = [] if (root / "src" / "__init__.py").exists() else ["src"]
        self._roots = sorted((f"{one}/" for one in given if one not in {"", "."}), key=len, reverse=True)

    def name(self, path: str) -> str:
        """Return the dotted name of a Python file by its path below the project's root."""
        inside = next((path[len(one) :] for one in self._roots if path.startswith(one)), path)
        return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
