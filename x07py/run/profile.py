"""Profiles: a world and what is granted in it, under a name; three exist in every project."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from x07py.contracts.loader import find_root
from x07py.contracts.project import find_manifest, read_project
from x07py.errors import RunError
from x07py.worlds import WORLDS, belies_its_name, breaks_its_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from x07py.contracts.project import Project


class Profile(NamedTuple):
    """What ``[tool.x07.profiles.NAME]`` may hold; flags add to the lists and win over the rest."""

    world: str
    entry: str | None = None
    policy: str | None = None
    allow_host: tuple[str, ...] = ()
    deny_host: tuple[str, ...] = ()
    allow_contract: tuple[str, ...] = ()
    allow_read: tuple[str, ...] = ()
    deny_read: tuple[str, ...] = ()
    allow_write: tuple[str, ...] = ()
    allow_env: tuple[str, ...] = ()
    allow_run: tuple[str, ...] = ()
    allow_listen: tuple[str, ...] = ()
    allow_unix: tuple[str, ...] = ()
    rr: str | None = None
    cassette: str | None = None
    timeout: float | None = None
    max_memory: int | None = None
    sources: Mapping[tuple[str, str], str] = MappingProxyType({})
    """Where grants come from that no flag gave: by the list's name and the grant."""

    def source(self, kind: str, grant: str) -> str:
        """Return where a grant of the list `kind` comes from: a flag, a profile or a policy."""
        return self.sources.get((kind, grant), "--" + kind.replace("_", "-"))


LISTS = tuple(name for name, usual in Profile._field_defaults.items() if usual == ())
"""Names of the lists of a profile."""
_NUMBERS = {"timeout", "max_memory"}

BUILT_IN = {
    "sandbox": Profile("run-os-sandboxed"),
    "os": Profile("run-os"),
    "replay": Profile("solve-rr", rr="replay"),
}


class ProjectToRun(NamedTuple):
    """Where a program runs: the project's folder, its manifest if it has one, its entry, and its profiles."""

    root: Path
    manifest: Path | None
    entry: str | None
    profiles: dict[str, Profile]


def find_project_to_run() -> ProjectToRun:
    """Return the project of the working directory; without a manifest, the folder with ``arch/``, or this one.

    Raises:
        RunError: ``X07RUN_PROFILE`` if the manifest's profiles cannot be meant.
        PackageError: the manifest cannot be read.
    """
    if find_manifest() is None:
        return ProjectToRun(find_root(), None, None, dict(BUILT_IN))
    project = read_project()
    table = _table(project, project.settings, "profiles")
    made = {name: _profile(project, name, _table(project, table, name)) for name in table}
    entry = project.settings.get("entry")
    if entry is not None and not isinstance(entry, str):
        _refuse(project, "entry is not a string")
    return ProjectToRun(project.root, project.file, entry, BUILT_IN | made)


def _table(project: Project, parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key, {})
    if not isinstance(value, dict):
        _refuse(project, f"{key} is not a table")
    return value


def _profile(project: Project, name: str, table: dict[str, Any]) -> Profile:
    known = [one for one in Profile._fields if one != "sources"]
    values: dict[str, Any] = {}
    base = BUILT_IN.get(name)
    for key, value in table.items():
        field = key.replace("-", "_")
        if field not in known:
            _refuse(project, f"profiles.{name}.{key} is not known; known are {', '.join(known)}")
        values[field] = _value(project, f"profiles.{name}.{key}", field, value)
    if "world" not in values:
        if base is None:
            _refuse(project, f"profiles.{name} names no world")
        values["world"] = base.world
    check_world(values["world"], f"{project.file}: profiles.{name}.world")
    keep_the_name(name, values["world"], f"{project.file}: profiles.{name}.world")
    return Profile(**values)


def _value(project: Project, where: str, field: str, value: Any) -> Any:
    if field in LISTS:
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            _refuse(project, f"{where} is not a list of strings")
        return tuple(value)
    number = field in _NUMBERS
    if number and isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return value
    if not number and isinstance(value, str) and value:
        return value
    return _refuse(project, f"{where} is not {'a number above 0' if number else 'a string'}")


def check_world(name: str, where: str) -> None:
    """Refuse a world that is none of the seven, or that nothing can run in yet.

    Raises:
        RunError: ``X07RUN_WORLD_UNKNOWN``, ``X07RUN_WORLD_NOT_RUNNABLE``.
    """
    world = WORLDS.get(name)
    if world is None:
        raise RunError(
            "X07RUN_WORLD_UNKNOWN", f"no world is called {name!r}", where=where, hint="worlds: " + ", ".join(WORLDS)
        )
    if not world.runnable:
        raise RunError(
            "X07RUN_WORLD_NOT_RUNNABLE",
            f"nothing can run in world {name}: contracts may name it, and no runner offers its store",
            where=where,
            hint="use solve-rr or solve-fs",
        )


def keep_the_name(name: str, world: str, where: str) -> None:
    """Refuse a profile whose name says that it is confined in a world that is not.

    Raises:
        RunError: ``X07RUN_PROFILE_WORLD``.
    """
    if breaks_its_name(name, world):
        raise RunError(
            "X07RUN_PROFILE_WORLD",
            f"profile {name} is confined wherever it is named, and world {world} does not confine",
            where=where,
            hint="give it run-os-sandboxed or a solve world, or use a profile of another name",
        )


def weaker_than_expected(project: ProjectToRun, name: str | None, profile: Profile) -> list[str]:
    """Return what a profile confines less than its name or the built-in profile of that name lets expect, a line each.

    Args:
        project: the project.
        name: the profile's name, or None if only a world was asked for.
        profile: the profile with the flags in it.
    """
    if name is None:
        return []
    lines = []
    if belies_its_name(name, profile.world):
        lines.append(f"profile {name} runs in world {profile.world}: nothing is confined")
    built_in = BUILT_IN.get(name)
    if built_in is not None and WORLDS[built_in.world].confined and WORLDS[profile.world].confined:
        wide = [
            f"{kind.replace('_', '-')} {grant}"
            for kind in LISTS
            for grant in getattr(profile, kind)
            if profile.source(kind, grant) != f"--{kind.replace('_', '-')}" and _is_wide(kind, grant, project.root)
        ]
        lines += [f"profile {name} of {project.manifest} grants {grant}" for grant in wide]
    return lines


def _is_wide(kind: str, grant: str, root: Path) -> bool:
    """Tell whether a grant reaches beyond the project's own files, or every host, or a shell."""
    match kind:
        case "allow_read" | "allow_write" | "allow_unix":
            if kind == "allow_unix" and grant.startswith("@"):
                return True
            inside = os.path.realpath(root)
            return os.path.commonpath([os.path.realpath(root / grant), inside]) != inside
        case "allow_host":
            return grant.startswith(("*", "0.0.0.0/0", "[::]")) or grant.endswith("/0")
        case "allow_run":
            return grant.rpartition("/")[2] in {"sh", "bash", "dash", "zsh"}
    return False


def choose(project: ProjectToRun, name: str) -> Profile:
    """Return the profile `name`, which its grants name as their source.

    Raises:
        RunError: ``X07RUN_PROFILE`` if there is none.
    """
    profile = project.profiles.get(name)
    if profile is None:
        raise RunError(
            "X07RUN_PROFILE",
            f"no profile is called {name!r}",
            where=str(project.manifest or project.root),
            hint="profiles: " + ", ".join(sorted(project.profiles)),
        )
    sources = {(kind, grant): f"profile {name}" for kind in LISTS for grant in getattr(profile, kind)}
    return profile._replace(sources=sources)


def _refuse(project: Project, what: str) -> NoReturn:
    raise RunError("X07RUN_PROFILE", what, where=str(project.file), hint="docs/reference/run.md shows what it may hold")
