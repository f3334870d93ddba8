"""What this kernel can enforce, found out by asking it: the files that should tell are wrong in containers and WSL."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import TYPE_CHECKING, TypedDict

from x07py.sandbox.layers import NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Callable

_SET_MODE_FILTER, _NEW_LISTENER, _PR_SET_NO_NEW_PRIVS = 1, 8, 38
_LANDLOCK_VERSION_FLAG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SYS_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_FLOOR = 3


class Feature(TypedDict):
    """One kernel feature: its name, whether it is there, and what was seen."""

    name: str
    available: bool
    detail: str


def kernel_features() -> list[Feature]:
    """Return what the sandbox builds on, whether this kernel, as this user, offers it, and how `x07 run` confines."""
    notification, landlock, namespaces = _seccomp_notification(), _landlock(), _namespaces()
    return [notification, landlock, namespaces, _verdict(notification, landlock, namespaces)]


def expected_layers(features: list[Feature]) -> dict[str, str]:
    """Return what a report's ``layers`` will say of a run in a sandbox here, as far as features tell it."""
    notification, landlock, namespaces, _ = features
    relays = "relays" if namespaces["available"] else notification["detail"]
    found = {
        "seccomp": "filter",
        "supervisor": "connects" if notification["available"] else f"absent: {relays}",
        "landlock": landlock["detail"],
        "namespaces": NAMESPACES,
    }
    for feature in (landlock, namespaces):
        if not feature["available"]:
            found[feature["name"].lower()] = f"absent: {feature['detail']}"
    return found


def _verdict(notification: Feature, landlock: Feature, namespaces: Feature) -> Feature:
    """Tell whether `x07 run` confines here, and how."""
    detail = "connections by the supervisor" if notification["available"] else "connections by relays"
    missing = [] if landlock["available"] else ["Landlock"]
    if not notification["available"] and not namespaces["available"]:
        missing.append("seccomp notification or namespaces")
    if missing:
        detail = f"refused: needs {' and '.join(missing)}"
    elif not namespaces["available"]:
        detail += ", without namespaces"
    return {"name": "x07 run in a sandbox", "available": not missing, "detail": detail}


def _syscall(number: int, *args: object) -> tuple[int, str]:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(number), *args))
    code = ctypes.get_errno()
    return result, "" if result >= 0 else errno.errorcode.get(code, str(code))


def _seccomp_notification() -> Feature:
    """Install a filter with a listener in a child, because another supervisor above shows only then."""
    number = _SYS_SECCOMP.get(platform.machine())
    if number is None:
        return {"name": "seccomp notification", "available": False, "detail": "no table for this machine type"}
    why = _in_child(lambda: _listen(number))
    return {"name": "seccomp notification", "available": not why, "detail": why or "filter with a listener"}


def _listen(number: int) -> int:
    allow_all = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_uint16), ("code", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = ctypes.byref(Filter(1, allow_all))
    return int(libc.syscall(ctypes.c_long(number), _SET_MODE_FILTER, ctypes.c_ulong(_NEW_LISTENER), program))


def _in_child(attempt: Callable[[], int]) -> str:
    """Return the name of the error that `attempt` ends with in a child, or nothing."""
    child = os.fork()
    if child == 0:
        failed = attempt() < 0
        os._exit(ctypes.get_errno() if failed else 0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "" if code == 0 else errno.errorcode.get(code, f"exit {code}")


def _landlock() -> Feature:
    flag = ctypes.c_uint(_LANDLOCK_VERSION_FLAG)
    version, why = _syscall(_SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), flag)
    if version < 0:
        return {"name": "Landlock", "available": False, "detail": why}
    detail = f"ABI {version}" + ("" if version >= _LANDLOCK_FLOOR else f", too old (needs {_LANDLOCK_FLOOR})")
    return {"name": "Landlock", "available": version >= _LANDLOCK_FLOOR, "detail": detail}


def _namespaces() -> Feature:
    """Make namespaces in a child, because only trying tells."""
    user = _in_child(
        lambda: int(ctypes.CDLL(None, use_errno=True).unshare(ctypes.c_int(_CLONE_NEWUSER | _CLONE_NEWNET)))
    )
    own = _in_child(lambda: int(ctypes.CDLL(None, use_errno=True).unshare(ctypes.c_int(_CLONE_NEWNET)))) if user else ""
    detail = (own or "network, as root") if user else "user and network"
    return {"name": "namespaces", "available": not (user and own), "detail": detail}
