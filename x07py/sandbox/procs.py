"""A bound on the processes and threads that a program has at one time.

A pids control group where this process may make one; else, in a user namespace, the resource limit, which counts from
zero there. Outside of one the resource limit counts every process of the user, and nothing of root's.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_PATIENCE_SECONDS = 2.0


def make_group(most: int) -> str | None:
    """Return the folder of a new control group for `most` processes and threads, or None if there can be none."""
    for parent in _parents():
        _remove_orphans(parent)
        folder = parent / f"x07-{os.getpid()}-{time.monotonic_ns()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / "pids.max").write_text(str(most), encoding="ascii")
        except OSError:
            folder.rmdir()
            continue
        return str(folder)
    return None


def _remove_orphans(parent: Path) -> None:
    """Remove the groups of launchers that were killed."""
    for folder in parent.glob("x07-*-*"):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def join(group: str) -> None:
    """Move this process, and with it its future children, into a group.

    Raises:
        OSError: the kernel refused.
    """
    handle = os.open(f"{group}/cgroup.procs", os.O_WRONLY)
    try:
        os.write(handle, b"0")
    finally:
        os.close(handle)


def remove(group: str) -> None:
    """Remove a group whose processes have ended; the kernel may take a moment to see that they have."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            os.rmdir(group)  # noqa: PTH106
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        else:
            return


def _parents() -> list[Path]:
    """Return the folders of this process's control groups that may hold a pids controller, version 2 first."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers or "pids" in controllers.split(","):
                found[controllers] = path
    parents = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            root, place = before.split(" ")[3:5]
            for controllers, path in found.items():
                if kind == ("cgroup" if controllers else "cgroup2") and (
                    not controllers or "pids" in options.split(",")
                ):
                    parents.append((bool(controllers), Path(place + path.removeprefix(root.rstrip("/")))))
    return [folder for _, folder in sorted(parents)]
