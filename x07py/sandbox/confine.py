"""The child's side: limits, capabilities, Landlock, and at last the filter and ``execve``.

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
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

from x07py.sandbox import kernel, landlock, namespaces, procs, reaper, relay, vdso
from x07py.sandbox.filter import Wanted, build
from x07py.sandbox.network import Rules, endpoints
from x07py.sandbox.tracer import Gate, Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from x07py.sandbox.answers import Access

EXIT_CANNOT = 125
TOLD = 100
"""Number of the descriptor that a program tells about itself through; the same in every run."""

_SECCOMP_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 1, 8, 32
_FIXED_LAYOUT = 0x0040000
_RESET = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, and its children would."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds a process; None is no bound. Seconds and bytes; `memory` is address space.

    `processes` bounds the processes and threads of all together.
    """

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
        relay: connections through relays in the network namespace, instead of the supervisor.
        require: layers without which it must not run, of ``layers.LAYERS``.
        accept_weaker: run also where a layer is missing that nothing stands in for.
        on_access: called with each decision about an access, before it takes effect.
        told: a descriptor that the program gets as number `TOLD`, to tell about itself; None for none.
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
    relay: bool = False
    require: tuple[str, ...] = ()
    accept_weaker: bool = False
    on_access: Callable[[Access], None] | None = None
    told: int | None = None


def enter(
    spec: Confinement, control: socket.socket, mask: set[signal.Signals], *, alone: bool, group: str | None
) -> NoReturn:
    """Be the first process of the sandbox, and the parent of the program; never returns.

    Args:
        spec: what the program gets.
        control: the socket to the launcher.
        mask: blocked signals that the program starts with.
        alone: whether this process has namespaces of its own.
        group: control group that bounds the number of processes, or None.
    """
    try:
        if group is not None:
            procs.join(group)
        named = not alone or _furnish(spec, control)
        reaper.die_with_launcher(alone=alone)
        tracer = None
        if spec.relay:
            program, tracer = _fork_traced(spec, control, mask, named=named)
        elif alone and spec.seed is None and spec.limits.memory is None:
            program = _spawn(spec, control, mask)
        else:
            program = _fork(spec, control, mask)
        _hand_over(control, b"B", [os.pidfd_open(program)])
        reaper.serve(program, control, tracer, alone=alone)
    except BaseException as error:  # noqa: BLE001 (nothing may escape into the parent's code)
        with contextlib.suppress(OSError):
            control.send(b"E" + f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(EXIT_CANNOT)


def _furnish(spec: Confinement, control: socket.socket) -> bool:
    """Make the namespaces what the program shall see, and hand the relays' listeners to the launcher.

    Returns:
        Whether ``/proc`` shows the sandbox's own processes.
    """
    proc = namespaces.furnish(spec.hosts)
    if "proc" in spec.require and proc != "own":
        raise OSError(f"--require-layer proc: {proc}")
    control.send(b"P" + proc.encode())
    if spec.relay:
        listeners = relay.listen_inside(endpoints(spec.connect) or ())
        _hand_over(control, b"R", [one.fileno() for one in listeners])
    return proc == "own"


def _hand_over(control: socket.socket, kind: bytes, handles: list[int]) -> None:
    control.sendmsg([kind], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", handles))])


def _spawn(spec: Confinement, control: socket.socket, mask: set[signal.Signals]) -> int:
    """Confine this process itself, then start the program, which takes no second copy of this process's memory.

    Only where nothing inside can stop this process, as first process of its namespace; and not under a bound on memory,
    which this process may exceed already.
    """
    _confine(spec, control)
    try:
        return os.posix_spawn(spec.argv[0], spec.argv, spec.env, setsigmask=mask, setsigdef=_RESET)
    except OSError as error:
        control.send(b"X" + str(error.errno).encode())
        os._exit(EXIT_CANNOT)


def _fork(spec: Confinement, control: socket.socket, mask: set[signal.Signals]) -> int:
    """Fork a process that confines itself and becomes the program; this process stays out of its reach."""
    if spec.seed is not None:
        namespaces.far_ahead()
    program = kernel.fork()
    if program == 0:
        _become(spec, control, mask)
    if spec.seed is not None:
        vdso.hide(program)
    return program


def _fork_traced(
    spec: Confinement, control: socket.socket, mask: set[signal.Signals], *, named: bool
) -> tuple[int, Tracer | None]:
    """As `_fork`, and trace the program where that is allowed, to tell what is refused."""
    gate = Gate()
    program = kernel.fork()
    if program == 0:
        _become(replace(spec, wanted=replace(spec.wanted, traced=gate.wait())), control, mask)
    untraced = gate.open(program)
    control.send(b"T" + untraced.encode())
    return program, None if untraced else Tracer(spec.connect, control, named=named)


def _become(spec: Confinement, control: socket.socket, mask: set[signal.Signals]) -> NoReturn:
    try:
        for one in _RESET:
            signal.signal(one, signal.SIG_DFL)
        if spec.seed is not None:
            kernel.syscall("personality", _FIXED_LAYOUT)
            vdso.ask_for_it()
        _confine(spec, control)
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


def _confine(spec: Confinement, control: socket.socket) -> None:
    """Give up everything but what the program may have, and hand the filter's listener to the launcher."""
    os.chdir(spec.cwd)
    if spec.told is not None:
        os.dup2(spec.told, TOLD)
    _bound(spec.limits)
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    program = ctypes.create_string_buffer(build(platform.machine(), spec.wanted))
    version = landlock.abi()
    if version >= landlock.ABI_FLOOR:  # else the user has accepted to do without
        ports = [one.port for one in endpoints(spec.connect) or ()] if spec.relay else ()
        landlock.restrict(spec.paths, version, ports)
    kernel.mark_close_on_exec(3)
    if spec.told is not None:
        os.set_inheritable(TOLD, True)
    if spec.relay:
        _install(program, 0)
        control.send(b"F")
        return
    try:
        listener = _install_with_listener(program, only_killable=spec.seed is not None)
    except OSError as error:
        control.send(b"N" + str(error.errno).encode())
        os._exit(EXIT_CANNOT)
    _hand_over(control, b"L", [listener])
    os.close(listener)


def _bound(limits: Limits) -> None:
    wanted = (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NPROC, None if limits.processes is None else limits.processes + 1),
    )
    for which, value in wanted:
        if value is not None:
            hard = resource.getrlimit(which)[1]
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (bound, bound))


def _install(program: ctypes.Array[ctypes.c_char], flags: int) -> int:
    """Install the filter; return its listener if `flags` ask for one."""

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_uint16), ("code", ctypes.c_void_p))

    filter_ = Filter((len(program) - 1) // 8, ctypes.addressof(program))
    return kernel.syscall("seccomp", _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(filter_))


def _install_with_listener(program: ctypes.Array[ctypes.c_char], *, only_killable: bool) -> int:
    """Install the filter and return its listener; without killable waits (before Linux 5.19) only if that will do."""
    try:
        return _install(program, _NEW_LISTENER | _WAIT_KILLABLE)
    except OSError as error:
        if error.errno != errno.EINVAL or only_killable:
            raise
        return _install(program, _NEW_LISTENER)
