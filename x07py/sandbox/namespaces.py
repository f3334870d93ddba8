"""Network, process, mount and IPC namespaces: a second wall where the machine allows them."""

from __future__ import annotations

import os
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from x07py.sandbox import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS = kernel.CLONE_NEWNET | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC

_OF_THE_MACHINE = """allocinfo kallsyms kcore key-users keys kpagecgroup kpagecount kpageflags latency_stats sched_debug
 slabinfo timer_list vmallocinfo"""


class Step(NamedTuple):
    """One thing that a child does on its way into the sandbox, and how it is called where it fails."""

    name: str
    make: Callable[[], object]


class Way(Enum):
    """How a first process comes to namespaces of its own, the strongest first."""

    PRIVILEGED = "as root"
    USER = "by a user namespace"
    NONE = "not at all"


def first_way() -> Way:
    """Return what to try first: a user namespace is not needed by who may make the others without."""
    return Way.PRIVILEGED if os.geteuid() == 0 else Way.USER


def next_way(way: Way) -> Way:
    """Return what to try where `way` failed: root of a container may have no right but in a user namespace."""
    return Way.USER if way is Way.PRIVILEGED else Way.NONE


def fork(way: Way) -> int:
    """Fork the first process of a sandbox; what its namespaces shall show is for the child to mount.

    Returns:
        The child's process id, or 0 in the child.

    Raises:
        OSError: the kernel refused.
    """
    kinds = {Way.PRIVILEGED: _KINDS, Way.USER: _KINDS | kernel.CLONE_NEWUSER, Way.NONE: 0}
    return kernel.fork(kinds[way])


def mapping_user() -> tuple[Step, ...]:
    """Return what makes the child of a new user namespace the user that this process is."""
    uid, gid = os.geteuid(), os.getegid()
    rows = (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"))
    return (
        Step("dumpable", kernel.prepared("prctl", kernel.PR_SET_DUMPABLE, 1, 0, 0, 0)),  # else the maps belong to root
        *(Step(name, partial(_write, f"/proc/self/{name}", text)) for name, text in rows),
        Step("not dumpable", kernel.prepared("prctl", kernel.PR_SET_DUMPABLE, 0, 0, 0, 0)),
    )


def keeping_mounts() -> Callable[[], int]:
    """Return what keeps mounts of the first process to itself."""
    return _mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)


def mounting_proc() -> Callable[[], int]:
    """Return what makes ``/proc`` show the processes of the namespace only."""
    return _mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)


def masking_proc() -> tuple[Step, ...]:
    """Return what empties the files of a ``/proc`` that tell root or a user what the whole machine alone knows."""
    there = (f"/proc/{name}" for name in _OF_THE_MACHINE.split())
    masks = ((path, _mount("/dev/null", path, None, kernel.MS_BIND)) for path in there if os.path.exists(path))  # noqa: PTH110
    return tuple(Step(path, mask) for path, mask in masks)


def mounting_shm(bounds: str) -> Callable[[], int]:
    """Return what gives the namespace shared memory of its own, for semaphores and whoever shares by name.

    Args:
        bounds: options of tmpfs that say how large it may grow; empty for the kernel's own.
    """
    options = f"mode=1777,{bounds}".rstrip(",")
    return _mount("tmpfs", "/dev/shm", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)  # noqa: S108


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def replace_hosts(text: str) -> None:
    """Put a ``/etc/hosts`` with the contents `text` over the machine's own."""
    _mount("none", "/mnt", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV)()
    with open("/mnt/hosts", "w", encoding="utf-8") as file:  # noqa: PTH123 (no pathlib objects after a fork)
        file.write(text)
    _mount("/mnt/hosts", "/etc/hosts", None, kernel.MS_BIND)()
    kernel.syscall("umount2", b"/mnt", 2)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> Callable[[], int]:
    names = (source.encode(), target.encode(), kind.encode() if kind else None)
    return kernel.prepared("mount", *names, flags, data.encode() or None)
