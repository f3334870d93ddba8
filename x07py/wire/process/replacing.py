"""Putting an end of a pair in a socket's place: at its file descriptors, and in each epoll that waits for it."""

from __future__ import annotations

import contextlib
import os
import select
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_FOLDER = "/proc/self/fd"
_INT = 0xFFFFFFFF
"""The part of an epoll's data that is a file descriptor; the rest may be anything."""
_EPOLL = "anon_inode:[eventpoll]"


class _Waiting(NamedTuple):
    """An epoll that waits for a file descriptor, and for which of its events."""

    epoll: int
    number: int
    events: int


def put_in_place_of(one: socket.socket, near: socket.socket) -> None:
    """Let all that was done with a socket before it was connected hold for the end of a pair; that is closed here.

    Args:
        one: the program's socket.
        near: what is put in its place.
    """
    numbers, waiting = {one.fileno()}, list[_Waiting]()
    with contextlib.suppress(OSError):  # where there is no such folder, or a solve world shows none
        itself = os.readlink(f"{_FOLDER}/{one.fileno()}")  # noqa: PTH115 (half the time of a pathlib object)
        for number, link in _links():
            if link == itself:
                numbers.add(number)
            elif link == _EPOLL:
                waiting += _waiting(number)
    os.set_blocking(near.fileno(), os.get_blocking(one.fileno()))
    for number in numbers:
        os.dup2(near.fileno(), number, inheritable=os.get_inheritable(number))
    near.close()
    for row in waiting:
        if row.number in numbers:
            with contextlib.suppress(OSError), select.epoll.fromfd(os.dup(row.epoll)) as epoll:
                epoll.register(row.number, row.events)


def _links() -> Iterator[tuple[int, str]]:
    for name in os.listdir(_FOLDER):  # noqa: PTH208
        with contextlib.suppress(OSError):
            yield int(name), os.readlink(f"{_FOLDER}/{name}")  # noqa: PTH115


def _waiting(epoll: int) -> Iterator[_Waiting]:
    """Yield what an epoll waits for and knows by its file descriptor, as those of Python and of libuv do."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/self/fdinfo/{epoll}").read_text(encoding="ascii").splitlines():
            words = line.split()
            if words[:1] == ["tfd:"] and int(words[1]) == int(words[5], 16) & _INT:
                yield _Waiting(epoll, int(words[1]), int(words[3], 16))
