"""The ``x07 pkg`` commands that change a project: add, remove, update, lock, sync."""

from __future__ import annotations

from typing import Annotated, Any

from x07py.cli.commands import argument, option
from x07py.cli.output import Format, console
from x07py.cli.pkg_common import (
    FormatOption,
    OfflineOption,
    ProjectOption,
    SyncOption,
    is_offline,
    print_report,
    print_warnings,
)
from x07py.contracts.installed import installed_here
from x07py.contracts.lockfile import LOCK_NAME
from x07py.contracts.project import Project, read_project
from x07py.errors import PackageError
from x07py.pkg import change
from x07py.pkg.query import changed_facts, needed_by, stale_lines


def add(
    spec: Annotated[str, argument(metavar="NAME[@VERSION|@RANGE]", help="A package, capability or distribution.")],
    sync: SyncOption = False,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Add a package. Without a version, the installed one is pinned.

    Example: x07 pkg add msg.kafka --sync
    """
    found = read_project(project)
    name, done = change.add(found, spec, sync=sync, offline=is_offline(offline))
    package = (done.after or {}).get(name)
    brought = [
        f"{row.name}@{row.version}" for row in (done.after or {}).values() if row.name not in {name, *done.before}
    ]
    facts = {"name": name, "version": package.version if package else None, "transitive_added": brought}
    _show("add", found, done, facts, format)


def remove(
    name: Annotated[str, argument(help="A package or a capability.")],
    sync: SyncOption = False,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Remove a package, and with --sync the clients that nothing else needs.

    Example: x07 pkg remove ext-msg-kafka-c --sync
    """
    found = read_project(project)
    plain, done = change.remove(found, name, sync=sync, offline=is_offline(offline))
    kept = (done.after or {}).get(plain)
    needs = needed_by(done.after or {}, plain) if kept else []
    _show("remove", found, done, {"name": plain, "removed": 1, "still_required_by": needs}, format)
    if kept is not None and format is Format.text:
        verb = "needs" if len(needs) == 1 else "need"
        console().print(f"{plain} {kept.version} stays as a transitive package: {', '.join(needs)} {verb} it")


def update(
    specs: Annotated[
        list[str] | None, argument(metavar="[NAME[@RANGE]]...", help="Packages; all if none is given.")
    ] = None,
    sync: SyncOption = False,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Move pins to what is installed; with --sync, let the manager take newer versions first.

    Example: x07 pkg update ext-msg-kafka-c --sync
    """
    found = read_project(project)
    done = change.update(found, specs or [], sync=sync, offline=is_offline(offline))
    _show("update", found, done, {}, format)


def lock(
    check: Annotated[
        bool,
        option("--check", "--locked", help="Change nothing; fail and say what differs if the lock is stale."),
    ] = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Bring x07.lock in line with the manifest and with what is installed.

    Example: x07 pkg lock --check
    """
    found = read_project(project)
    if not check:
        _show("lock", found, change.lock(found), {}, format)
        return
    if rows := stale_lines(found, installed_here()):
        raise _mismatch(found, rows)
    if format is Format.json:
        print_report("lock", {"project": str(found.file), "lockfile": str(found.root / LOCK_NAME), "check": True})
    else:
        console().print(f"{LOCK_NAME} is up to date")


def _mismatch(found: Project, rows: list[str]) -> PackageError:
    error = PackageError(
        "X07PKG_LOCK_MISMATCH",
        "the lock does not fit manifest and environment\n  " + "\n  ".join(rows[:20]),
        where=str(found.root / LOCK_NAME),
        hint="x07 pkg sync brings the environment in line, x07 pkg lock the lock",
    )
    error.details = {"differences": rows}
    return error


def sync(
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Install what the lock says, or finish a change that was interrupted.

    Example: x07 pkg sync
    """
    found = read_project(project)
    _show("sync", found, change.sync(found, offline=is_offline(offline)), {}, format)


def _show(
    command: str,
    found: Project,
    done: change.Outcome,
    facts: dict[str, Any],
    format: Format,  # noqa: A002
) -> None:
    rows = _changes(done)
    if format is Format.json:
        lock = str(found.root / LOCK_NAME)
        result = {"project": str(found.file), "lockfile": lock, "changes": rows, "warnings": done.warnings, **facts}
        print_report(command, {**result, "locked": done.after is not None})
        return
    out = console()
    for row in rows:
        versions = f"{row['was']} -> {row['now']}" if row["was"] and row["now"] else row["now"] or row["was"]
        sign = "+" if not row["was"] else "-" if not row["now"] else "~"
        if row["was"] == row["now"]:
            versions = f"{row['now']}: {'; '.join(_facts(done, str(row['name'])))}"
        out.print(f"{sign} {row['name']} {versions}{'' if row['direct'] else ' (transitive)'}")
    for name in [] if rows else done.edited:
        out.print(f"~ {name}")
    if not rows and not done.edited and not done.warnings:
        out.print("nothing to change")
    print_warnings(done.warnings)


def _facts(done: change.Outcome, name: str) -> list[str]:
    """Return what changed in a package of the same version: the lock's facts, and files by name."""
    return changed_facts(done.before[name], (done.after or done.before)[name], installed_here())


def _changes(done: change.Outcome) -> list[dict[str, Any]]:
    before, after = done.before, done.before if done.after is None else done.after
    rows = []
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if was != now:
            direct = bool(now.direct if now else was and was.direct)
            versions = {"was": was.version if was else None, "now": now.version if now else None}
            rows.append({"name": name, "direct": direct, **versions})
    return rows
