"""Which files a program may read, change and execute, besides what it was granted: by world."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.lockfile import DEPS_FOLDER, LOCK_NAME
from x07py.contracts.project import PYPROJECT, STANDALONE
from x07py.contracts.schemas import SHIPPED
from x07py.sandbox import landlock
from x07py.worlds import CASSETTES, WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.run.program import Plan

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
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")
_ENTROPY = ("/dev/urandom", "/dev/random")
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-x86_64.so.1")
_PROJECT = ("arch", PYPROJECT, STANDALONE, LOCK_NAME, DEPS_FOLDER)
_IMPORTABLE = (".py", ".pyc", ".so")
FIXTURES = (".x07/fixtures/fs", "fixtures/fs")
"""Where a project keeps the files that solve-fs and solve-full may read; the first that exists."""


def readable_without_grant() -> list[str]:
    """Return what every program of the sandboxed world may read, besides its project."""
    python = {sys.prefix, sys.base_prefix, *(folder for folder in sys.path if folder)}
    return sorted({*_SYSTEM, *_SETTINGS, *_KERNEL, *_ENTROPY, *_DEVICES, *python})


def executable_without_grant() -> list[str]:
    """Return what every program may execute: its interpreter, and what loads it."""
    python = Path(sys.executable)
    return sorted({str(python), str(python.resolve()), *_LOADERS})


def landlock_rules(plan: Plan) -> tuple[tuple[str, int], ...]:
    """Return paths with the rights below them, for a plan."""
    if plan.observe:
        return (("/", landlock.WRITE | landlock.EXECUTE | landlock.DEVICE),)
    if WORLDS[plan.world].solve:
        return _solve_rules(plan)
    readable = {*readable_without_grant(), *(str(one.path) for one in plan.read)}
    paths = [(path, landlock.READ) for path in sorted(readable)]
    executable = {*executable_without_grant(), *(str(one.path) for one in plan.run)}
    paths += [(path, landlock.EXECUTE) for path in sorted(executable)]
    paths += [(path, landlock.DEVICE) for path in _DEVICES]
    paths += [(str(one.path), landlock.WRITE) for one in plan.write]
    return tuple(paths)


def fixture_folder(root: Path) -> Path | None:
    """Return the folder of files that solve worlds with fixtures may read, or None if the project has none."""
    return next((root / place for place in FIXTURES if (root / place).is_dir()), None)


def _solve_rules(plan: Plan) -> tuple[tuple[str, int], ...]:
    """Reading alone: code, contracts, packages (they were verified), and what the world promises, no other data."""
    root, files = plan.root, WORLDS[plan.world].files
    fixtures = fixture_folder(root) if "fixtures" in files else None
    whole = {*_SYSTEM, *_SETTINGS, sys.prefix, sys.base_prefix, *map(str, SHIPPED)}
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
        (_DEVICES[0], landlock.DEVICE),
    )


def _is_below(path: str, folders: set[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _modules(folder: Path) -> Iterator[Path]:
    """Yield what Python can import below a folder; linear in the files there are, other environments left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".") and one != "node_modules"]
        if "pyvenv.cfg" in names:
            folders.clear()
        yield from (Path(place, name) for name in names if name.endswith(_IMPORTABLE))
