"""Keeping tests off the network: by the kernel, for a whole run or for one test, and by a hook for the words.

The kernel's way is a network namespace without interfaces: nothing in it, C code included, reaches any address. A
process without privileges cannot leave one again, so there it holds for the whole run, if asked for. A privileged one
(root) can: the thread of a replaying test then stands in an empty namespace while the test runs, with every thread and
process that it starts. Threads from before keep their network. The hook sees Python's own sockets only and is no
protection; it says what was refused and why.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000
_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"})
_reasons: list[str] = []
_hooked = False


def leave_network() -> str:
    """Move this process into a network namespace without interfaces.

    Returns:
        An empty string, or why the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWNET) == 0:
        return ""
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return os.strerror(ctypes.get_errno())
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
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
            yield
        finally:
            if libc.setns(home.fileno(), _CLONE_NEWNET) != 0:
                os.abort()


@contextmanager
def refuse_connections(why: str) -> Iterator[None]:
    """Make Python's sockets refuse addresses other than Unix sockets while the block runs.

    Args:
        why: stands in the error.

    Raises:
        RunError: ``X07RUN_TEST_NETWORK``, from the call that would connect.
    """
    global _hooked  # noqa: PLW0603 - audit hooks are of the process and cannot be removed
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True
    _reasons.append(why)
    try:
        yield
    finally:
        _reasons.remove(why)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _reasons or event not in _EVENTS:
        return
    address = args[0] if event.startswith("socket.get") else args[1]
    if isinstance(address, tuple) or event.startswith("socket.get"):
        raise RunError(
            "X07RUN_TEST_NETWORK",
            f"{event} to {address!r} while {_reasons[-1]}",
            hint="record what the test needs, or leave the call out of it",
        )
