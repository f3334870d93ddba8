"""Network, process, mount and IPC namespaces: a second wall where the machine allows them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from x07py.sandbox import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS = kernel.CLONE_NEWNET | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC

_AHEAD_SECONDS = 100 * 366 * 86400


def fork() -> int:
    """Fork into namespaces of its own; as root without a user namespace if that is allowed.

    Returns:
        The child's process id, or 0 in the child, which mounts what it shall see next.

    Raises:
        OSError: the machine allows neither.
    """
    if os.geteuid() == 0:
        try:
            return kernel.fork(_KINDS)
        except PermissionError:
            pass  # root of a container
    uid, gid = os.geteuid(), os.getegid()
    child = kernel.fork(_KINDS | kernel.CLONE_NEWUSER)
    if child == 0:
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else the maps belong to root
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    return child


def keeping_mounts() -> Callable[[], int]:
    """Return what keeps mounts of the first process to itself."""
    return _mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)


def mounting_proc() -> Callable[[], int]:
    """Return what makes ``/proc`` show the processes of the namespace only."""
    return _mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)


def far_ahead() -> None:
    """Give the processes that this one forks next a monotonic clock that no virtual time reaches.

    A wait with a time limit ends when the kernel's own clock passes the limit; where the limit is virtual time, it must
    always have passed already, or the wait would take as long as the machine has not been up yet.
    """
    kernel.syscall("unshare", kernel.CLONE_NEWTIME)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else the offsets belong to root
    _write("/proc/self/timens_offsets", f"monotonic {_AHEAD_SECONDS} 0")
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


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


def _mount(source: str, target: str, kind: str | None, flags: int) -> Callable[[], int]:
    names = (source.encode(), target.encode(), kind.encode() if kind else None)
    return kernel.prepared("mount", *names, flags, None)
