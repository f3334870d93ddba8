"""Keeping tests and programs off the network by the kernel: for a whole run, for one test, for one program.

The kernel's way is a network namespace without interfaces: nothing in it, C code included, reaches any address. A
process without privileges cannot leave one again, so there it holds for the whole run, if asked for. A privileged one
(root) can: the thread of a replaying test then stands in an empty namespace while the test runs, with every thread and
process that it starts. Threads from before keep their network. Where the kernel refuses, the cassette's entrance alone
holds: it sees Python's own sockets only.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.wire.process.loopback import bring_up_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000


def leave_network() -> str:
    """Move this process into a network namespace without interfaces.

    Returns:
        An empty string, or why the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWNET) == 0:
        bring_up_loopback()
        return ""
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return os.strerror(ctypes.get_errno())
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    bring_up_loopback()
    return ""


def can_step_out() -> str:
    """Tell whether the kernel lets this process leave its network and come back.

    Returns:
        An empty string, or why not.
    """
    try:
        with no_network():
            return ""
    except OSError as error:
        return error.strerror or str(error)


@contextmanager
def no_network() -> Iterator[None]:
    """Put this thread, and what it starts, into a network namespace without interfaces while the block runs.

    Raises:
        OSError: the kernel refuses, as it does without the privilege; nothing has changed then.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        if libc.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            bring_up_loopback()
            yield
        finally:
            if libc.setns(home.fileno(), _CLONE_NEWNET) != 0:
                os.abort()
