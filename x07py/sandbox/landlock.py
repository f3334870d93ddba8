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

from x07py.sandbox.kernel import PR_SET_NO_NEW_PRIVS, prctl, prepared, syscall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK, _IOCTL_DEV = 1 << 6, 1 << 11, 1 << 15
_TRUNCATE = 1 << 14
_MAKE_SOCKET = 1 << 9
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


def ruleset(rules: Iterable[tuple[str, int]], version: int, ports: Iterable[int] = ()) -> int:
    """Return the descriptor of a ruleset, for `restrict` in a child.

    Args:
        rules: paths with the rights below them; a path that does not exist grants nothing.
        version: what `abi` returned, at least 3.
        ports: TCP ports that may be connected to, on any host.

    Raises:
        OSError: the kernel refused, or a path exists and cannot be opened.
    """
    made = _Ruleset(
        _handled(version),
        _NET_BIND_CONNECT if version >= ABI_TCP else 0,
        _SCOPE_ABSTRACT_AND_SIGNAL if version >= ABI_SCOPES else 0,
    )
    size = 24 if version >= ABI_SCOPES else 16 if version >= ABI_TCP else 8
    handle = syscall("landlock_create_ruleset", ctypes.byref(made), size, 0)
    for path, rights in rules:
        granting(handle, path, rights, version)()
    for port in set(ports) if version >= ABI_TCP else ():
        syscall("landlock_add_rule", handle, _RULE_NET_PORT, ctypes.byref(_NetPort(_CONNECT_TCP, port)), 0)
    return handle


def make_sockets_alone(folder: int) -> None:
    """Have the calling thread change nothing about files any more but make sockets below an open folder.

    Does nothing where the kernel has no Landlock, which the user has accepted then.

    Raises:
        OSError: the kernel refused.
    """
    if abi() == 0:
        return
    made = _Ruleset(_ALL[3] & ~(_EXECUTE | READ), 0, 0)
    handle = syscall("landlock_create_ruleset", ctypes.byref(made), 8, 0)
    try:
        rule = _PathBeneath(_MAKE_SOCKET, folder)
        syscall("landlock_add_rule", handle, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        syscall("landlock_restrict_self", handle, 0)
    finally:
        os.close(handle)


def roots(rules: Iterable[tuple[str, int]], *, shm: bool) -> dict[str, list[str]]:
    """Return where rules let a program ``read``, ``write`` and ``run``: paths without links.

    Args:
        rules: paths with the rights below them.
        shm: whether it has a ``/dev/shm`` of its own as well.
    """
    wanted = {"read": _READ_FILE, "write": _WRITE_FILE, "run": _EXECUTE}
    own = ["/dev/shm"] if shm else []  # noqa: S108
    rules = tuple(rules)
    return {
        kind: [os.path.realpath(path) for path, rights in rules if rights & right] + own
        for kind, right in wanted.items()
    }


def _handled(version: int) -> int:
    return _ALL[5] if version >= 5 else _ALL[3]


def granting(handle: int, path: str, rights: int, version: int) -> Callable[[], None]:
    """Return what grants `rights` below `path`, if it is there, in the ruleset `handle`.

    Raises:
        OSError: from what is returned: the kernel refused, or the path exists and cannot be opened.
    """
    rule = _PathBeneath(rights & _handled(version), -1)
    add = prepared("landlock_add_rule", handle, _RULE_PATH_BENEATH, ctypes.byref(rule), 0, ignoring=(errno.EINVAL,))

    def grant() -> None:
        try:
            rule.parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EACCES}:
                return
            raise
        if add() < 0:
            rule.allowed &= _FILE_RIGHTS  # `path` is no folder
            if add() < 0:
                raise OSError(errno.EINVAL, "no rule of Landlock can name it", path)
        os.close(rule.parent)

    return grant
