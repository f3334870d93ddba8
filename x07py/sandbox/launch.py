"""The parent's side: start a confined program, serve its calls, pass signals on, and let nothing survive."""

from __future__ import annotations

import array
import ast
import contextlib
import errno
import os
import platform
import signal
import socket
import stat
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from x07py.errors import RunError
from x07py.sandbox import confine, kernel, landlock
from x07py.sandbox.confine import STATUS, Confinement
from x07py.sandbox.filter import build
from x07py.sandbox.supervisor import Denial, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

_HAND_OVER_SECONDS = 10.0
GRACE_SECONDS = 2.0
FROM_TERMINAL = 0x80
FORWARDED = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
    signal.SIGTSTP,
}


@dataclass(slots=True)
class Outcome:
    """How a confined program ended.

    Args:
        status: its wait status, as ``os.waitstatus_to_exitcode`` gives it: the exit code, or minus the signal.
        timed_out: whether the time limit ended it.
        denials: calls that were refused.
        connects: connections that were made for it.
        layers: what was in force.
        cpu_seconds: user and system time of all its processes.
        memory: most memory that one of its processes held, bytes.
        seconds: how long it ran.
    """

    status: int
    timed_out: bool
    denials: list[Denial]
    connects: int
    layers: dict[str, str]
    cpu_seconds: float
    memory: int
    seconds: float


@dataclass(slots=True)
class _Running:
    control: socket.socket
    init: int = 0
    program: int = 0
    layers: dict[str, str] = field(default_factory=dict)
    before: set[int] = field(default_factory=set)


def run(
    spec: Confinement,
    *,
    timeout: float | None = None,
    on_denied: Callable[[Denial], None] | None = None,
) -> Outcome:
    """Run a program confined, with this process's standard streams, and wait for its end.

    Must be called from the main thread of a process without other threads.

    Args:
        spec: what it gets.
        timeout: seconds; then it gets SIGTERM, and SIGKILL two seconds later, with all that it started.
        on_denied: called at the first denial of each target, from a thread.

    Raises:
        RunError: ``X07RUN_CANNOT_CONFINE`` if the machine cannot enforce this; ``X07RUN_STDIO_SOCKET``;
            ``X07RUN_NOT_EXECUTABLE`` if the program cannot be started.
    """
    check_machine()
    _check_streams()
    build(platform.machine(), spec.wanted)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED | {signal.SIGCHLD})
    running: _Running | None = None
    try:
        running = _start(spec, {signal.Signals(one) for one in mask})
        supervisor = _hand_over(running, spec, on_denied)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        started = time.monotonic()
        running.control.send(b"G")
        return _wait(running, supervisor, started, timeout)
    except OSError as error:
        raise _cannot(f"{error.strerror or error} (is this a sandbox already?)", "run x07 outside of it") from None
    finally:
        if running is not None:
            _end(running)
        while signal.sigtimedwait({signal.SIGCHLD}, 0):
            continue
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def check_machine() -> None:
    """Refuse a machine on which the confinement would be weaker than promised.

    Raises:
        RunError: ``X07RUN_CANNOT_CONFINE``.
    """
    if not kernel.syscall_numbers():
        raise _cannot("there is no system call table for this machine type", "run on x86_64 or aarch64")
    version = landlock.abi()
    if version < landlock.ABI_FLOOR:
        why = f"Landlock ABI {version} (needs {landlock.ABI_FLOOR}) leaves files and other processes open"
        raise _cannot(why, "use Linux 6.2 or later with Landlock enabled (lsm=landlock,...)")


def _cannot(why: str, hint: str) -> RunError:
    return RunError(
        "X07RUN_CANNOT_CONFINE", f"this machine cannot enforce the sandbox: {why}; nothing was run", hint=hint
    )


def _check_streams() -> None:
    for handle in (0, 1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(handle).st_mode):
                with socket.socket(fileno=os.dup(handle)) as stream:
                    if stream.family != socket.AF_UNIX or stream.type != socket.SOCK_STREAM:
                        raise RunError(
                            "X07RUN_STDIO_SOCKET",
                            f"standard stream {handle} is a network socket, which would bypass the allowlist",
                            hint="give the program a file, a pipe or a terminal",
                        )


def _start(spec: Confinement, mask: set[signal.Signals]) -> _Running:
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    ours.settimeout(_HAND_OVER_SECONDS)
    before = confine.children(os.getpid())
    first = os.fork()
    if first == 0:
        ours.close()
        confine.enter(spec, theirs, mask)
    theirs.close()
    os.waitpid(first, 0)
    ours.send(b"P")
    return _Running(ours, before=before)


def _receive(running: _Running) -> tuple[bytes, int, list[int]]:
    """Return one message of the sandbox, the process that sent it, and descriptors that came with it."""
    try:
        data, extra, _, _ = running.control.recvmsg(4096, socket.CMSG_SPACE(12) + socket.CMSG_SPACE(4))
    except TimeoutError:
        raise _cannot(f"the child did not answer within {_HAND_OVER_SECONDS:.0f} s", "try again") from None
    pid, handles = 0, array.array("i")
    for _, kind, content in extra:
        if kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("=3i", content)[0]
        elif kind == socket.SCM_RIGHTS:
            handles.frombytes(content)
    return data, pid, list(handles)


def _hand_over(running: _Running, spec: Confinement, on_denied: Callable[[Denial], None] | None) -> Supervisor:
    while True:
        data, pid, handles = _receive(running)
        if data[:1] == b"I":
            running.init = pid
            running.layers = dict(ast.literal_eval(data[1:].decode()))
        elif data[:1] == b"L":
            running.program = pid
            break
        else:
            raise _cannot(
                data[1:].decode(errors="replace") or "the child ended early", "`x07 doctor` tells what is there"
            )
    supervisor = Supervisor(handles[0], connect=spec.connect, listen=spec.listen, seed=spec.seed, on_denied=on_denied)
    version = landlock.abi()
    running.layers |= {"seccomp": "filter and supervisor", "landlock": f"ABI {version}"}
    if version < landlock.ABI_SCOPES and running.layers["namespaces"].startswith("absent"):
        raise _cannot(f"without namespaces, Landlock ABI {version} leaves signals open (needs 6)", "use Linux 6.12")
    supervisor.start()
    return supervisor


def _wait(running: _Running, supervisor: Supervisor, started: float, timeout: float | None) -> Outcome:
    """Serve until the program ends; pass signals on; end it at its time limit."""
    deadline = None if timeout is None else started + timeout
    timed_out = False
    running.control.settimeout(None)
    while (left := _next(deadline)) != 0:
        seen = (
            signal.sigtimedwait(FORWARDED | {signal.SIGCHLD}, left)
            if left
            else signal.sigwaitinfo(FORWARDED | {signal.SIGCHLD})
        )
        if seen is None:
            _kill(running.init if timed_out else running.program, signal.SIGKILL if timed_out else signal.SIGTERM)
            deadline = None if timed_out else time.monotonic() + GRACE_SECONDS
            timed_out = True
        elif seen.si_signo != signal.SIGCHLD:
            _forward(running, seen)
        elif _ended(running.init):
            break
    return _outcome(running, supervisor, timed_out, time.monotonic() - started)


def _next(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.001, deadline - time.monotonic())


def _ended(init: int) -> bool:
    try:
        return os.waitpid(init, os.WNOHANG)[0] == init
    except ChildProcessError:
        return True


def _forward(running: _Running, seen: signal.struct_siginfo) -> None:
    """Pass a signal on, unless the terminal has given it to the whole group already; stop when the user stops us."""
    if seen.si_code != FROM_TERMINAL:
        _kill(running.program, seen.si_signo)
    if seen.si_signo == signal.SIGTSTP:
        os.kill(os.getpid(), signal.SIGSTOP)
        _kill(running.program, signal.SIGCONT)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _outcome(running: _Running, supervisor: Supervisor, timed_out: bool, seconds: float) -> Outcome:
    status, user, system, peak = -int(signal.SIGKILL), 0.0, 0.0, 0
    running.control.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while data := _receive(running)[0]:
            if data[:1] == b"X":
                raise _not_started(int(data[1:]))
            if data[:1] == b"S":
                raw, user, system, peak = STATUS.unpack(data[1:])
                status = os.waitstatus_to_exitcode(raw)
    denials = sorted(supervisor.denials.values(), key=lambda one: (one.kind, one.target, one.process))
    return Outcome(status, timed_out, denials, supervisor.connects, running.layers, user + system, peak * 1024, seconds)


def _not_started(code: int) -> RunError:
    return RunError(
        "X07RUN_NOT_EXECUTABLE",
        f"the program could not be started: {os.strerror(code).lower()}",
        hint="check the path and its mode" if code != errno.EACCES else "allow it with --allow-run PATH",
    )


def _end(running: _Running) -> None:
    """Leave nothing behind, whatever happened."""
    if running.init:
        _kill(running.init, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(running.init, 0)
    running.control.close()
    confine.sweep(running.before)
