"""What the first process of a sandbox tells the launcher: a letter, what belongs to it, and descriptors."""

from __future__ import annotations

import array
import contextlib
import errno
import os
import socket

from x07py.errors import RunError
from x07py.sandbox.layers import cannot
from x07py.sandbox.network import MOST_RELAYS


class NoNamespaces(Exception):  # noqa: N818 (an answer, not a failure)
    """A step into namespaces failed, and its child has ended."""


class NotNotified(Exception):  # noqa: N818 (an answer, not a failure)
    """The kernel gave the filter no listener that the launcher could serve."""


def hand_over(control: socket.socket, kind: bytes, handles: list[int]) -> None:
    """Send descriptors with a message."""
    control.sendmsg([kind], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", handles))])


def say(control: socket.socket, message: bytes) -> None:
    """Send a message to a launcher that may be gone."""
    with contextlib.suppress(OSError):
        control.send(message)


def receive(control: socket.socket) -> tuple[bytes, list[int]]:
    """Return one message, empty at the end, and descriptors that came with it."""
    data, extra, _, _ = control.recvmsg(4096, socket.CMSG_SPACE(4 * MOST_RELAYS))
    handles = array.array("i")
    for _, kind, content in extra:
        if kind == socket.SCM_RIGHTS:
            handles.frombytes(content)
    return data, list(handles)


def failure(kind: bytes, content: bytes) -> Exception:
    """Return what a message that a child ends with means: another try with other layers, or the end of all."""
    match kind:
        case b"W":
            return NoNamespaces(content.decode(errors="replace"))
        case b"N":
            return NotNotified(os.strerror(int(content)))
        case b"X":
            code = int(content)
            return RunError(
                "X07RUN_NOT_EXECUTABLE",
                f"the program could not be started: {os.strerror(code).lower()}",
                hint="check the path and its mode" if code != errno.EACCES else "allow it with --allow-run PATH",
            )
        case _:
            return cannot(content.decode(errors="replace"), "`x07 doctor` tells what is there")
