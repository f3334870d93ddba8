"""The settings of the check: ``[tool.x07.arch]`` of ``pyproject.toml``, ``[arch]`` of ``x07.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from x07py.arch.manifest_text import manifest_naming
from x07py.errors import ArchError

if TYPE_CHECKING:
    from pathlib import Path


class Settings(NamedTuple):
    """How the project is read.

    Args:
        self_edges: whether an import inside one node counts for visibility and allowlist mode, as in the reference.
    """

    self_edges: bool = False


def read_settings(root: Path) -> Settings:
    """Return the settings of the project at `root`; a parser is imported only where there are some.

    Raises:
        ArchError: ``E_ARCH_SETTINGS``.
        PackageError, FileError: as `x07py.contracts.project.read_project`.
    """
    file = manifest_naming(root, b"arch")
    if file is None:
        return Settings()
    from x07py.contracts.project import read_project

    table = read_project(file).settings.get("arch", {})
    if not isinstance(table, dict):
        raise _refusal(file, "arch is not a table")
    if unknown := sorted(table.keys() - Settings._fields):
        raise _refusal(file, f"arch has no setting {unknown[0]!r}")
    selves = table.get("self_edges", False)
    if not isinstance(selves, bool):
        raise _refusal(file, "arch.self_edges is neither true nor false")
    return Settings(selves)


def _refusal(file: Path, what: str) -> ArchError:
    return ArchError(
        "E_ARCH_SETTINGS",
        what,
        where=str(file),
        hint="settings: self_edges, true or false; folders on the import path are scan.roots of the manifest",
    )
