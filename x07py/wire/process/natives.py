"""Connections that did not come in through Python's sockets: libraries written in C, and what was there before.

Nobody can put them on a cassette afterwards, but the kernel counts what went over each, so none stays unseen: what was
not led to a stand-in and carried bytes while a cassette was in use is found when it ends.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from pathlib import Path
from typing import NamedTuple

from x07py.wire.stand_in import Address

_COUNTS = struct.Struct("=QQ")
_COUNTS_AT = 120
_INET = (socket.AF_INET, socket.AF_INET6)


_HEARTBEATS = 40
"""Bytes that a connection carries to stay alive, without any message."""


class Native(NamedTuple):
    """One connection of this process: from where, where to, and bytes so far."""

    here: Address
    address: Address
    carried: int


def connections() -> dict[int, Native]:
    """Return this process's TCP connections by the inodes of their sockets; none where the kernel does not tell."""
    found = {}
    for descriptor in _descriptors():
        with contextlib.suppress(OSError):
            copy = socket.socket(fileno=os.dup(descriptor))
            with copy:
                if copy.family in _INET and copy.type == socket.SOCK_STREAM:
                    found[os.fstat(descriptor).st_ino] = _native(copy)
    return found


def _descriptors() -> list[int]:
    try:
        found = list(Path("/proc/self/fd").iterdir())
    except OSError:  # a system without it, or a solve world
        return []
    return [int(one.name) for one in found if _is_socket(one)]


def _is_socket(one: Path) -> bool:
    try:
        return str(one.readlink()).startswith("socket:")
    except OSError:
        return False


def _native(copy: socket.socket) -> Native:
    here, there = (Address(*end(copy)[:2]) for end in (socket.SocketType.getsockname, socket.SocketType.getpeername))
    info = socket.SocketType.getsockopt(copy, socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTS_AT + _COUNTS.size)
    return Native(here, there, sum(_COUNTS.unpack_from(info, _COUNTS_AT)))


def strangers(before: dict[int, Native], known: set[int]) -> tuple[list[Native], list[Native]]:
    """Return connections that carried bytes and were not led to a stand-in.

    Args:
        before: what there was when the cassette came into use.
        known: inodes of sockets that x07py has connected itself.

    Returns:
        Those that were made before, and those that were made since.
    """
    now = connections()
    ours = {one.here for one in now.values()}
    others = {inode: one for inode, one in now.items() if inode not in known and one.address not in ours}
    old = [
        one for inode, one in others.items() if inode in before and one.carried > before[inode].carried + _HEARTBEATS
    ]
    return old, [one for inode, one in others.items() if inode not in before and one.carried]
