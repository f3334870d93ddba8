"""Questions about a project's packages that change nothing."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from x07py._version import __version__
from x07py.catalog import capabilities
from x07py.contracts.distributions import normalized
from x07py.contracts.installed import TOOLCHAIN
from x07py.contracts.lockfile import LOCK_NAME, Lock, LockedPackage, read_lock
from x07py.contracts.packages import verify_package
from x07py.errors import PackageError
from x07py.files import load_json
from x07py.pkg.closure import close_over
from x07py.pkg.module_rules import check_modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from x07py.contracts.installed import InstalledPackage
    from x07py.contracts.project import Project
    from x07py.pkg.closure import Here


def require_lock(root: Path) -> Lock:
    """Return the project's lock.

    Raises:
        PackageError: ``X07PKG_LOCK_MISSING``; as `read_lock`.
    """
    lock = read_lock(root)
    if lock is None:
        raise PackageError(
            "X07PKG_LOCK_MISSING", f"the project has no {LOCK_NAME}", where=str(root), hint="make it with x07 pkg lock"
        )
    return lock


def differences(before: Lock, now: Lock, here: Here) -> list[str]:
    """Return what differs between two locks, a line each; `here` are the packages that are installed."""
    rows = []
    for name in sorted({*before, *now}):
        if name not in now:
            rows.append(f"{name} {before[name].version}: the lock holds it, and nothing asks for it")
        elif name not in before:
            rows.append(f"{name} {now[name].version}: the lock lacks it")
        else:
            rows += [f"{name}: {row}" for row in changed_facts(before[name], now[name], here)]
    return rows


def changed_facts(was: LockedPackage, now: LockedPackage, here: Here) -> list[str]:
    """Return what differs between two entries for one package, a line each."""
    rows = []
    for name in LockedPackage._fields:
        old, new = getattr(was, name), getattr(now, name)
        if isinstance(old, dict):
            keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            for key in keys:
                names = [key] if was.name not in here else _named(here[was.name], name, key)
                rows += [f"{name}: {_turn(old.get(key), new.get(key), one)}" for one in names]
        elif old != new:
            rows.append(f"{name}: {old or 'none'} -> {new or 'none'}")
    return rows


def _named(package: InstalledPackage, field: str, key: str) -> list[str]:
    """Return a key of a table of the lock with the files that say what changed in it."""
    return [f"{key} ({package.place_of_driver(key)})"] if field == "drivers" else package.named([key])


def _turn(old: str | None, new: str | None, key: str) -> str:
    if old is None or new is None:
        return f"{key} is {'new' if old is None else 'gone'}"
    return f"{key} changed" if len(old) == len(new) == 64 else f"{key} {old} -> {new}"


def stale_lines(found: Project, here: Here) -> list[str]:
    """Return how the lock differs from manifest and environment, nothing if it fits; no lock fits no dependencies.

    Raises:
        PackageError: ``X07PKG_LOCK_MISSING``, ``X07PKG_LOCK_PARSE``; as `close_over`.
    """
    before = read_lock(found.root)
    if before is None and found.dependencies:
        require_lock(found.root)
    return differences(before or {}, close_over(found.dependencies, here), here)


def ways_to(lock: Lock, name: str) -> list[list[str]]:
    """Return each way from the project to a package, through what needs it.

    Raises:
        PackageError: ``X07PKG_DEP_NOT_FOUND``.
    """
    if name not in lock:
        hint = "x07 pkg tree shows what the lock holds"
        raise PackageError("X07PKG_DEP_NOT_FOUND", f"the lock does not hold {name}", where=LOCK_NAME, hint=hint)
    ways, waiting = [], [[name]]
    while waiting:
        way = waiting.pop(0)
        if lock[way[0]].direct:
            ways.append(way)
        needing = [one.name for one in lock.values() if way[0] in {need.name for need in one.needs}]
        waiting += [[one, *way] for one in needing if one not in way]
    return ways


def needed_by(lock: Lock, name: str) -> list[str]:
    """Return the packages of a lock that need another one."""
    return [one.name for one in lock.values() if name in {need.name for need in one.needs}]


def verdicts(root: Path, lock: Lock, here: Here) -> list[dict[str, Any]]:
    """Compare each package with what is installed; return a row each, with what is wrong or an empty text."""
    from x07py.contracts.bytecode import UnlockedFiles

    rows, compiled = [], UnlockedFiles(root)
    for package in lock.values():
        wrong, hint = "", ""
        try:
            verify_package(package, here, compiled)
            check_modules(here[package.name], here)
        except PackageError as error:
            wrong, hint = f"{error.message} ({error.code})", error.hint or ""
        source = here[package.name].source if package.name in here else ""
        facts = {"name": package.name, "version": package.version, "files": len(package.files)}
        rows.append({**facts, "live": source, "wrong": wrong, "hint": hint})
    return [*rows, *_own_verdict()]


def _own_verdict() -> Iterator[dict[str, Any]]:
    """Yield the row of x07py itself, with all of its files, where an installer recorded them."""
    from x07py import damage

    files = damage.recorded_files()
    if files:
        changed = damage.changed_files()
        what = f"{damage.described(changed)} ({damage.TAMPERED})" if changed else ""
        facts = {"name": "x07py", "version": __version__, "files": len(files)}
        yield {**facts, "live": "", "wrong": what, "hint": damage.HINT if changed else ""}


def listed(here: Here, lock: Lock | None) -> list[dict[str, Any]]:
    """Return a row for each package of this environment and of the lock, by name."""
    pins = {row["canonical"]["name"]: row["canonical"]["version"] for row in capabilities()}
    rows = []
    for name in sorted({*here, *(lock or {})}):
        found, locked = here.get(name), (lock or {}).get(name)
        document = found.document if found else None
        rows.append(
            {
                "name": name,
                "version": document.version if document else None,
                "locked": locked.version if locked else None,
                "direct": bool(locked and locked.direct),
                "spec": f"{name}@{pins.get(name) or (document.version if document else '')}",
                "capabilities": list(document.capabilities if document else locked.capabilities if locked else ()),
                "driver_kinds": list(document.driver_kinds if document else locked.drivers if locked else ()),
                "worlds": list(document.worlds if document else locked.worlds if locked else ()),
                "source": (found.source or f"{found.distribution.name} {found.distribution.version}") if found else "",
                "description": document.description if document else "",
            }
        )
    return rows


def providers(text: str, here: Here) -> list[str]:
    """Return the packages that hold a module, register a driver kind, or are for a capability."""
    return sorted(
        one.name
        for one in here.values()
        if text in (*one.document.driver_kinds, *one.document.capabilities)
        or any(f"{text}.".startswith(f"{own}.") for own in one.document.modules)
    )


def newer_distributions(lock: Lock) -> list[dict[str, str]]:
    """Ask pip or uv which distributions of the lock, clients included, have newer versions.

    Raises:
        PackageError: ``X07PKG_INSTALL_FAILED`` if it cannot say.
    """
    import shutil
    import subprocess

    names = {normalized(name) for row in lock.values() for name in (row.distribution, *row.clients)} - {TOOLCHAIN}
    pip = (sys.executable, "-P", "-m", "pip") if find_spec("pip") else ("uv", "pip")
    if pip[0] == "uv" and not shutil.which("uv"):
        raise PackageError("X07PKG_INSTALL_FAILED", "this environment has neither pip nor uv", hint="install one")
    python = ("--python", sys.executable) if pip[0] == "uv" else ()
    command = [*pip, "list", "--outdated", "--format", "json", *python]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        rows = load_json(done.stdout)
    except ValueError:
        message = f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip()[-500:]}"
        raise PackageError("X07PKG_INSTALL_FAILED", message, hint="check the network and the index") from None
    return [
        {"name": row["name"], "version": row["version"], "latest": row["latest_version"]}
        for row in rows
        if normalized(row["name"]) in names
    ]
