"""An ``x07.json`` of the X07 toolchain becomes profiles of this project; what cannot be carried over is named."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import tomlkit

from x07py.contracts.loader import parse_json
from x07py.contracts.project import PYPROJECT, STANDALONE, parse_project
from x07py.errors import RunError, UsageError
from x07py.files import CONTRACT_BYTES, MANIFEST_BYTES, cannot_read, read_file, replace_file, with_line_ends_of
from x07py.run.migrated_policy import migrated_policy
from x07py.run.policy import read_policy
from x07py.run.profile import keep_the_name
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VERSIONS = tuple(f"x07.project@0.{minor}.0" for minor in (2, 3, 4, 5))
_OF_ITS_MACHINE = ("runner", "auto_ffi", "solve_fuel", "max_memory_bytes", "max_output_bytes", "cc_profile")
_SANDBOXED = "run-os-sandboxed"


class Migration(NamedTuple):
    """What was written, and what was not carried over, a line each."""

    added: list[str]
    left: list[str]


class _Profile(NamedTuple):
    world: str
    policy: str | None


def migrate_project(manifest: Path, root: Path) -> Migration:
    """Write the profiles and policies of an X07 project for its Python program; what is there stays as it is.

    Profiles go into ``x07.toml`` or ``[tool.x07]`` of ``pyproject.toml``, whichever is there, else into a new
    ``x07.toml``. A policy that holds here as it is, is used; one that asks for more becomes ``policy/ID.json``.

    Args:
        manifest: an ``x07.json``.
        root: the folder of the Python project.

    Raises:
        UsageError: ``X07_INIT_FROM`` if it cannot be meant, ``X07_INIT_NO_PROJECT`` for profiles that are no table.
        PackageError: ``X07PKG_PROJECT_PARSE`` for a manifest of Python that cannot be meant.
        FileError: ``X07IO_READ``, ``X07IO_WRITE``.
    """
    document = _read(manifest)
    migration = Migration([], [*_whole(document)])
    file = next((root / name for name in (STANDALONE, PYPROJECT) if (root / name).is_file()), root / STANDALONE)
    text = _text(file)
    if not isinstance(parse_project(file, text.encode()).settings.get("profiles", {}), dict):
        raise UsageError("X07_INIT_NO_PROJECT", "profiles is not a table", where=str(file), hint="correct it first")
    settings: Any = tomlkit.parse(text)
    table: Any = settings
    for name in ("tool", "x07") if file.name == PYPROJECT else ():
        table = table.setdefault(name, tomlkit.table(is_super_table=name == "tool"))
    _add_world(document, table, migration)
    if "profiles" not in table:
        table["profiles"] = tomlkit.table(is_super_table=True)
    policies = dict(_add_profiles(document, manifest, root, table["profiles"], migration))
    changed = tomlkit.dumps(settings)
    for path, data in policies.items():
        replace_file(path, data, root=root)
    if changed != text and migration.added:
        replace_file(file, with_line_ends_of(text, changed).encode(), root=root)
    return migration


def _read(manifest: Path) -> dict[str, Any]:
    try:
        document = parse_json(read_file(manifest, limit=MANIFEST_BYTES))
    except OSError as error:
        raise cannot_read(manifest, error) from None
    except (ValueError, RecursionError) as error:
        _refuse(manifest, f"not JSON: {error}")
    if not isinstance(document, dict) or document.get("schema_version") not in _VERSIONS:
        _refuse(manifest, f"schema_version is none of {', '.join(_VERSIONS)}")
    profiles = document.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(one, dict) for one in profiles.values()):
        _refuse(manifest, "profiles is not an object of objects")
    if not isinstance(document.get("dependencies", []), list):
        _refuse(manifest, "dependencies is not a list")
    return document


def _refuse(manifest: Path, what: str) -> NoReturn:
    raise UsageError("X07_INIT_FROM", what, where=str(manifest), hint="give the x07.json of an X07 project")


def _text(file: Path) -> str:
    try:
        return read_file(file, limit=MANIFEST_BYTES, root=file.parent).decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise cannot_read(file, error if isinstance(error, OSError) else OSError(0, "not UTF-8")) from None


def _whole(document: dict[str, Any]) -> Iterator[str]:
    """Yield what of the manifest itself has no counterpart."""
    yield f"entry {document.get('entry')}: it is no Python; name the program with entry"
    if document.get("default_profile"):
        yield f"default_profile {document['default_profile']}: pass --profile"
    for one in document.get("dependencies", []):
        if isinstance(one, dict):
            yield f"dependencies {one.get('name')}: `x07 pkg add NAME` adds the Python package that stands for it"


def _add_world(document: dict[str, Any], table: Any, migration: Migration) -> None:
    world = document.get("world")
    if world not in WORLDS or not WORLDS[str(world)].runnable:
        migration.left.append(f"world {world}: nothing runs in it here")
    elif "world" not in table:
        table["world"] = world
        migration.added.append(f"world = {world}")
    elif table["world"] != world:
        migration.left.append(f"world {world}: {table['world']} stands there already")


def _add_profiles(
    document: dict[str, Any], manifest: Path, root: Path, profiles: Any, migration: Migration
) -> Iterator[tuple[Path, bytes]]:
    """Put each profile into the table `profiles`, and yield the policies that they need."""
    for name, given in document.get("profiles", {}).items():
        try:
            if name in profiles:
                raise ValueError("a profile of that name is there already")
            world = str(given.get("world"))
            if world not in WORLDS or not WORLDS[world].runnable:
                raise ValueError(f"nothing runs in world {world} here")
            keep_the_name(name, world, str(manifest))
            wanted = given.get("policy")
            policy, data = _policy(str(wanted), manifest, root, migration) if wanted is not None else (None, None)
        except (ValueError, RunError) as error:
            migration.left.append(f"profile {name}: {getattr(error, 'message', error)}")
            continue
        if data is not None and policy is not None:
            yield root / policy, data
        made = tomlkit.table()
        made["world"] = world
        if policy is not None:
            made["policy"] = policy
        profiles[name] = made
        migration.added.append(f"profile {name}, world {world}" + (f", policy {policy}" if policy else ""))
        migration.left.extend(_fields(name, world, given))


def _fields(name: str, world: str, given: dict[str, Any]) -> Iterator[str]:
    for field in given.keys() & set(_OF_ITS_MACHINE):
        yield f"profile {name}: {field} says nothing of a Python program"
    if "input" in given:
        yield f"profile {name}: input {given['input']}: redirect the program's standard input from it"
    if "cpu_time_limit_seconds" in given and world != _SANDBOXED:
        yield f"profile {name}: cpu_time_limit_seconds: limits.cpu_ms of a policy bounds it, or timeout the time"


def _policy(path: str, manifest: Path, root: Path, migration: Migration) -> tuple[str, bytes | None]:
    """Return which policy stands for one of the toolchain, and its content if it is a new file.

    Raises:
        ValueError: it cannot be used.
    """
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"policy {path} leads out of the project")
    place = manifest.parent / parts
    try:
        document = parse_json(read_file(place, limit=CONTRACT_BYTES, root=manifest.parent))
    except OSError as error:
        raise ValueError(f"policy {path} cannot be read: {error.strerror}") from None
    if not isinstance(document, dict):
        raise ValueError(f"policy {path} is no object")
    made, left = migrated_policy(document)
    same = not left and made["net"]["allow_hosts"] == document["net"]["allow_hosts"]
    if same and place.resolve().is_relative_to(root.resolve()) and _holds(place):
        return str(place.resolve().relative_to(root.resolve())), None
    migration.left.extend(f"policy {path}: {line}" for line in left)
    own, data = f"policy/{made['policy_id']}.json", (json.dumps(made, indent=2) + "\n").encode()
    if (root / own).exists() and read_file(root / own, limit=CONTRACT_BYTES, root=root) != data:
        raise ValueError(f"{own} is there already, and says something else")
    return own, data


def _holds(place: Path) -> bool:
    try:
        read_policy(place)
    except RunError:
        return False
    return True
