"""What a user asks for in words (`add NAME@RANGE`, `remove NAME`, `update`), as a plan that can be shown or made."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.project import NAME, Dependency, parse_project
from x07py.contracts.semver import parse_range, parse_version
from x07py.errors import PackageError
from x07py.pkg.change import Plan, plan, read_lock_or_none
from x07py.pkg.edit import remove_dependency, set_dependency, set_index
from x07py.pkg.local import capabilities, toolchain_packages
from x07py.pkg.resolve import resolve

if TYPE_CHECKING:
    from x07py.contracts.project import Project
    from x07py.pkg.sources import Index


def parse_spec(text: str) -> tuple[str, str | None]:
    """Return the package name and the range of ``NAME`` or ``NAME@RANGE``; a capability stands for its package.

    Raises:
        PackageError: ``X07PKG_SPEC_INVALID``.
    """
    name, at, wanted = text.strip().partition("@")
    capability = capabilities().get(name)
    if capability is not None:
        name = capability["canonical"]["name"]
    if not NAME.fullmatch(name) or (at and not wanted.strip()):
        raise PackageError(
            "X07PKG_SPEC_INVALID",
            f"{text!r} names no package",
            hint="write NAME, NAME@0.2.0 or 'NAME@>=0.2,<0.3'; names have small letters, digits, - and _",
        )
    return name, parse_range(wanted).text if at else None


def plan_add(project: Project, index: Index | None, spec: str, path: Path | None) -> Plan:
    """Plan to add a package: pinned to the version given or the newest that fits, or to a range, or to a folder.

    Args:
        project: the project as it is.
        index: where other packages come from.
        spec: ``NAME`` or ``NAME@RANGE``.
        path: the folder of the package, relative to the working directory.

    Raises:
        PackageError: ``X07PKG_DEP_EXISTS`` if the manifest asks for the name in another way; what `plan` raises.
    """
    name, wanted = parse_spec(spec)
    folder = None if path is None else Path(os.path.relpath(path.absolute(), project.root)).as_posix()
    present = next((row for row in project.dependencies if row.name == name), None)
    if present is not None:
        if wanted in {None, present.requirement} and folder in {None, present.path}:
            return plan(project, index)
        again = shlex.quote(f"{name}@{wanted}" if wanted else name)
        asked = f"{name}@{wanted}" if folder is None else f"{name} from {folder}"
        raise PackageError(
            "X07PKG_DEP_EXISTS",
            f"requested {asked}, and the project has {name}@{present.requirement}",
            where=str(project.file),
            hint=f"x07 pkg update {again} --sync"
            if path is None
            else f"x07 pkg remove {name} && x07 pkg add {again} --path {shlex.quote(str(path))} --sync",
        )
    if folder is not None:
        value = {"path": folder} | ({"version": wanted} if wanted else {})
        return plan(project, index, manifest=set_dependency(project, _bytes(project), name, value), pending=name)
    if wanted is None:
        wanted = _newest(project, index, name, frozenset({name}))[name]
    return plan(project, index, manifest=set_dependency(project, _bytes(project), name, wanted), pending=name)


def name_index(done: Plan, url: str | None) -> Plan:
    """Return the plan with the index `url` of the command line in the manifest, if the lock needs one and it has none.

    Raises:
        PackageError: ``X07PKG_EDIT``.
    """
    project, needed = done.project, any(row.source == f"index+{url}" for row in done.packages.values())
    data = done.manifest if done.manifest is not None else _bytes(project)
    if url is None or not needed or parse_project(project.file, data).index_url is not None:
        return done
    manifest = set_index(project, data, url)
    return replace(done, project=parse_project(project.file, manifest), manifest=manifest, named_index=url)


def _bytes(project: Project) -> bytes:
    return project.file.read_bytes()


def _newest(project: Project, index: Index | None, name: str | None, names: frozenset[str]) -> dict[str, str]:
    """Return the newest version that fits the rest of the project, of each name."""
    rows = {row.name: row for row in project.dependencies}
    listed = names - toolchain_packages().keys()
    if index is not None:
        index.prefetch(listed)
    free = {
        each: Dependency(each, _freed(rows[each], index if each in listed else None) if each in rows else "*", None)
        for each in names
    }
    asking = replace(project, dependencies=tuple((rows | free).values()))
    chosen = resolve(asking, read_lock_or_none(project), index, upgrade=names, pending=name)
    return {each: chosen[each].version for each in names}


def _freed(row: Dependency, index: Index | None) -> str:
    """Return what a pin becomes where it may move: upwards, down if all above was yanked, nowhere if all was."""
    pin = row.requirement.lstrip("= ")
    entries = index.entries(row.name) if index is not None else ()
    usable = [entry.version for entry in entries if not entry.yanked]
    if entries and not usable:
        return row.requirement
    return "*" if usable and max(usable) < parse_version(pin) else f">={pin}"


def plan_remove(project: Project, index: Index | None, spec: str) -> Plan:
    """Plan to remove a package that the manifest names, and with it what nothing needs any more.

    Raises:
        PackageError: ``X07PKG_DEP_NOT_FOUND`` if the manifest does not name it; what `plan` raises.
    """
    name, _ = parse_spec(spec)
    if all(row.name != name for row in project.dependencies):
        lock = read_lock_or_none(project)
        package = lock.packages.get(name) if lock is not None else None
        raise PackageError(
            "X07PKG_DEP_NOT_FOUND",
            f"the project does not ask for {name}",
            where=str(project.file),
            hint=f"it is there because of {', '.join(package.required_by)}; what brings it in can be removed"
            if package is not None
            else "`x07 pkg tree` shows what the project has",
        )
    return plan(project, index, manifest=remove_dependency(project, _bytes(project), name))


def plan_update(project: Project, index: Index | None, specs: list[str]) -> Plan:
    """Plan to take newer versions: pins move to the newest version that fits, ranges stay and are resolved anew.

    Args:
        project: the project as it is.
        index: where other packages come from.
        specs: ``NAME`` or ``NAME@RANGE``; none means every package.

    Raises:
        PackageError: ``X07PKG_DEP_NOT_FOUND`` for a name that the project does not have; what `plan` raises.
    """
    rows = {row.name: row for row in project.dependencies}
    lock = read_lock_or_none(project)
    known = rows.keys() | (lock.packages.keys() if lock is not None else set())
    asked = dict(parse_spec(spec) for spec in specs)
    for name, wanted in asked.items():
        if name not in known or (wanted is not None and name not in rows):
            raise PackageError(
                "X07PKG_DEP_NOT_FOUND",
                f"the project does not {'ask for' if name in known else 'have'} {name}",
                where=str(project.file),
                hint="`x07 pkg tree` shows what the project has",
            )
    chosen = asked or dict.fromkeys(rows)
    pins = [name for name, wanted in chosen.items() if wanted is None and name in rows and _is_pin(rows[name])]
    moved = _newest(project, index, None, frozenset(pins)) if pins else {}
    manifest = before = _bytes(project)
    for name, wanted in {**{name: text for name, text in chosen.items() if text is not None}, **moved}.items():
        if wanted != rows[name].requirement:
            path = rows[name].path
            value = wanted if path is None else {"path": path, "version": wanted}
            manifest = set_dependency(project, manifest, name, value)
    upgrade = frozenset(asked) if asked else True
    return plan(project, index, manifest=manifest if manifest != before else None, upgrade=upgrade)


def _is_pin(row: Dependency) -> bool:
    return row.path is None and parse_range(row.requirement).exact
