"""The one writing of a file: whole or not at all, and never through a link."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from x07py.errors import FileError
from x07py.files.links import LinkError, is_link, open_folder, open_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_STREAMS = ("/dev/", "/proc/")
_numbers = count()
_REASONS = {
    errno.ENOSPC: ("the disk is full", "make room, then run the command again"),
    errno.EDQUOT: ("the quota of this user is used up", "make room, then run the command again"),
    errno.EFBIG: ("the file would be larger than is allowed", "raise the limit (ulimit -f), or write less"),
    errno.EROFS: ("the file system is read-only", "choose a folder that can be written"),
    errno.ELOOP: (None, "put the file or folder itself in the link's place, then run the command again"),
}


def cannot_write(path: Path, error: OSError, hint: str | None = None) -> FileError:
    """Return the error for a file that could not be written; what was there is untouched.

    Args:
        path: the file.
        error: what the system said.
        hint: what to do, if the error's own kind does not say it.
    """
    reason, advice = _REASONS.get(error.errno or 0, (None, None))
    return FileError(
        "X07IO_WRITE",
        f"cannot write: {reason or error.strerror}",
        where=str(path),
        hint=advice or hint or "choose a folder that can be written; what was there is untouched",
    )


def replace_file(
    path: Path, data: bytes | Iterable[bytes], *, root: Path | None = None, mode: int | None = None
) -> None:
    """Replace a file by `data` as a whole or not at all.

    A device or pipe, and a stream of this process (``/dev/stdout``), is written into. A file keeps its permissions.

    Args:
        path: the file; folders that are missing are an error without `root`, and made with it.
        data: its new content, or pieces of it, which are asked for while it is written.
        root: trusted folder; no part of `path` below it may be a link.
        mode: permissions of a new file, and of an old one in place of its own; by default what the umask leaves.

    Raises:
        FileError: ``X07IO_WRITE``; what stood there before is untouched.
    """
    pieces = (data,) if isinstance(data, bytes) else data
    try:
        if root is None and _is_stream(path):
            _write_into(path, pieces)
            return
        folder = open_folder(path.parent, root=root, create=root is not None)
        try:
            _replace(folder, path.name, pieces, mode)
        finally:
            os.close(folder)
    except OSError as error:
        raise cannot_write(path, error) from None


def make_folder(path: Path, *, root: Path | None = None) -> None:
    """Make a folder and those above it.

    Raises:
        FileError: ``X07IO_WRITE``, also for a link below `root`.
    """
    try:
        os.close(open_folder(path, root=root, create=True))
    except OSError as error:
        raise cannot_write(path, error) from None


def _is_stream(path: Path) -> bool:
    if str(path).startswith(_STREAMS):
        return True
    try:
        return not stat.S_ISREG(path.lstat().st_mode) and not path.is_symlink() and not path.is_dir()
    except OSError:
        return False


def _write_into(path: Path, pieces: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)


def _replace(folder: int, name: str, pieces: Iterable[bytes], mode: int | None) -> None:
    """Write beside, sync, rename, and sync the folder."""
    if is_link(name, folder):
        raise LinkError(name)
    draft = f".{name[:200]}.{os.getpid()}-{next(_numbers)}.x07new"
    descriptor = open_in(folder, draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123
            kept = mode if mode is not None else _mode_of(name, folder)
            if kept is not None:
                os.fchmod(descriptor, kept)
            file.writelines(pieces)
            file.flush()
            os.fsync(descriptor)
        os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise
    os.fsync(folder)


def _mode_of(name: str, folder: int) -> int | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode & 0o777
    except FileNotFoundError:
        return None
