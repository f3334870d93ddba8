"""What tells whether a file or folder changed since it was read."""

from __future__ import annotations

import os

Facts = tuple[int, int, int, int]


def facts_of(path: str) -> Facts | None:
    """Return what tells whether a file or folder changed, or None if it is not there."""
    try:
        stat = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
