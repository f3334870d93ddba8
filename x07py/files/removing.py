"""Removing a folder that a program has filled, however deep: without recursion, long paths or many descriptors."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Remove a folder of this user and all below it; what cannot be removed stays.

    Growth: the names of the folders that are still to be emptied, on the way from `path` to the one that is.
    """
    with suppress(OSError):
        _empty(os.open(path, _FOLDER))
    with suppress(OSError):
        path.rmdir()


def _empty(folder: int) -> None:
    """Walk down into each folder, and by ``..`` up again, whose identity shows that it is the one above."""
    above: list[tuple[str, tuple[int, int], list[str]]] = []
    left = _folders_left(folder)
    try:
        while left or above:
            if left:
                name = left.pop()
                place = _identity(folder)
                below = _opened(name, folder)
                if below is None:
                    continue
                os.close(folder)
                folder = below
                above.append((name, place, left))
                left = _folders_left(folder)
            else:
                name, place, left = above.pop()
                upper = os.open("..", _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = upper
                if _identity(folder) != place:
                    return
                with suppress(OSError):
                    os.rmdir(name, dir_fd=folder)
    finally:
        os.close(folder)


def _identity(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_dev, found.st_ino


def _opened(name: str, folder: int) -> int | None:
    with suppress(OSError):
        os.chmod(name, stat.S_IRWXU, dir_fd=folder)
        return os.open(name, _FOLDER, dir_fd=folder)
    return None


def _folders_left(folder: int) -> list[str]:
    """Remove all files of a folder, and return the names of its folders."""
    left = []
    for name in os.listdir(folder):
        with suppress(OSError):
            if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                left.append(name)
            else:
                os.unlink(name, dir_fd=folder)
    return left
