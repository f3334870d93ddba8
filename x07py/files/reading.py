"""The one reading of a file that others may have made."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from io import FileIO
from typing import TYPE_CHECKING

from x07py.errors import FileError
from x07py.files.links import LinkError

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)

MiB = 1 << 20
_PIECE = 1 << 16
CONTRACT_BYTES, MANIFEST_BYTES, SOURCE_BYTES = 16 * MiB, 4 * MiB, 32 * MiB
"""Most bytes of a contract or lock, of a project's manifest, and of a module or API document."""


class NotAFileError(OSError):
    """A folder, pipe, socket or device where a file belongs."""

    def __init__(self, path: Path, mode: int) -> None:
        kind = next((name for test, name in _KINDS if test(mode)), "special file")
        super().__init__(errno.EISDIR if kind == "folder" else errno.EINVAL, f"it is a {kind}, not a file", str(path))


class TooLargeError(OSError):
    """A file of more bytes than its kind may have."""

    def __init__(self, path: Path | str, limit: int) -> None:
        size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"
        super().__init__(errno.EFBIG, f"it has more than the {size} that a file of its kind may have", str(path))


def read_file(path: Path, *, limit: int, root: Path | None = None) -> bytes:
    """Return the content of a regular file.

    Nothing but a regular file is ever opened: a pipe would be waited for, a device may act when it is.

    Args:
        path: the file.
        limit: most bytes that it may have.
        root: folder that it must lie in, links followed; None for a path that the user gave by name.

    Raises:
        NotAFileError: for a folder, pipe, socket or device.
        LinkError: if a link leads out of `root`.
        TooLargeError: for more than `limit` bytes, also if they come while it is read.
        OSError: if the system refuses.
    """
    with open_file(path, root=root) as file:
        size = os.fstat(file.fileno()).st_size
        parts: list[bytes] = []
        while size <= limit:  # it may grow meanwhile, and files of the kernel's own say that they have no size
            part = file.read(max(0, size - sum(map(len, parts))) + _PIECE)
            if part is None:
                raise BlockingIOError(errno.EAGAIN, "nothing can be read from it now", str(path))
            if not part:
                return parts[0] if len(parts) == 1 else b"".join(parts)
            parts.append(part)
            size = max(size, sum(map(len, parts)))
    raise TooLargeError(path, limit)


def open_file(path: Path, *, root: Path | None = None) -> FileIO:
    """Return a regular file, open for reading and without a buffer, for what is read piece by piece or locked.

    Args:
        path: the file.
        root: as for `read_file`.

    Raises:
        NotAFileError, LinkError, OSError: as `read_file`.
    """
    if root is not None and not is_inside(path, root):
        raise LinkError(path, "a symbolic link leads out of the project, where nothing is read")
    mode = os.stat(path).st_mode  # noqa: PTH116 (a file of every module of a project passes here)
    if not stat.S_ISREG(mode):
        raise NotAFileError(path, mode)
    file = FileIO(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY))
    found = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(found):
        file.close()
        raise NotAFileError(path, found)
    return file


def cannot_read(path: Path | str, error: OSError, hint: str = "check the file") -> FileError:
    """Return the error for a file that could not be read, ``X07IO_READ``.

    Args:
        path: the file.
        error: what the system said.
        hint: what to do.
    """
    return FileError("X07IO_READ", f"cannot read: {error.strerror}", where=str(path), hint=hint)


def digest_file(path: Path, *, root: Path | None = None) -> str:
    """Return the lower-case hexadecimal SHA-256 of a regular file of any size.

    Raises:
        NotAFileError, LinkError, OSError: as `read_file`.
    """
    with open_file(path, root=root) as file:
        digest = hashlib.sha256(file.read(_PIECE))
        while piece := file.read(_PIECE):
            digest.update(piece)
        return digest.hexdigest()


def is_inside(path: Path, root: Path) -> bool:
    """Tell whether a file or folder lies in a project, links followed."""
    real, top = os.path.realpath(path), os.path.realpath(root)
    return real == top or real.startswith(top.rstrip(os.sep) + os.sep)
