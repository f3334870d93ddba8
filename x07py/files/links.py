"""Opening folders and files so that no symbolic link is followed that somebody else could have laid.

Linux has openat2 with RESOLVE_NO_SYMLINKS for this. Opening each part from the folder above it with O_NOFOLLOW promises
the same for folders and regular files, on every kernel, inside every filter of system calls, and on macOS; it costs one
call more for each part of the path.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from x07py.errors import FileError

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_HINT = "put the file or folder itself in the link's place, then run the command again"
_IS_LINK = "it is a symbolic link, and nothing is written through one"


class LinkError(OSError):
    """A symbolic link where none is followed."""

    def __init__(self, path: object, what: str = _IS_LINK) -> None:
        super().__init__(errno.ELOOP, what, str(path))


def refuse_link(path: Path) -> None:
    """Refuse to write to or below `path` if it is a symbolic link, which may lead out of the project.

    Raises:
        FileError: ``X07IO_WRITE``.
    """
    if path.is_symlink():
        raise FileError("X07IO_WRITE", _IS_LINK, where=str(path), hint=_HINT)


def open_folder(path: Path, *, root: Path | None = None, create: bool = False) -> int:
    """Return a descriptor of a folder; whoever asks for it closes it.

    Args:
        path: the folder, below `root` if that is given.
        root: a folder that is trusted; no part of `path` below it may be a link.
        create: make the folders that are missing, below `root` one by one.

    Raises:
        LinkError: for a link below `root`.
        OSError: if it cannot be opened.
    """
    if root is None:
        if create:
            path.mkdir(parents=True, exist_ok=True)
        return os.open(path, _FOLDER)
    parts = path.relative_to(root).parts
    if ".." in parts:
        raise LinkError(path, "it leads out of the project")
    folder = os.open(root, _FOLDER)
    for part in parts:
        try:
            if create:
                _make(part, folder)
            below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        except OSError as error:
            raise _named(error, part, folder, path) from None
        finally:
            os.close(folder)
        folder = below
    return folder


def open_in(folder: int, name: str, flags: int, mode: int = 0o666) -> int:
    """Return a descriptor of a file in an open folder; a link of that name is not followed.

    Raises:
        LinkError: if it is one.
        OSError: if it cannot be opened.
    """
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    except OSError as error:
        raise _named(error, name, folder, name) from None


def is_link(name: str, folder: int) -> bool:
    """Tell whether a name in an open folder is a symbolic link."""
    try:
        os.readlink(name, dir_fd=folder)
    except OSError:
        return False
    return True


def _make(name: str, folder: int) -> None:
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return


def _named(error: OSError, name: str, folder: int, path: object) -> OSError:
    """Return the error for a part that could not be opened: a link by name, all else as it is."""
    return LinkError(path) if is_link(name, folder) else error
