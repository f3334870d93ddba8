"""The child's side: namespaces, an init process, limits, capabilities, Landlock, and at last the filter and ``execve``.

Runs between ``fork`` and ``execve``. Whatever fails before the parent's consent ends the child, and nothing of the
user's program has run.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from x07py.sandbox import kernel, landlock, vdso
from x07py.sandbox.filter import Wanted, build
from x07py.sandbox.network import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS = struct.Struct("=iddq")
EXIT_CANNOT = 125
_SECCOMP_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 1, 8, 32
_FIXED_LAYOUT = 0x0040000
_ORPHANED = signal.SIGRTMIN


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds a process; None is no bound. Seconds and bytes; `memory` is address space."""

    cpu_seconds: int | None = None
    memory: int | None = None
    open_files: int | None = None
    file_size: int | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class Confinement:
    """All that a confined program gets.

    Args:
        argv: program and arguments; the program is a path.
        env: the whole environment.
        cwd: its working folder.
        paths: Landlock rules, a path and the rights below it.
        connect: where TCP connections may go.
        listen: what it may listen on.
        wanted: what the filter lets through.
        limits: bounds a process.
        hosts: contents of ``/etc/hosts`` for it, or None for the machine's own.
        namespaces: whether to try namespaces at all.
        seed: virtual time and randomness from this seed, and a fixed address layout; None for the real ones.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    paths: tuple[tuple[str, int], ...]
    connect: Rules = field(default_factory=Rules)
    listen: Rules = field(default_factory=Rules)
    wanted: Wanted = field(default_factory=Wanted)
    limits: Limits = field(default_factory=Limits)
    hosts: str | None = None
    namespaces: bool = True
    seed: bytes | None = None


def enter(spec: Confinement, control: socket.socket, mask: set[signal.Signals]) -> NoReturn:
    """Become the first process of the sandbox; never returns."""
    try:
        layers = _isolate(spec) if spec.namespaces else {"namespaces": "absent: not wanted"}
        if os.fork():
            os._exit(0)
        if control.recv(1) != b"P":  # our parent has ended, and the launcher is our parent now
            os._exit(EXIT_CANNOT)
        _init(spec, control, mask, layers)
    except BaseException as error:  # noqa: BLE001 (nothing may escape into the parent's code)
        with contextlib.suppress(OSError):
            control.send(b"E" + f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(EXIT_CANNOT)


def _isolate(spec: Confinement) -> dict[str, str]:
    """Enter what namespaces the machine allows and return what is in force."""
    uid, gid = os.geteuid(), os.getegid()
    wanted = kernel.CLONE_NEWNET | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC
    try:
        if uid == 0:
            kernel.unshare(wanted)
        else:
            raise PermissionError
    except PermissionError:
        try:
            kernel.unshare(wanted | kernel.CLONE_NEWUSER)
        except OSError as error:
            if spec.hosts is not None or spec.seed is not None:
                what = "names that /etc/hosts does not hold" if spec.seed is None else "a repeatable world"
                raise OSError(f"{what} need namespaces: {error.strerror}") from None
            return {"namespaces": f"absent: {error.strerror}"}
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    if spec.hosts is not None:
        _bind_hosts(spec.hosts)
    return {"namespaces": "network, processes, mounts, IPC"}


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _bind_hosts(text: str) -> None:
    kernel.mount("none", "/mnt", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV)
    with open("/mnt/hosts", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    kernel.mount("/mnt/hosts", "/etc/hosts", None, kernel.MS_BIND)
    kernel.syscall("umount2", b"/mnt", 2)


def _init(spec: Confinement, control: socket.socket, mask: set[signal.Signals], layers: dict[str, str]) -> NoReturn:
    """Be the parent of everything in the sandbox: reap, report the program's end, and leave nothing behind."""
    alone = "namespaces" in layers and not layers["namespaces"].startswith("absent")
    if alone:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        try:
            kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
            layers["proc"] = "own"
        except OSError as error:
            layers["proc"] = f"absent: {error.strerror}"
    else:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        signal.pthread_sigmask(signal.SIG_BLOCK, {_ORPHANED, signal.SIGCHLD})
        kernel.prctl(kernel.PR_SET_PDEATHSIG, _ORPHANED)
        layers["processes"] = "subreaper"
    control.send(b"I" + repr(sorted(layers.items())).encode())
    program = os.fork()
    if program == 0:
        _become(spec, control, mask)
    if spec.seed is not None:
        vdso.hide(program)
    while True:
        if not alone:
            seen = signal.sigwaitinfo({signal.SIGCHLD, _ORPHANED})
            if seen.si_signo == _ORPHANED:
                break
        if _reap(program, control, block=alone):
            break
    if not alone:
        sweep(set())
    os._exit(0)


def _reap(program: int, control: socket.socket, *, block: bool) -> bool:
    """Reap what has ended; True once the program itself has."""
    while True:
        try:
            pid, status, _ = os.wait4(-1, 0 if block else os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == program:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            with contextlib.suppress(OSError):
                control.send(b"S" + STATUS.pack(status, used.ru_utime, used.ru_stime, used.ru_maxrss))
            return True
        if pid == 0:
            return False


def sweep(spared: set[int]) -> None:
    """Kill every descendant of this process but `spared`, and reap them, until none is left."""
    while True:
        living = children(os.getpid()) - spared
        for child in living:
            for pid in _tree(child):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        for child in living:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
        if not living:
            return


def children(pid: int) -> set[int]:
    """Return the processes whose parent is `pid`, whichever of its threads started them."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:  # noqa: PTH123
                found |= {int(word) for word in file.read().split()}
    return found


def _tree(pid: int) -> list[int]:
    return [pid] + [below for child in children(pid) for below in _tree(child)]


def _become(spec: Confinement, control: socket.socket, mask: set[signal.Signals]) -> NoReturn:
    """Give up everything, then become the program."""
    try:
        for one in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(one, signal.SIG_DFL)
        os.chdir(spec.cwd)
        _bound(spec.limits)
        if spec.seed is not None:
            kernel.syscall("personality", _FIXED_LAYOUT)
            vdso.ask_for_it()
        kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        program = ctypes.create_string_buffer(build(platform.machine(), spec.wanted))
        landlock.restrict(spec.paths, landlock.abi())
        kernel.mark_close_on_exec(3)
        listener = _install(program, only_killable=spec.seed is not None)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))]
        control.sendmsg([b"L"], rights)
        os.close(listener)
        if control.recv(1) != b"G":
            os._exit(EXIT_CANNOT)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            os.execve(spec.argv[0], spec.argv, spec.env)  # noqa: S606 (no shell is what is wanted)
        except OSError as error:
            control.send(b"X" + str(error.errno).encode())
    except BaseException as error:  # noqa: BLE001
        with contextlib.suppress(OSError):
            control.send(b"E" + f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(EXIT_CANNOT)


def _bound(limits: Limits) -> None:
    wanted = (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NPROC, limits.processes),
    )
    for which, value in wanted:
        if value is not None:
            hard = resource.getrlimit(which)[1]
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (bound, bound))


def _install(program: ctypes.Array[ctypes.c_char], *, only_killable: bool) -> int:
    """Install the filter and return its listener; without killable waits (before Linux 5.19) only if that will do."""

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_uint16), ("code", ctypes.c_void_p))

    filter_ = Filter((len(program) - 1) // 8, ctypes.addressof(program))
    try:
        return kernel.syscall(
            "seccomp", _SECCOMP_SET_MODE_FILTER, _NEW_LISTENER | _WAIT_KILLABLE, ctypes.byref(filter_)
        )
    except OSError as error:
        if error.errno != errno.EINVAL or only_killable:
            raise
        return kernel.syscall("seccomp", _SECCOMP_SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(filter_))
