"""What this kernel can enforce, found out by asking it: the files that should tell are wrong in containers and WSL."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from typing import TypedDict

_SECCOMP_GET_NOTIF_SIZES = 3
_LANDLOCK_VERSION_FLAG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SYS_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_TCP_ABI = 4


class Feature(TypedDict):
    """One kernel feature: its name, whether it is there, and what was seen."""

    name: str
    available: bool
    detail: str


def kernel_features() -> list[Feature]:
    """Return what the sandbox builds on and whether this kernel, as this user, offers it."""
    return [_seccomp_notification(), _landlock(), _namespaces()]


def _syscall(number: int, *args: object) -> tuple[int, str]:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(number), *args))
    code = ctypes.get_errno()
    return result, "" if result >= 0 else errno.errorcode.get(code, str(code))


def _seccomp_notification() -> Feature:
    number = _SYS_SECCOMP.get(platform.machine())
    if number is None:
        return {"name": "seccomp notification", "available": False, "detail": "no table for this machine type"}
    sizes = (ctypes.c_uint16 * 3)()
    result, why = _syscall(number, ctypes.c_uint(_SECCOMP_GET_NOTIF_SIZES), ctypes.c_uint(0), ctypes.byref(sizes))
    detail = why or f"structure sizes {'/'.join(map(str, sizes))}"
    return {"name": "seccomp notification", "available": result == 0, "detail": detail}


def _landlock() -> Feature:
    flag = ctypes.c_uint(_LANDLOCK_VERSION_FLAG)
    version, why = _syscall(_SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), flag)
    if version < 0:
        return {"name": "Landlock", "available": False, "detail": why}
    detail = f"ABI {version}" + ("" if version >= _LANDLOCK_TCP_ABI else ", too old for TCP rules (4)")
    return {"name": "Landlock", "available": version >= _LANDLOCK_TCP_ABI, "detail": detail}


def _namespaces() -> Feature:
    """Try to make a user and a network namespace in a child, because only trying tells."""
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.unshare(ctypes.c_int(_CLONE_NEWUSER | _CLONE_NEWNET)) != 0
        os._exit(ctypes.get_errno() if failed else 0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    detail = "user and network" if code == 0 else errno.errorcode.get(code, f"exit {code}")
    return {"name": "namespaces", "available": code == 0, "detail": detail}
