"""Where the modules of a program lie: in the project, in the standard library, in its environment's packages.

Nothing of the environment runs: what another interpreter's path is, its ``pyvenv.cfg`` and folders tell.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from x07py.effects.facts import facts_of
from x07py.errors import UsageError
from x07py.files import MANIFEST_BYTES, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from x07py.effects.facts import Facts

Kind = Literal["project", "standard library", "installed", "builtin", "native", "folder", "missing"]

_ELSEWHERE = {"_overlapped", "_scproxy", "_winapi", "_wmi", "msilib", "msvcrt", "nt", "winreg", "winsound"}
"""What Python has on Windows or macOS only, where solve worlds do not run."""
_COMPILED = "__pycache__"
"""What Python itself puts into a folder; no module is looked for in it."""
_NATIVE = re.compile(r"^(\w+)(?:\.[\w-]+)*\.(?:so|pyd)$")


class Found(NamedTuple):
    """Where a module lies.

    Args:
        kind: ``native`` for an extension module, ``folder`` for a namespace package, ``missing`` if it is nowhere.
        path: the file, or the folder; empty for what is part of the interpreter.
        package: whether it has modules below it.
    """

    kind: Kind
    path: str
    package: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """Folders that an interpreter imports from: its standard library, and its installed packages."""

    library: str
    packages: tuple[str, ...]
    version: tuple[int, int]


def this_environment() -> Environment:
    """Return what the running interpreter imports from."""
    library = sysconfig.get_path("stdlib")
    packages = [path for path in sys.path if path and _is_packages(path)]
    return Environment(library, (*packages, *_linked(packages)), sys.version_info[:2])


def environment_of(python: Path) -> Environment:
    """Return what another interpreter imports from, without running it.

    Args:
        python: a virtual environment's folder or its interpreter.

    Raises:
        UsageError: ``X07_USAGE`` if there is no ``pyvenv.cfg``, or it names no interpreter that is there.
    """
    folder = python if python.is_dir() else python.parent.parent
    try:
        lines = read_file(folder / "pyvenv.cfg", limit=MANIFEST_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        raise UsageError(
            "X07_USAGE", "not an environment: no pyvenv.cfg", where=str(folder), hint="name a virtual environment"
        ) from None
    settings = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    found = sorted((folder / "lib").glob("python3*/site-packages")) or sorted(folder.glob("Lib/site-packages"))
    number = re.match(r"3\.(\d+)", settings.get("version", settings.get("version_info", "")))
    version = (3, int(number[1])) if number else sys.version_info[:2]
    home = Path(settings.get("home", "")).parent
    library = home / "lib" / f"python3.{version[1]}"
    if not (library / "os.py").is_file():
        raise UsageError(
            "X07_USAGE",
            "no standard library where pyvenv.cfg says",
            where=str(library),
            hint="make the environment anew",
        )
    packages = [str(path) for path in found]
    return Environment(str(library), (*packages, *_linked(packages)), version)


def _is_packages(path: str) -> bool:
    return os.path.basename(path) in {"site-packages", "dist-packages"}  # noqa: PTH119


def _linked(folders: list[str]) -> list[str]:
    """Return the folders that ``.pth`` files of package folders add to the path."""
    found: list[str] = []
    for folder in folders:
        for file in sorted(Path(folder).glob("*.pth")):
            for line in read_file(file, limit=MANIFEST_BYTES).decode("utf-8", "replace").splitlines():
                names_folder = line and not line.startswith(("#", "import ", "import\t"))
                found += [line] if names_folder and Path(line).is_dir() else []
    return found


@dataclass(slots=True)
class Finder:
    """Finds modules by name.

    Args:
        environment: what the program runs in.
        project: files of the project's modules by dotted name.
    """

    environment: Environment
    project: Mapping[str, str]
    listed: dict[str, tuple[Facts | None, dict[str, str]]] = field(default_factory=dict)
    """Folders that were looked through: their facts, and their entries by the name that they are imported by."""
    known: dict[str, Found] = field(default_factory=dict)
    """Where the modules lie that were asked for."""

    def find(self, name: str) -> Found:
        """Return where a module lies."""
        found = self.known.get(name)
        if found is None:
            found = self.known[name] = self._find(name)
        return found

    def checkout(self, root: Path | None, *, installed: bool) -> Callable[[str], Path | None]:
        """Return what tells the folder that a module's file must lie in: the project for what the project brings.

        That is its own modules, and what an editable installation finds in its folders. An environment that lies in
        the project is no part of it: its packages may be links to a store of the user.

        Args:
            root: the project's folder, None for no project.
            installed: the modules that are asked about are those of an installed distribution.
        """
        if root is None:
            return lambda _: None
        top = f"{os.path.realpath(root)}/"
        places = [f"{one}/" for one in self.environment.packages if not _is_packages(one)]
        own = tuple(
            one
            for one in places
            if f"{os.path.realpath(one)}/".startswith(top) or os.path.abspath(one).startswith(top)  # noqa: PTH100
        )
        modules = set() if installed else set(self.project.values())
        return lambda path: root if path in modules or path.startswith(own) else None

    def _find(self, name: str) -> Found:
        path = self.project.get(name)
        if path is not None:
            return Found("project", path, os.path.basename(path) == "__init__.py")  # noqa: PTH119
        parent, _, last = name.rpartition(".")
        if parent:
            above = self.find(parent)
            if not above.package:
                return Found("missing", "", package=False)
            folder = above.path if above.kind == "folder" else os.path.dirname(above.path)  # noqa: PTH120
            return self._in_folder(folder, last, "installed" if above.kind == "folder" else above.kind)
        if any(one.startswith(f"{name}.") for one in self.project):
            return Found("folder", "", package=True)
        if name in sys.builtin_module_names:
            return Found("builtin", "", package=False)
        for folder in (self.environment.library, f"{self.environment.library}/lib-dynload"):
            found = self._in_folder(folder, last, "standard library")
            if found.kind not in {"missing", "folder"}:
                return Found("builtin", found.path, package=False) if found.kind == "native" else found
        places = [self._in_folder(folder, last, "installed") for folder in self.environment.packages]
        for wanted in (lambda one: one.kind not in {"missing", "folder"}, lambda one: one.kind == "folder"):
            if (hit := next(filter(wanted, places), None)) is not None:
                return hit
        builtin = name in sys.stdlib_module_names and name not in _ELSEWHERE
        return Found("builtin" if builtin else "missing", "", package=False)

    def _in_folder(self, folder: str, name: str, kind: Kind) -> Found:
        entries = self._entries(folder)
        if name in entries and f"{name}/" in entries:
            inside = self._entries(f"{folder}/{name}")
            if "__init__" in inside:
                return self._file(f"{folder}/{name}/{inside['__init__']}", kind, package=True)
        if entries.get(name):
            return self._file(f"{folder}/{entries[name]}", kind, package=False)
        if f"{name}/" in entries:
            return Found("folder", f"{folder}/{name}", package=True)
        return Found("missing", "", package=False)

    def _file(self, path: str, kind: Kind, *, package: bool) -> Found:
        return Found(kind if path.endswith(".py") else "native", path, package)

    def _entries(self, folder: str) -> dict[str, str]:
        """Return the files of a folder by the name that they are imported by, and ``NAME/`` for folders."""
        if folder not in self.listed:
            self.listed[folder] = facts_of(folder), entries_of(folder)
        return self.listed[folder][1]


def entries_of(folder: str) -> dict[str, str]:
    """Return the files of a folder by the name that they are imported by, and ``NAME/`` for folders."""
    listed: dict[str, str] = {}
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (three times as fast)
    except OSError:
        names = []
    for name in names:
        stem, dot, suffix = name.partition(".")
        if not dot:
            if name != _COMPILED:
                listed[f"{stem}/"] = stem
                listed.setdefault(stem, "")
        elif suffix == "py" or (_NATIVE.match(name) and not listed.get(stem, "").endswith(".py")):
            listed[stem] = name
    return listed
