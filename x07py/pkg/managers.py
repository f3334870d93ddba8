"""The project's own manager: it resolves, downloads, installs and locks distributions; x07 tells it what is wanted.

uv, poetry and pdm read the manifest, so it is written before they run. pip knows no project: it is given requirements.
What they say goes to standard error as they say it.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from x07py.contracts.installed import TOOLCHAIN
from x07py.contracts.project import PYPROJECT
from x07py.errors import PackageError
from x07py.files import MANIFEST_BYTES, parse_toml, read_file
from x07py.pkg.edit import named_distributions

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOCKS = {"uv": "uv.lock", "poetry": "poetry.lock", "pdm": "pdm.lock"}


@dataclass(frozen=True, slots=True)
class Manager:
    """Who installs.

    Args:
        name: ``uv``, ``poetry``, ``pdm`` or ``pip``.
        root: the project's folder.
        workspace: the folder of the manager's lock, where that is not the project's.
    """

    name: str
    root: Path
    workspace: Path

    @property
    def lock_file(self) -> Path | None:
        """The manager's own lock, which a failed change puts back."""
        return self.workspace / _LOCKS[self.name] if self.name in _LOCKS else None

    def install(
        self,
        wanted: Iterable[str],
        *,
        upgrade: Iterable[str] = (),
        pins: Iterable[str] = (),
        offline: bool = False,
    ) -> None:
        """Install what the manifest asks for.

        Args:
            wanted: requirements, for pip.
            pins: exact versions that hold if something is installed, for pip.
            upgrade: distributions to take anew, in the newest version that is allowed.
            offline: fetch nothing.

        Raises:
            PackageError: ``X07PKG_INSTALL_FAILED``.
        """
        newer = sorted(set(upgrade))
        if self.name == "uv":
            members = [] if self.workspace == self.root else ["--all-packages"]
            again = [part for name in newer for part in ("--upgrade-package", name)]
            self._run("uv", "sync", "--inexact", *members, *again, *(["--offline"] if offline else []))
        elif self.name == "poetry":
            self._run("poetry", "update", "--lock", *newer) if newer else self._run("poetry", "lock")
            self._run("poetry", "install")
        elif self.name == "pdm":
            self._run("pdm", "update", *newer) if newer else self._run("pdm", "install")
        elif requirements := sorted({*wanted, *newer}):
            options = [*(["--upgrade"] if newer else []), *(["--no-index"] if offline else [])]
            with TemporaryDirectory(prefix="x07-pkg-") as folder:
                file = Path(folder, "constraints.txt")
                file.write_text("".join(f"{one}\n" for one in pins), encoding="utf-8")
                self._pip("install", *options, "--constraint", str(file), *requirements)

    def remove(self, orphans: Iterable[str], *, offline: bool = False) -> None:
        """Bring the environment back to the manifest: what it does not ask for any more goes.

        Args:
            orphans: distributions that nothing needs, for pip, and where the project does not ask for x07py: its
                manager would take x07py away, while that runs.
            offline: fetch nothing.

        Raises:
            PackageError: ``X07PKG_INSTALL_FAILED``.
        """
        names = sorted(set(orphans))
        if self.name in _LOCKS and not self._keeps_x07():
            self._run(self.name, "lock", *(["--offline"] if offline and self.name == "uv" else []))
            if names:
                self._pip("uninstall", *names)
        elif self.name == "uv":
            members = [] if self.workspace == self.root else ["--all-packages"]
            self._run("uv", "sync", *members, *(["--offline"] if offline else []))
        elif self.name == "poetry":
            self._run("poetry", "lock")
            self._run("poetry", "sync")
        elif self.name == "pdm":
            self._run("pdm", "lock")
            self._run("pdm", "sync", "--clean")
        elif names:
            self._pip("uninstall", *names)

    def _keeps_x07(self) -> bool:
        """Tell whether x07py stays in an environment that holds what the manifest asks for and nothing else."""
        return TOOLCHAIN in _by_default(_manifest(self.root), self.name)

    def _pip(self, verb: str, *args: str) -> None:
        if find_spec("pip") is not None:
            self._run(sys.executable, "-P", "-m", "pip", verb, *(["--yes"] if verb == "uninstall" else []), *args)
        elif shutil.which("uv"):
            self._run("uv", "pip", verb, "--python", sys.executable, *args)
        else:
            hint = None if self.name == "pip" else f"let the project ask for x07py: {self.name} add x07py"
            raise _failed((verb, *args), "this environment has neither pip nor uv", self.root, hint)

    def _run(self, *command: str) -> None:
        try:
            done = subprocess.run(command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=2, check=False)
        except OSError as error:
            raise _failed(command, f"{command[0]} cannot be started: {error.strerror}", self.root) from None
        if done.returncode:
            raise _failed(command, f"it ended with {done.returncode}; what it said stands above", self.root)


def _failed(command: tuple[str, ...], what: str, root: Path, hint: str | None = None) -> PackageError:
    return PackageError(
        "X07PKG_INSTALL_FAILED",
        f"`{shlex.join(command)}` failed: {what}",
        where=str(root),
        hint=hint or "manifest and lock are as they were; mend what the manager names, then try again",
    )


def manager_of(root: Path) -> Manager:
    """Return who installs in the project at `root`.

    The nearest of ``uv.lock``, ``poetry.lock`` and ``pdm.lock``, from the project up to its repository, decides; else a
    table ``[tool.uv]``, ``[tool.poetry]`` or ``[tool.pdm]``; else pip.
    """
    for folder in (root, *root.parents):
        for name, lock in _LOCKS.items():
            if (folder / lock).is_file():
                return Manager(name, root, folder)
        if (folder / ".git").exists():
            break
    tools = _table(_manifest(root), "tool")
    return Manager(next((name for name in _LOCKS if name in tools), "pip"), root, root)


def _manifest(root: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return parse_toml(read_file(root / PYPROJECT, limit=MANIFEST_BYTES, root=root).decode())
    return {}


def _by_default(document: dict[str, Any], manager: str) -> set[str]:
    """Return what a manager installs if no group and no extra is named, without what groups include of others."""
    tool, groups = _table(_table(document, "tool"), manager), _table(document, "dependency-groups")
    own = _table(tool, "group")
    optional = {name for name in own if _table(own, name).get("optional")}
    if manager == "uv":
        chosen = tool.get("default-groups", ["dev"])
        optional = set() if chosen == "all" else groups.keys() - {*(chosen if isinstance(chosen, list) else ())}
    lists = [
        _table(document, "project").get("dependencies"),
        *(groups[name] for name in groups if name not in optional),
    ]
    tables = [_table(tool, "dependencies")]
    tables += [_table(_table(own, name), "dependencies") for name in own if name not in optional]
    return named_distributions([*lists, *map(list, tables)])


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
