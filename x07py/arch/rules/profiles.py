"""Profiles of `x07 run` in the project's manifest: a name that says confined is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.arch.manifest_text import manifest_naming
from x07py.arch.model import finding
from x07py.worlds import belies_its_name, breaks_its_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from x07py.diag import Diagnostic


def check_profiles(root: Path) -> Iterator[Diagnostic]:
    """Yield profiles whose world confines less than their name says; a parser is imported only where there are some.

    Raises:
        PackageError, FileError: as `x07py.contracts.project.read_project`.
    """
    file = manifest_naming(root, b"profiles")
    if file is None:
        return
    from x07py.contracts.project import read_project

    table = read_project(file).settings.get("profiles")
    for name, profile in table.items() if isinstance(table, dict) else ():
        world = profile.get("world") if isinstance(profile, dict) else None
        if not isinstance(world, str) or not belies_its_name(name, world):
            continue
        broken = breaks_its_name(name, world)
        yield finding(
            "E_ARCH_PROFILE_WORLD" if broken else "W_ARCH_PROFILE_WORLD",
            f"profile {name} has world {world}, which does not confine",
            path=file.name,
            hint="give it run-os-sandboxed or a solve world, or call it by another name",
            data={"profile": name, "world": world},
        )
