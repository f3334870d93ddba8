"""Which files a program may read, change and execute, besides what it was granted: by world."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.sandbox import landlock
from x07py.worlds import WORLDS

if TYPE_CHECKING:
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
    solve = WORLDS[plan.world].solve
    readable = {*readable_without_grant(), *map(str, plan.read)}
    if solve:
        readable -= {*_KERNEL, *_ENTROPY, *_DEVICES}
    paths = [(path, landlock.READ) for path in sorted(readable)]
    paths += [(path, landlock.EXECUTE) for path in sorted({*executable_without_grant(), *map(str, plan.run)})]
    paths += [(path, landlock.DEVICE) for path in (_DEVICES[:1] if solve else _DEVICES)]
    paths += [] if solve else [(str(path), landlock.WRITE) for path in plan.write]
    return tuple(paths)
