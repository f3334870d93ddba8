"""Unix sockets: connected to where they are granted or the program's own, made where it may write or they are granted.

As with TCP, the supervisor connects and binds its own duplicate. What is connected to was found once and is named to
the kernel by a descriptor. A name has to be bound as the program wrote it, since that is what ``getsockname`` tells, so
the thread that binds confines itself first: Landlock lets it make a socket in the folder that was judged, nowhere else.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import socket
import stat
import struct
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from x07py.sandbox import kernel, landlock, places
from x07py.sandbox.notifications import Refused, unix_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from x07py.sandbox.notifications import SystemCall
    from x07py.sandbox.own_sockets import OwnSockets

_MOST_BYTES = 107
_MOST_OWN = 256
_UMASK = re.compile(r"^Umask:\s*([0-7]+)", re.MULTILINE)
_STATX_BTIME, _STATX_BYTES, _BTIME_AT = 1 << 11, 256, 80
_SECOND = 1_000_000_000
_COARSE = 5
"""The clock that files are dated by: CLOCK_REALTIME_COARSE."""


class UnixRules(NamedTuple):
    """Which Unix sockets may be connected to and listened on.

    Args:
        allow: sockets, and folders of them, without links; ``@NAME`` for an abstract name.
        everything: whether all are, while a run is only watched.
    """

    allow: tuple[str, ...] = ()
    everything: bool = False

    def permits(self, target: str) -> bool:
        """Tell whether an abstract name is granted, or a path is or lies below one that is."""
        return self.everything or target in self.allow or (target[:1] == "/" and places.is_below(target, self.allow))


class UnixSockets:
    """Answers the calls about addresses of Unix sockets.

    Growth: one descriptor for each of the last 256 sockets that the program bound to a path, which keeps its inode from
    being given to another.

    Args:
        own: the sockets that were made for the program.
        rules: what is granted.
        writable: folders, without links, in which the program may make sockets.
        deny: notes a denial and returns the error number.
        note: tells of what is let through.
        connect: connects a duplicate.
    """

    def __init__(
        self,
        own: OwnSockets,
        rules: UnixRules,
        writable: Iterable[str],
        *,
        deny: Callable[[str, str, SystemCall], int],
        note: Callable[[str, str, SystemCall], object],
        connect: Callable[[socket.socket, int, bytes], int],
    ) -> None:
        self._own, self._rules, self._writable = own, rules, tuple(writable)
        self._deny, self._note, self._connect = deny, note, connect
        self._bound: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._lock = threading.Lock()

    def connect(self, call: SystemCall, inode: int, data: bytes) -> int:
        """Connect to a ``struct sockaddr_un`` if that is granted or the program's own."""
        own = self._of_family(inode)
        name = data[2:]
        if name.startswith(b"\0"):
            self._judge("connect", unix_target(name), call)
            return self._connect(own, inode, data)
        handle = places.find(call.pid, _path(name))
        try:
            found, place = os.fstat(handle), places.place_of(handle)
            if not stat.S_ISSOCK(found.st_mode):
                raise Refused(errno.ECONNREFUSED)
            granted = self._rules.everything or places.lies_below(call.pid, handle, self._rules.allow)
            if not granted and (found.st_dev, found.st_ino) not in self._bound:
                raise Refused(self._deny("connect", place, call))
            self._note("connect", place, call)
            return self._connect(own, inode, _sockaddr(f"/proc/self/fd/{handle}"))
        finally:
            os.close(handle)

    def bind(self, call: SystemCall, inode: int, data: bytes) -> int:
        """Bind to a ``struct sockaddr_un`` that is granted or lies where the program may write."""
        own = self._of_family(inode)
        name = data[2:]
        if name.startswith(b"\0") or not name:
            self._judge("listen", unix_target(name), call)
            own.bind(name)
        else:
            self._bind_path(call, own, _path(name))
        self._own.bind(inode)
        return 0

    def _of_family(self, inode: int) -> socket.socket:
        own = self._own.get(inode)
        if own.family != socket.AF_UNIX:
            raise Refused(errno.EAFNOSUPPORT)
        return own

    def _judge(self, kind: str, target: str, call: SystemCall) -> None:
        if not self._rules.permits(target):
            raise Refused(self._deny(kind, target, call))
        self._note(kind, target, call)

    def _bind_path(self, call: SystemCall, own: socket.socket, text: str) -> None:
        where, name = os.path.split(text)
        if name in {"", ".", ".."}:
            raise Refused(errno.EADDRINUSE)
        folder = places.find(call.pid, where or ".", how=os.O_DIRECTORY)
        try:
            place = os.path.join(places.place_of(folder), name)  # noqa: PTH118
            writable = places.lies_below(call.pid, folder, self._writable)
            if not writable and not self._rules.permits(place):
                raise Refused(self._deny("listen", place, call))
            self._note("listen", place, call)
            before = time.clock_gettime_ns(_COARSE)
            mode = 0o777 & ~_umask(call.pid)
            _bind_in(folder, own, text if text.startswith("/") else place, mode)
            self._keep(folder, name, mode, before)
        finally:
            os.close(folder)

    def _keep(self, folder: int, name: str, mode: int, before: int) -> None:
        """Remember which file a socket was bound to, unless it is gone or another one has been moved there since."""
        try:
            handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            return
        found = os.fstat(handle)
        if not stat.S_ISSOCK(found.st_mode) or _born(handle) < before:
            os.close(handle)
            return
        if stat.S_IMODE(found.st_mode) != mode:  # this process's own mask is narrower
            os.chmod(f"/proc/self/fd/{handle}", mode)  # noqa: PTH101
        with self._lock:
            self._bound[found.st_dev, found.st_ino] = handle
            oldest = self._bound.popitem(last=False)[1] if len(self._bound) > _MOST_OWN else None
        if oldest is not None:
            os.close(oldest)


def _path(name: bytes) -> str:
    """Return the path in a ``sun_path``."""
    return os.fsdecode(name.partition(b"\0")[0])


def _sockaddr(path: str) -> bytes:
    return struct.pack("=H", socket.AF_UNIX) + os.fsencode(path) + b"\0"


def _umask(pid: int) -> int:
    """Return the mask of modes of a process, as strict as can be where the kernel does not tell."""
    found = _UMASK.search(Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace"))
    return int(found[1], 8) if found else 0o777


def _born(handle: int) -> int:
    """Return when a file was made, nanoseconds; 0 where its file system does not know."""
    buffer = bytearray(_STATX_BYTES)
    into = (ctypes.c_char * _STATX_BYTES).from_buffer(buffer)
    with contextlib.suppress(OSError):
        kernel.syscall("statx", handle, b"", places.EMPTY_PATH, _STATX_BTIME, ctypes.byref(into))
    if not struct.unpack_from("=I", buffer)[0] & _STATX_BTIME:
        return 0
    seconds, rest = struct.unpack_from("=qI", buffer, _BTIME_AT)
    return int(seconds) * _SECOND + int(rest)


def _bind_in(folder: int, own: socket.socket, path: str, mode: int) -> None:
    """Bind a socket to a path, which can only be one below a folder whatever the path leads to meanwhile.

    Raises:
        OSError: as the kernel refuses it.
    """
    if len(os.fsencode(path)) > _MOST_BYTES:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    refused: list[OSError] = []

    def bind() -> None:
        try:
            landlock.make_sockets_alone(folder)
            own.bind(path)
        except OSError as error:
            refused.append(error)

    os.fchmod(own.fileno(), mode)
    thread = threading.Thread(target=bind, name="x07-bind")
    thread.start()
    thread.join()
    if refused:
        raise refused[0]
