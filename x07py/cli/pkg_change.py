"""The ``x07 pkg`` commands that change a project: add, remove, update, lock, sync."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from x07py.cli.output import Format, console
from x07py.cli.pkg_common import (
    DryRunOption,
    FormatOption,
    IndexOption,
    OfflineOption,
    ProjectOption,
    SyncOption,
    app,
    open_index,
    open_project,
    print_report,
    print_warnings,
)
from x07py.contracts.journal import project_lock
from x07py.contracts.lockfile import LOCK_NAME, Lock, read_lock
from x07py.contracts.project import read_project
from x07py.errors import PackageError, UsageError
from x07py.pkg.change import Change, Plan, carry_out, plan
from x07py.pkg.current import is_satisfied
from x07py.pkg.install import install, missing, prune
from x07py.pkg.intent import name_index, parse_spec, plan_add, plan_remove, plan_update
from x07py.pkg.lockfile import differences
from x07py.pkg.query import require_lock
from x07py.pkg.stamp import remember_that_it_fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.contracts.lockfile import LockedPackage
    from x07py.contracts.project import Project
    from x07py.pkg.index import SparseIndex

_SIGNS = {"added": "+", "removed": "-", "upgraded": "^", "downgraded": "v", "changed": "~"}


@app.command()
def add(
    spec: Annotated[str, typer.Argument(metavar="NAME[@VERSION|@RANGE]", help="A package or a capability.")],
    sync: SyncOption = False,
    path: Annotated[Path | None, typer.Option("--path", help="Take the package from this folder.")] = None,
    index: IndexOption = None,
    offline: OfflineOption = False,
    dry_run: DryRunOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Add a package: manifest and lock change together. Without a version, the newest that fits is pinned.

    Example: x07 pkg add msg.kafka --sync
    """
    name, _ = parse_spec(spec)
    done, result = _run(
        project,
        index,
        offline,
        dry_run,
        sync,
        lambda found, source: plan_add(found, source, spec, path),
    )
    brought = [f"{row.name}@{row.now}" for row in done.changes if row.kind == "added" and row.name != name]
    facts = {"name": name, "version": done.packages[name].version, "path": _folder(done.packages[name])}
    _show("add", done, {**result, **facts, "transitive_added": brought}, format, dry_run)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A package or a capability.")],
    sync: SyncOption = False,
    index: IndexOption = None,
    offline: OfflineOption = False,
    dry_run: DryRunOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Remove a package, and with it whatever nothing needs any more.

    Example: x07 pkg remove ext-msg-core --sync
    """
    done, result = _run(project, index, offline, dry_run, sync, lambda found, source: plan_remove(found, source, name))
    plain, _ = parse_spec(name)
    kept = done.packages.get(plain)
    facts = {"name": plain, "removed": 1, "still_required_by": list(kept.required_by) if kept is not None else []}
    _show("remove", done, {**result, **facts}, format, dry_run)
    if kept is not None and format is Format.text:
        needs = f"{', '.join(kept.required_by)} {'needs' if len(kept.required_by) == 1 else 'need'} it"
        console().print(f"{plain} {kept.version} stays as a transitive package: {needs}")


@app.command()
def update(
    specs: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME[@RANGE]]...", help="Packages; all if none is given.")
    ] = None,
    sync: SyncOption = False,
    index: IndexOption = None,
    offline: OfflineOption = False,
    dry_run: DryRunOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Take newer versions: pins move to the newest that fits, ranges are resolved anew.

    Example: x07 pkg update ext-msg-kafka-c --sync
    """
    done, result = _run(
        project, index, offline, dry_run, sync, lambda found, source: plan_update(found, source, specs or [])
    )
    _show("update", done, result, format, dry_run)


@app.command()
def lock(
    check: Annotated[
        bool,
        typer.Option("--check", "--locked", help="Change nothing; fail and say what differs if the lock is stale."),
    ] = False,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Take the newest versions that the ranges allow.")] = False,
    upgrade_package: Annotated[
        list[str] | None,
        typer.Option("--upgrade-package", metavar="NAME", help="The same for one package; repeatable."),
    ] = None,
    index: IndexOption = None,
    offline: OfflineOption = False,
    dry_run: DryRunOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Bring x07.lock in line with the manifest; versions that still fit stay.

    Example: x07 pkg lock --check
    """
    names = frozenset(parse_spec(name)[0] for name in upgrade_package or [])
    if check and (upgrade or names):
        raise UsageError("X07_USAGE", "--check and --upgrade contradict each other", hint="give one of them")
    if check:
        _check(open_project(project, index), offline, format)
        return
    choice: frozenset[str] | bool = upgrade or names
    done, result = _run(
        project, index, offline, dry_run, False, lambda found, source: plan(found, source, upgrade=choice)
    )
    _show("lock", done, result, format, dry_run)


def _check(found: Project, offline: bool, format: Format) -> None:  # noqa: A002
    before = read_lock(found.root)
    if before is None and found.dependencies:
        require_lock(found)
    if before is None or not is_satisfied(found, before):
        with open_index(found, offline=offline) as source:
            now = plan(found, source).packages
        if rows := differences(before or Lock("", {}), now):
            raise _mismatch(found, rows)
    if format is Format.json:
        print_report("lock", {"project": str(found.file), "lockfile": str(found.root / LOCK_NAME), "check": True})
    else:
        console().print(f"{LOCK_NAME} is up to date")


def _mismatch(found: Project, rows: list[str]) -> PackageError:
    error = PackageError(
        "X07PKG_LOCK_MISMATCH",
        "the lock does not fit the manifest\n  " + "\n  ".join(rows),
        where=str(found.root / LOCK_NAME),
        hint="x07 pkg lock",
    )
    error.details = {"differences": rows}
    return error


@app.command()
def sync(
    index: IndexOption = None,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Install what the lock says, put back what was changed, and remove what it does not hold.

    Example: x07 pkg sync
    """
    found = open_project(project, index)
    with project_lock(found.root):
        found = open_project(project, index)
        before = require_lock(found)
        if not is_satisfied(found, before):
            raise PackageError(
                "X07PKG_LOCK_MISMATCH",
                "the lock does not fit the manifest",
                where=str(found.root / LOCK_NAME),
                hint="`x07 pkg lock --check` says what differs, `x07 pkg lock` mends it",
            )
        todo = missing(found.root, before.packages.values())
        with open_index(found, offline=offline) as source:
            install(found.root, todo, source)
        removed = prune(found.root, before.packages)
    done = Plan(project=found, manifest=None, before=before, packages=before.packages)
    result = _result(done, [f"{package.name}@{package.version}" for package in todo], removed)
    _show("sync", done, result, format, False)


def _run(
    start: Path | None,
    index_url: str | None,
    offline: bool,
    dry_run: bool,
    sync: bool,
    make: Callable[[Project, SparseIndex | None], Plan],
) -> tuple[Plan, dict[str, Any]]:
    """Plan, and carry out unless it is a dry run; the project is held from its reading to its writing."""
    root = open_project(start, index_url).root
    with nullcontext() if dry_run else project_lock(root):
        found = open_project(start, index_url)
        with open_index(found, offline=offline) as source:
            done = name_index(make(found, source), index_url)
            installed, removed = ([], []) if dry_run else carry_out(done, source, sync=sync)
        now = read_project(found.file)
        if not dry_run and now.index_url == found.index_url:
            remember_that_it_fits(now)
    return done, _result(done, installed, removed)


def _result(done: Plan, installed: list[str], removed: list[str]) -> dict[str, Any]:
    fetched = [
        {"name": row.name, "version": row.version, "path": _folder(row), "sha256": row.archive_sha256}
        for row in done.packages.values()
        if f"{row.name}@{row.version}" in installed and row.archive_sha256 is not None
    ]
    return {
        "project": str(done.project.file),
        "lock": {
            "project": str(done.project.file),
            "index": done.project.index_url,
            "lockfile": str(done.project.root / LOCK_NAME),
            "fetched": fetched,
        },
        "changes": [asdict(row) for row in done.changes],
        "installed": installed,
        "uninstalled": removed,
        "warnings": done.warnings,
    }


def _folder(package: LockedPackage) -> str | None:
    return None if package.source == "toolchain" else package.folder(Path()).as_posix()


def _show(command: str, done: Plan, result: dict[str, Any], format: Format, dry_run: bool) -> None:  # noqa: A002
    if format is Format.json:
        print_report(command, {**result, "dry_run": dry_run})
        return
    out = console()
    sys.stdout.write("".join(f"{_line(row)}\n" for row in done.changes))
    sys.stdout.flush()
    if not done.changes:
        out.print("nothing changes" if dry_run else "nothing to change")
    for name in result["installed"]:
        out.print(f"installed {name}")
    for name in result["uninstalled"]:
        out.print(f"uninstalled {name}")
    print_warnings(result["warnings"])
    if dry_run:
        out.print("dry run: nothing was written")


def _line(row: Change) -> str:
    versions = f"{row.was} -> {row.now}" if row.was and row.now and row.was != row.now else row.now or row.was
    return f"{_SIGNS[row.kind]} {row.name} {versions}{'' if row.direct else ' (transitive)'}"
