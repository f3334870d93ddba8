"""The first process of a sandbox: it reaps what ends, reports how the program ended, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
from typing import TYPE_CHECKING, NoReturn

from x07py.sandbox import kernel
from x07py.sandbox.tracer import WAIT_ALL

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from x07py.sandbox.tracer import Tracer

STATUS = struct.Struct("=iddq")
_ORPHANED = int(signal.SIGRTMIN)
_AWAITED = (int(signal.SIGCHLD), _ORPHANED)


def dying_with_launcher() -> Callable[[], int]:
    """Return what makes the launcher's end that of the first process of a process namespace, and so everybody's."""
    return kernel.prepared("prctl", kernel.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def watching_launcher() -> tuple[Callable[[], int], ...]:
    """Return, for a first process without namespaces, what tells it of the launcher's end and gives it all orphans."""
    awaited = ctypes.c_uint64(sum(1 << (number - 1) for number in _AWAITED))
    return (
        kernel.prepared("prctl", kernel.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0),
        kernel.prepared("rt_sigprocmask", signal.SIG_BLOCK, ctypes.byref(awaited), None, ctypes.sizeof(awaited)),
        kernel.prepared("prctl", kernel.PR_SET_PDEATHSIG, _ORPHANED, 0, 0, 0),
    )


def serve(program: int, control: socket.socket, tracer: Tracer | None, *, alone: bool) -> NoReturn:
    """Reap until `program` has ended or the launcher has, then end everything; `tracer` serves what it traces."""
    while True:
        if not alone:
            seen = signal.sigwaitinfo(_AWAITED)
            if seen.si_signo == _ORPHANED:
                break
        if _reap(program, control, tracer, block=alone):
            break
    if not alone:
        sweep(set())
    os._exit(0)


def _reap(program: int, control: socket.socket, tracer: Tracer | None, *, block: bool) -> bool:
    """Reap what has ended; True once the program itself has."""
    while True:
        try:
            pid, status = os.waitpid(-1, WAIT_ALL | (0 if block else os.WNOHANG))
        except ChildProcessError:
            return True
        if tracer is not None and os.WIFSTOPPED(status):
            tracer.stopped(pid, status)
            continue
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
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 (no pathlib objects after a fork)
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:  # noqa: PTH123
                found |= {int(word) for word in file.read().split()}
    return found


def _tree(pid: int) -> list[int]:
    return [pid] + [below for child in children(pid) for below in _tree(child)]
