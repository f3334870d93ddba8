"""The loopback interface, which is down in a network namespace until somebody brings it up."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct

_SET_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_FLAGS = struct.Struct("16sh22x")


def bring_up_loopback() -> None:
    """Let programs talk to themselves over loopback addresses, if the kernel lets us; nobody else is reached so."""
    with contextlib.suppress(OSError), socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, _FLAGS.pack(b"lo", _UP_AND_RUNNING))
