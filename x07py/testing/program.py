"""A whole program on a cassette: what ``x07 rr exec`` sets up; `x07py.testing.started` runs inside the program.

The program runs in a Python of its own, with its own command line; a `sitecustomize` module on its path opens the
cassette before its first line and closes it at exit. Running the program inside this process with `runpy` lost: console
scripts, ``python -m`` and the interpreters of other environments would each need a way of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py.errors import RunError, X07Error
from x07py.files import MANIFEST_BYTES, load_json, read_file
from x07py.printing import terminal
from x07py.testing.ended import Ended
from x07py.testing.interpreters import opens_cassette
from x07py.testing.natives import Natives
from x07py.testing.order import INJECT, ORDER

if TYPE_CHECKING:
    from collections.abc import Sequence

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def run_program(command: Sequence[str], options: dict[str, Any], *, until_idle_s: float | None) -> Ended:
    """Run a program on a cassette.

    A Python that has x07py opens the cassette itself, and its clients' own TLS is seen through. Of any other program
    the kernel hands the connections over; see `run_any_program`. So it does of a Python program in which gevent or
    eventlet replaces Python's sockets: that is started anew when it begins to, before it has used a broker.

    Args:
        command: the command line; its first word is looked up in PATH.
        options: name, mode and other arguments of `use_cassette` that are JSON.
        until_idle_s: interrupt the program, as Ctrl-C does, when it has not used the cassette for so many seconds.

    Raises:
        RunError: ``X07RUN_EXEC`` if the command cannot be started, is a Python that does not read its environment, or
            the kernel does not hand its connections over.
        X07Error: the cassette cannot be opened.
    """
    program_file = shutil.which(command[0])
    if program_file is None:
        raise _cannot_run(command, "there is no such program")
    if not opens_cassette(Path(program_file), command[1:]):
        return _by_kernel(program_file, command, options, until_idle_s)
    with tempfile.TemporaryDirectory(prefix="x07-exec-") as folder:
        report = Path(folder) / "report.json"
        path = os.pathsep.join([INJECT, *filter(None, [os.environ.get("PYTHONPATH")])])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = {"parent": os.getpid(), "options": options, "report": str(report), "until_idle_s": until_idle_s}
        natives = Natives(ours, options.get("passthrough", ()))
        try:
            env = {**os.environ, "PYTHONPATH": path, ORDER: json.dumps({**order, "natives": theirs.fileno()})}
            program = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()])
        except OSError as failure:
            raise _cannot_run(command, failure.strerror or str(failure)) from None
        finally:
            theirs.close()
        code = _wait(program)
        natives.close()
        if not report.exists():
            raise _cannot_run(command, f"it ended with {code} and never opened the cassette")
        found = load_json(read_file(report, limit=MANIFEST_BYTES))
    if found["state"] == "by kernel":
        return _by_kernel(program_file, command, options, until_idle_s)
    if found["state"] == "open":
        why = f"the program ended with {code} and did not close its cassette"
        return Ended(code, RunError("X07RUN_EXEC", why, hint="x07 rr recover keeps what was recorded"), "")
    sys.stderr.write(terminal(f"x07: {found['summary']}\n") if found["summary"] else "")
    error = X07Error(**found["error"]) if found["error"] else natives.error
    return Ended(code, error, found["summary"]).without_news()


def _by_kernel(program: str, command: Sequence[str], options: dict[str, Any], until_idle_s: float | None) -> Ended:
    from x07py.testing.any_program import run_any_program
    from x07py.testing.cassette import use_cassette

    return run_any_program([program, *command[1:]], use_cassette(**options), until_idle_s=until_idle_s)


def _wait(program: subprocess.Popen[bytes]) -> int:
    """Wait for the program; signals that ask this process to end are passed on, and the program decides what to do.

    A terminal sends Ctrl-C to both, so that one is not.
    """
    before = {number: signal.signal(number, lambda got, _: program.send_signal(got)) for number in _PASSED_ON}
    try:
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return program.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cannot_run(command: Sequence[str], why: str) -> RunError:
    return RunError(
        "X07RUN_EXEC",
        f"cannot run {command[0]} on a cassette: {why}",
        hint="give a program and its arguments, for example: x07 rr exec --cassette a.x07rr.bin -- python shop.py",
    )
