"""Finds files for the supervisor as the program sees them: from its root, in its mounts, once, by a descriptor.

The supervisor lives among other mounts than the program: what both call ``/dev/shm`` is not one folder. So a path is
never resolved from the supervisor's own root, and what was found is judged by its descriptor.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from typing import TYPE_CHECKING

from x07py.sandbox.kernel import read_text, signed, syscall
from x07py.sandbox.notifications import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.sandbox.notifications import SystemCall

HERE, NOFOLLOW, EMPTY_PATH = -100, 0x100, 0x1000
_NO_MAGICLINKS, _BENEATH, _IN_ROOT = 2, 8, 16
_OWN_DESCRIPTOR = re.compile(r"/proc/(?:self|thread-self|\d+)/fd/(\d+)")
_BELOW_DESCRIPTOR = re.compile(r"/proc/(?:self|thread-self|\d+)/fd/(\d+)/+(.+)", re.DOTALL)
_REMOVED, _ANONYMOUS = " (deleted)", "/memfd:"
_SHM = "/dev/shm"  # noqa: S108
_MOST_TRIES = 16
"""How often a look-up is repeated that a renaming somewhere on the machine has disturbed."""


def at(call: SystemCall, folder: int | None, path: int, flags: int) -> int:
    """Return a descriptor of the file that a call names; `folder` and `path` are indices of its arguments.

    Raises:
        Refused: no such file; ``EINVAL`` for other flags than ``AT_SYMLINK_NOFOLLOW`` and ``AT_EMPTY_PATH``.
        OSError: as the kernel refuses to find it.
    """
    if flags & 0xFFFFFFFF & ~(NOFOLLOW | EMPTY_PATH):
        raise Refused(errno.EINVAL)
    number = HERE if folder is None else signed(call.args[folder])
    if folder is not None and not call.args[path]:
        return descriptor(call, number)
    text = read_text(call.pid, call.args[path])
    if not text:
        if flags & EMPTY_PATH:
            return descriptor(call, number)
        raise Refused(errno.ENOENT)
    if own := _OWN_DESCRIPTOR.fullmatch(text):
        return descriptor(call, int(own[1]))
    if below := _BELOW_DESCRIPTOR.fullmatch(text):
        number, text = int(below[1]), below[2]
    return find(call.pid, text, number, os.O_NOFOLLOW if flags & NOFOLLOW else 0)


def find(pid: int, text: str, number: int = HERE, how: int = 0) -> int:
    """Return a descriptor of a file that a process names.

    Args:
        pid: the process.
        text: the path as it wrote it.
        number: its descriptor of the folder that a relative path starts from; `HERE` for its working folder.
        how: ``O_NOFOLLOW`` and ``O_DIRECTORY``, or 0.

    Raises:
        OSError: as the kernel refuses to find it.
    """
    base = f"/proc/{pid}/" + ("cwd" if number == HERE else f"fd/{number}")
    if not text.startswith("/"):
        try:
            return _open(base, text, how, _BENEATH)
        except OSError as error:
            if error.errno != errno.EXDEV:  # it leads upwards, or through an absolute link
                raise
        text = os.path.join(os.readlink(base), text)  # noqa: PTH115, PTH118
    return _open(f"/proc/{pid}/root", text, how, _IN_ROOT)


def _open(base: str, text: str, how: int, resolve: int) -> int:
    folder = os.open(base, os.O_PATH | os.O_CLOEXEC)
    order = struct.pack("=3Q", os.O_PATH | os.O_CLOEXEC | how, 0, _NO_MAGICLINKS | resolve)
    try:
        for left in reversed(range(_MOST_TRIES)):
            try:
                return syscall("openat2", folder, os.fsencode(text), order, len(order))
            except OSError as error:
                if error.errno != errno.EAGAIN or not left:
                    raise
    finally:
        os.close(folder)
    raise AssertionError


def descriptor(call: SystemCall, number: int) -> int:
    """Return a descriptor of the file that a descriptor of the caller's is."""
    try:
        return os.open(f"/proc/{call.pid}/fd/{number}", os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Refused(errno.EBADF) from None


def place_of(handle: int) -> str:
    """Return the path of an open file, without links."""
    return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115


def lies_below(pid: int, handle: int, roots: Iterable[str]) -> bool:
    """Tell whether a file lies below one of `roots` as a process sees them, or did until its last name was removed."""
    place, found = place_of(handle), os.fstat(handle)
    if not found.st_nlink:
        place = place.removesuffix(_REMOVED)
        if place.startswith(_ANONYMOUS):
            return True
    if is_below(place, (_SHM,)) and found.st_dev != os.stat(f"/proc/{pid}/root{_SHM}").st_dev:  # noqa: PTH116
        return False
    return is_below(place, roots)


def is_below(place: str, roots: Iterable[str]) -> bool:
    """Tell whether a path without links is one of `roots` or lies below one."""
    return any(place == root or place.startswith(root.rstrip("/") + "/") for root in roots)
