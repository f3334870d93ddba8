"""A whole program on a cassette: what ``x07 rr exec`` sets up and what runs inside the program.

The program runs in a Python of its own, with its own command line; a `sitecustomize` module on its path opens the
cassette before its first line and closes it at exit. Running the program inside this process with `runpy` lost: console
scripts, ``python -m`` and the interpreters of other environments would each need a way of their own.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py.errors import RunError, X07Error
from x07py.files import MANIFEST_BYTES, load_json, read_file
from x07py.printing import terminal
from x07py.testing.cassette import use_cassette
from x07py.testing.children import INJECT, join_parent
from x07py.testing.ended import Ended
from x07py.testing.ending import end_with_parent
from x07py.testing.idleness import interrupt_when_idle
from x07py.testing.interpreters import opens_cassette
from x07py.testing.natives import Natives, be_handed_over
from x07py.testing.network import leave_network
from x07py.testing.starts import Starts
from x07py.wire.waiting import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

_VARIABLE = "X07_RR_EXEC"
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
            env = {**os.environ, "PYTHONPATH": path, _VARIABLE: json.dumps({**order, "natives": theirs.fileno()})}
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


def start_from_environment(folder: str) -> None:
    """Open the cassette that `run_program` names, for the rest of this process; its children join it."""
    text = os.environ.pop(_VARIABLE, None)
    if text is None:
        join_parent()
        return
    rest = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part and part != folder]
    os.environ["PYTHONPATH"] = os.pathsep.join(rest)
    if not rest:
        del os.environ["PYTHONPATH"]
    order = load_json(text)
    report = Path(order["report"])
    _die_with(order["parent"])
    sys.excepthook = _tell_of_ours
    try:
        cassette = use_cassette(**order["options"])
        held = leave_network() if _can_be_held(cassette) else None
        cassette.on_replaced = partial(_start_by_kernel, cassette, report)
        cassette.__enter__()
    except X07Error as error:
        _write(report, "closed", error, "")
        os._exit(125)
    unseen = be_handed_over(order["natives"])
    cassette.natives_are_handed_over = not unseen
    _write(report, "open", None, "")
    network = partial(_network, cassette, held, unseen, Starts() if unseen else None)
    atexit.register(_finish, cassette, report, os.getpid(), network)
    if order["until_idle_s"] is not None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job, which nothing would end
            signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=_interrupt, args=(cassette, order["until_idle_s"]), daemon=True).start()


def _start_by_kernel(cassette: use_cassette, report: Path) -> None:
    """End this process, whose sockets become another library's, for `run_program` to start the program anew."""
    cassette.keep_as_partial()
    cassette.session.__exit__(None, None, None)
    _write(report, "by kernel", None, "")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _die_with(parent: int) -> None:
    """Let the kernel end this process when the one that started it is gone."""
    end_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def _tell_of_ours(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell of the cassette's own errors without a traceback; they are no fault in the program's code."""
    if isinstance(error, X07Error):
        sys.stderr.write(f"{error}\n")
    else:
        sys.__excepthook__(kind, error, trace)


def _can_be_held(cassette: use_cassette) -> bool:
    """Tell whether the program needs no network: it replays, and no address is named that it may reach."""
    replays = cassette.mode == "none" or (cassette.mode == "once" and cassette.path.exists())
    return replays and not cassette.passthrough


def _finish(cassette: use_cassette, report: Path, pid: int, network: Callable[[], str]) -> None:
    if os.getpid() != pid:
        return
    error = None
    try:
        cassette.__exit__(None, None, None)
    except X07Error as failure:
        error = failure
    sys.stdout.flush()
    _write(report, "closed", error, f"{cassette.summary}; {network()}")


def _network(cassette: use_cassette, held: str | None, unseen: str, starts: Starts | None) -> str:
    """Say what holds the program off the network, and who sees what connects past Python's sockets.

    Args:
        cassette: the program's.
        held: empty if the kernel holds a replay in a namespace, else why not; None where it is not to.
        unseen: why the kernel does not hand over what connects; empty if it does.
        starts: what the program has started that nobody sees, where the kernel does not.
    """
    if held == "":
        return "network: none (kernel namespace)"
    if cassette.session.mode.records:
        rest = "this process's connections" if unseen else "what else connects"
        seen = f"open; seen are Python's sockets and {rest}"
    else:
        what = f"{', '.join(cassette.passthrough)} alone" if cassette.passthrough else "refused"
        seen = f"{what}, in Python's sockets {'alone' if unseen else 'and past them'}"
    others = f"; not seen are those of {', '.join(starts.unseen)}" if starts and starts.unseen else ""
    return f"network: {seen} (kernel: {unseen or held or 'hands over'}){others}"


def _write(report: Path, state: str, error: X07Error | None, summary: str) -> None:
    told = None
    if error is not None:
        told = {"code": error.code, "message": error.message, "where": error.where, "hint": error.hint}
    report.write_text(json.dumps({"state": state, "error": told, "summary": summary}), encoding="utf-8")


def _interrupt(cassette: use_cassette, idle_s: float) -> None:
    """Send SIGINT, as a terminal does, when the program is idle; before its first client it imports and starts."""
    is_ours()
    interrupt_when_idle(
        lambda: cassette.last_activity, idle_s, lambda: os.kill(os.getpid(), signal.SIGINT), threading.Event()
    )
