"""The first process of a sandbox: it reaps what ends, reports how the program ended, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import struct
from typing import TYPE_CHECKING, NoReturn

from x07py.sandbox import kernel
from x07py.sandbox.tracer import WAIT_ALL

if TYPE_CHECKING:
    import socket

    from x07py.sandbox.tracer import Tracer

STATUS = struct.Struct("=iddq")
_ORPHANED = signal.SIGRTMIN


def die_with_launcher(*, alone: bool) -> None:
    """See to it that the launcher's end ends this process, and with it, or by it, everything below.

    Args:
        alone: whether this is the first process of a process namespace, whose end the kernel makes everybody's.
    """
    if alone:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {_ORPHANED, signal.SIGCHLD})
    kernel.prctl(kernel.PR_SET_PDEATHSIG, _ORPHANED)


def serve(program: int, control: socket.socket, tracer: Tracer | None, *, alone: bool) -> NoReturn:
    """Reap until `program` has ended or the launcher has, then end everything; `tracer` serves what it traces."""
    while True:
        if not alone:
            seen = signal.sigwaitinfo({signal.SIGCHLD, _ORPHANED})
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
            pid, status, _ = os.wait4(-1, WAIT_ALL | (0 if block else os.WNOHANG))
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
