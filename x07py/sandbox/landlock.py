"""Landlock: files below listed roots, no TCP at all (the supervisor connects), no signal or abstract socket outwards.

Landlock is not enough alone: MPTCP, TCP fast open, UDP and path sockets pass it, and its TCP rules know a port and no
host. It stands behind the system call filter, which is not enough alone either: only Landlock keeps a program of the
same user away from the supervisor's memory.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

from x07py.sandbox.kernel import syscall

if TYPE_CHECKING:
    from collections.abc import Iterable

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK, _IOCTL_DEV = 1 << 6, 1 << 11, 1 << 15
_TRUNCATE = 1 << 14
_ALL = {3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_BIND_CONNECT = 3
_SCOPE_ABSTRACT_AND_SIGNAL = 3
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
_CONNECT_TCP = 2
_VERSION_FLAG = 1

READ = _READ_FILE | _READ_DIR
LIST = _READ_DIR
WRITE = (_ALL[3] & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK)) | READ
EXECUTE = _EXECUTE | _READ_FILE
DEVICE = _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
ABI_TCP, ABI_SCOPES, ABI_FLOOR = 4, 6, 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def abi() -> int:
    """Return the kernel's Landlock version, 0 if it has none."""
    try:
        return syscall("landlock_create_ruleset", None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(rules: Iterable[tuple[str, int]], version: int, ports: Iterable[int] = ()) -> None:
    """Confine this thread and its future children to `rules`, for ever.

    Args:
        rules: paths with the rights below them; a path that does not exist grants nothing.
        version: what `abi` returned, at least 3.
        ports: TCP ports that it may itself connect to, on any host.

    Raises:
        OSError: the kernel refused, or a path exists and cannot be opened.
    """
    handled = _ALL[5] if version >= 5 else _ALL[3]
    ruleset = _Ruleset(
        handled,
        _NET_BIND_CONNECT if version >= ABI_TCP else 0,
        _SCOPE_ABSTRACT_AND_SIGNAL if version >= ABI_SCOPES else 0,
    )
    size = 24 if version >= ABI_SCOPES else 16 if version >= ABI_TCP else 8
    handle = syscall("landlock_create_ruleset", ctypes.byref(ruleset), size, 0)
    for path, rights in rules:
        _add(handle, path, rights & handled)
    for port in set(ports) if version >= ABI_TCP else ():
        syscall("landlock_add_rule", handle, _RULE_NET_PORT, ctypes.byref(_NetPort(_CONNECT_TCP, port)), 0)
    syscall("landlock_restrict_self", handle, 0)
    os.close(handle)


def _add(handle: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EACCES}:
            return
        raise
    try:
        _beneath(handle, parent, rights)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _beneath(handle, parent, rights & _FILE_RIGHTS)  # `parent` is no folder
    os.close(parent)


def _beneath(handle: int, parent: int, rights: int) -> None:
    syscall("landlock_add_rule", handle, _RULE_PATH_BENEATH, ctypes.byref(_PathBeneath(rights, parent)), 0)
