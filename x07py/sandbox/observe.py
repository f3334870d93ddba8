"""Watching which files a program opens, changes and executes, to tell of it; nothing is refused here.

The kernel carries out what is seen, so another thread may change a path between the look and the act. That would be
no basis for a decision, and none is made: in a confined run Landlock decides, and what is told of it here is only told;
a run that learns is not a confined one, and says so.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from typing import TYPE_CHECKING, NamedTuple

from x07py.sandbox.kernel import read_memory, read_text, signed, syscall_numbers
from x07py.sandbox.listener import GO_ON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from x07py.sandbox.notifications import SystemCall

_HERE = -100
_FIRST_LINE_BYTES, _MOST_INTERPRETERS = 256, 5  # as the kernel has them


class _Names(NamedTuple):
    """Where a call names a path: index of the folder's descriptor (-1: the working folder) and of the path."""

    folder: int
    path: int


_FIRST, _AT = _Names(-1, 0), _Names(0, 1)
_CHANGES: dict[str, tuple[_Names, ...]] = {
    "creat": (_FIRST,),
    "mkdir": (_FIRST,),
    "mkdirat": (_AT,),
    "rmdir": (_FIRST,),
    "unlink": (_FIRST,),
    "unlinkat": (_AT,),
    "rename": (_FIRST, _Names(-1, 1)),
    "renameat": (_AT, _Names(2, 3)),
    "renameat2": (_AT, _Names(2, 3)),
    "link": (_FIRST, _Names(-1, 1)),
    "linkat": (_AT, _Names(2, 3)),
    "symlink": (_Names(-1, 1),),
    "symlinkat": (_Names(1, 2),),
}
_MAKES = ("mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat")
"""Calls whose last path must not be there yet; all others name what is there."""
_REPLACES = ("creat", "rename", "renameat", "renameat2")
_OPENS = {"open": (_FIRST, 1), "openat": (_AT, 2), "openat2": (_AT, 2)}
_EXECUTES = {"execve": _FIRST, "execveat": _AT}
CHANGING = (*_CHANGES, *_EXECUTES, "truncate")
"""Names of the calls of a confined program that are watched, besides those that open."""
OBSERVED = (*_CHANGES, *_OPENS, *_EXECUTES, "truncate")
"""Names of the calls that are watched."""


def _with_interpreters(path: str) -> Iterator[str]:
    """Yield a program and, where it is a script, what its first line has the kernel start instead."""
    for _ in range(_MOST_INTERPRETERS):
        yield path
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return
            first = os.pread(handle, _FIRST_LINE_BYTES, 0).partition(b"\n")[0]
        finally:
            os.close(handle)
        words = first[2:].split() if first.startswith(b"#!") else []
        if not words:
            return
        path = os.path.realpath(os.fsdecode(words[0]))


class Observer:
    """Tells of every file that is opened, changed or executed.

    Args:
        note: called with a kind (``read``, ``write``, ``run``), a path without links, and the call. For ``write`` the
            path is what has to be writable: the file that was changed, or the folder that got or lost a name.
    """

    def __init__(self, note: Callable[[str, str, SystemCall], object]) -> None:
        self._note = note
        self._names = {number: name for name, number in syscall_numbers().items()}

    def handlers(self) -> dict[str, Callable[[SystemCall], str]]:
        """Return what answers which system call."""
        return dict.fromkeys(OBSERVED, self._observe)

    def _observe(self, call: SystemCall) -> str:
        with contextlib.suppress(OSError, ValueError):  # what cannot be a path is refused by the kernel as well
            self._look(self._names[call.number], call)
        return GO_ON

    def _look(self, name: str, call: SystemCall) -> None:
        if name in _EXECUTES:
            for program in _with_interpreters(self._path(call, _EXECUTES[name])):
                self._note("run", program, call)
        elif name == "truncate":
            self._note("write", self._path(call, _FIRST), call)
        elif name in _CHANGES:
            for names in _CHANGES[name]:
                path = self._path(call, names, follow=False)
                new = name in _MAKES and names is _CHANGES[name][-1]
                if os.path.lexists(path) != new or name in _REPLACES:  # else it fails, whoever may do it
                    self._note("write", os.path.dirname(path), call)  # noqa: PTH120
        else:
            self._opened(name, call)

    def _opened(self, name: str, call: SystemCall) -> None:
        names, index = _OPENS[name]
        flags = call.args[index]
        if name == "openat2":
            flags = struct.unpack("=Q", read_memory(call.pid, flags, 8))[0]
        path = self._path(call, names)
        if flags & os.O_PATH:
            return
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            new = flags & os.O_CREAT and not os.path.exists(path)  # noqa: PTH110
            self._note("write", os.path.dirname(path) if new else path, call)  # noqa: PTH120
        if not flags & os.O_WRONLY:
            self._note("read", path, call)

    def _path(self, call: SystemCall, names: _Names, *, follow: bool = True) -> str:
        text = read_text(call.pid, call.args[names.path])
        if not text.startswith("/"):
            number = _HERE if names.folder < 0 else signed(call.args[names.folder])
            base = f"/proc/{call.pid}/" + ("cwd" if number == _HERE else f"fd/{number}")
            place = os.readlink(base)  # noqa: PTH115
            whole = os.path.join(place, text)  # noqa: PTH118
            if "/" not in text and text not in {".", ".."} and not (follow and os.path.islink(whole)):  # noqa: PTH114
                return whole  # the kernel has told where the folder is, however deep
            text = whole
        if follow:
            return os.path.realpath(text)
        folder, last = os.path.split(text.rstrip("/"))
        return os.path.join(os.path.realpath(folder), last)  # noqa: PTH118
