"""Which files a program may read, change and execute, besides what it was granted: by world."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.lockfile import LOCK_NAME
from x07py.contracts.project import PYPROJECT, STANDALONE
from x07py.contracts.schemas import SHIPPED
from x07py.sandbox import landlock
from x07py.worlds import CASSETTES, WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from x07py.run.plan import RunPlan

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt")
_SETTINGS = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/etc/locale.alias",
    "/etc/timezone",
    "/etc/passwd",
    "/etc/group",
    "/etc/protocols",
    "/etc/services",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/alternatives",
)
_KERNEL = ("/proc", "/sys/devices/system/cpu", "/sys/kernel/mm/transparent_hugepage", "/sys/fs/cgroup")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")
"""What every program may write to, and control."""
_ENTROPY = ("/dev/urandom", "/dev/random")
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-x86_64.so.1")
_PROJECT = ("arch", PYPROJECT, STANDALONE, LOCK_NAME)
_IMPORTABLE = (".py", ".pyc", ".so")
_LIBRARIES = ("/etc/ld.so.cache", "/lib32", "/lib64", "/usr/lib32", "/usr/lib64", "/usr/lib/locale")
_SHARED = {"/", "/usr", "/usr/local"}
"""Prefixes of a Python that shares them with the rest of the machine."""
FIXTURES = (".x07/fixtures/fs", "fixtures/fs")
"""Where a project keeps the files that solve-fs and solve-full may read; the first that exists."""


def readable_without_grant() -> list[str]:
    """Return what every program of the sandboxed world may read, besides its project."""
    python = {sys.prefix, sys.base_prefix, *(folder for folder in sys.path if folder)}
    return sorted({*_SYSTEM, *_SETTINGS, *_KERNEL, *_ENTROPY, *DEVICES, *python})


def executable_without_grant() -> list[str]:
    """Return what every program may execute: its interpreter, and what loads it."""
    python = Path(sys.executable)
    return sorted({str(python), str(python.resolve()), *_LOADERS})


def landlock_rules(plan: RunPlan) -> tuple[tuple[str, int], ...]:
    """Return paths with the rights below them, for a plan."""
    if plan.observe:
        return (("/", landlock.WRITE | landlock.EXECUTE | landlock.DEVICE),)
    if WORLDS[plan.world].solve:
        return _solve_rules(plan)
    readable = {*readable_without_grant(), *(str(one.path) for one in plan.read)}
    closed = [one.path.resolve() for one in plan.unread]
    paths = [rule for path in sorted(readable) for rule in _without(path, landlock.READ, closed)]
    executable = {*executable_without_grant(), *(str(one.path) for one in plan.run)}
    paths += [rule for path in sorted(executable) for rule in _without(path, landlock.EXECUTE, closed)]
    paths += [(path, landlock.DEVICE) for path in DEVICES]
    paths += [(str(one.path), landlock.WRITE | _control(one.path)) for one in plan.write]
    return tuple(paths)


def _control(path: Path) -> int:
    """Return the right to control devices, where a path that may be changed is one or has some: terminals need it."""
    return landlock.DEVICE if path.resolve().is_relative_to("/dev") else 0


def _without(path: str, rights: int, closed: Sequence[Path]) -> Iterator[tuple[str, int]]:
    """Yield rules for all below `path` but what is closed; Landlock only grants, so its neighbours are granted instead.

    Names are another matter: a folder above what is closed can still be listed, and so can what is closed.
    """
    place = Path(path).resolve()
    if any(place.is_relative_to(one) for one in closed):
        return
    if not any(one.is_relative_to(place) for one in closed):
        yield path, rights
        return
    yield path, landlock.LIST
    for below in sorted(place.iterdir()):
        yield from _without(str(below), rights, closed)


def fixture_folder(root: Path) -> Path | None:
    """Return the folder of files that solve worlds with fixtures may read, or None if the project has none."""
    return next((root / place for place in FIXTURES if (root / place).is_dir()), None)


def _solve_rules(plan: RunPlan) -> tuple[tuple[str, int], ...]:
    """Reading: code, contracts, packages (they were verified), and what the world promises, no other data."""
    root, files = plan.root, WORLDS[plan.world].files
    fixtures = fixture_folder(root) if "fixtures" in files else None
    whole = {*_libraries(), *map(str, SHIPPED)}
    whole |= {str(root / name) for name in _PROJECT}
    whole |= {str(fixtures)} if fixtures else set()
    whole |= {str(root / CASSETTES)} if "cassettes" in files else set()
    others = {Path(folder) for folder in sys.path if folder and not _is_below(folder, whole)}
    listed = sorted({root, *others})
    modules = sorted({str(file) for folder in listed for file in _modules(folder)})
    return (
        *((path, landlock.READ) for path in sorted(whole)),
        *((str(folder), landlock.LIST) for folder in listed),
        *((path, landlock.READ) for path in modules),
        *((path, landlock.EXECUTE) for path in executable_without_grant()),
        (DEVICES[0], landlock.DEVICE),
        (str(plan.write[0].path), landlock.WRITE),
    )


def _libraries() -> set[str]:
    """Return what Python needs to start and to import: its own folders, shared libraries, and how they are found.

    Where a distribution keeps libraries in folders named after the machine's type, other files lie beside those.
    """
    prefixes = {sys.prefix, sys.base_prefix}
    python = {path for prefix in prefixes for path in ([prefix] if prefix not in _SHARED else _of_python(prefix))}
    named = {str(path) for folder in ("/usr/lib", "/lib") for path in Path(folder).glob("*-linux-*")}
    return python | named | {*_LIBRARIES, "/usr/local/lib"} | (set() if named else {"/usr/lib", "/lib"})


def _of_python(prefix: str) -> set[str]:
    lib = Path(prefix, "lib")
    return {*map(str, lib.glob("python3*")), *(str(Path(sys.executable).resolve()),)}


def _is_below(path: str, folders: set[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _modules(folder: Path) -> Iterator[Path]:
    """Yield what Python can import below a folder; linear in the files there are, other environments left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".") and one != "node_modules"]
        if "pyvenv.cfg" in names:
            folders.clear()
        yield from (Path(place, name) for name in names if name.endswith(_IMPORTABLE))
