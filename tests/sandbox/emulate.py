"""Makes this process live as in a container or below another supervisor: by filters installed before x07 confines."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from functools import partial

from tests.sandbox import engines
from x07py.sandbox import kernel, landlock
from x07py.sandbox.giving_up import refusing

_NEW_NAMESPACE = 0x7E020000
_LANDLOCK_WRITE_FILE = 2
_listeners: list[int] = []

DOCKER_REFUSES = (
    "unshare setns mount umount2 pivot_root pidfd_getfd process_madvise keyctl add_key request_key bpf"
    " perf_event_open userfaultfd open_by_handle_at kcmp move_pages mbind set_mempolicy reboot swapon acct"
    " init_module finit_module delete_module clock_settime settimeofday personality"
)
"""What Docker's default profile refuses to a container without added capabilities, of what concerns a sandbox."""


def _install(code: bytes, flags: int = 0) -> int:
    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_uint16), ("code", ctypes.c_char_p))

    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    return kernel.syscall("seccomp", 1, flags, ctypes.byref(Program(len(code) // 8, code)))


def _refuse_new_namespaces() -> None:
    clone = kernel.syscall_numbers()["clone"]
    rows = (
        (0x20, 0, 0, 0),
        (0x15, 0, 3, clone),
        (0x20, 0, 0, 16),
        (0x45, 0, 1, _NEW_NAMESPACE),
        (0x06, 0, 0, 0x00050000 | errno.EPERM),
        (0x06, 0, 0, 0x7FFF0000),
    )
    _install(b"".join(struct.pack("=HBBI", *row) for row in rows))
    _install(refusing(platform.machine(), ("clone3",), errno.ENOSYS))


def no_proc() -> None:
    """As in a container that hides parts of ``/proc``: nobody may mount another one, whatever namespaces he has."""
    rows = (
        (0x20, 0, 0, 0),
        (0x15, 0, 3, kernel.syscall_numbers()["mount"]),
        (0x20, 0, 0, 16 + 8 * 3),
        (0x15, 0, 1, kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC),
        (0x06, 0, 0, 0x00050000 | errno.EPERM),
        (0x06, 0, 0, 0x7FFF0000),
    )
    _install(b"".join(struct.pack("=HBBI", *row) for row in rows))


def bare_user_namespaces() -> None:
    """As Ubuntu 24.04 for programs without a profile: a user namespace is made, and no right comes with it.

    Landlock's own doing: it refuses writing below ``/proc``, and so the maps, and mounting to whom it holds.
    """
    rules = ctypes.c_uint64(_LANDLOCK_WRITE_FILE)
    handle = kernel.syscall("landlock_create_ruleset", ctypes.byref(rules), ctypes.sizeof(rules), 0)
    for place in ("/tmp", "/dev", "/var/tmp"):
        landlock.granting(handle, place, _LANDLOCK_WRITE_FILE, landlock.ABI_FLOOR)()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.syscall("landlock_restrict_self", handle, 0)


def no_mounts() -> None:
    """As below an AppArmor profile that lets user namespaces be made and mapped, and refuses every mount."""
    _install(refusing(platform.machine(), ("mount",), errno.EPERM))


def no_reading_by_call() -> None:
    """As in containers of Docker before version 23: memory of children can be read as a file alone."""
    _install(refusing(platform.machine(), ("process_vm_readv", "process_vm_writev"), errno.EPERM))


def docker() -> None:
    """No namespaces, and no system call that a container has no right to; user notification and Landlock are there."""
    _refuse_new_namespaces()
    _install(refusing(platform.machine(), tuple(DOCKER_REFUSES.split()), errno.EPERM))


def no_namespaces() -> None:
    """As with ``user.max_user_namespaces=0`` or AppArmor's restriction, for root too."""
    _refuse_new_namespaces()
    _install(refusing(platform.machine(), ("unshare", "setns"), errno.EPERM))


def no_landlock() -> None:
    """As a kernel that was built or started without Landlock."""
    _install(refusing(platform.machine(), ("landlock_create_ruleset",), errno.ENOSYS))


def older_landlock() -> None:
    """As before Linux 6.12, whose Landlock lets signals out."""
    landlock.abi = lambda: 4


def busy() -> None:
    """As below another supervisor: WSL2 with mirrored networking, LXC with notifications, another sandbox."""
    _listeners.append(_install(struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000), 8))


def no_tracing() -> None:
    """As inside another sandbox of x07, or with Yama's strictest setting."""
    _install(refusing(platform.machine(), ("ptrace",), errno.EPERM))


def _engine(name: str) -> None:
    """As in a default container of an engine: its published filter, and root's rights as far as it leaves them."""
    engines.keep_capabilities(name)
    _install(engines.profile(name))


ENVIRONMENTS = {
    one.__name__: one
    for one in (
        *(bare_user_namespaces, no_mounts, no_reading_by_call),
        *(docker, no_namespaces, no_landlock, older_landlock, no_proc, busy, no_tracing),
    )
} | {f"{name} profile": partial(_engine, name) for name in engines.ENGINES}
