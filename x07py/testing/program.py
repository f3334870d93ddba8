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
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py.errors import RunError, X07Error
from x07py.testing.cassette import use_cassette

if TYPE_CHECKING:
    from collections.abc import Sequence

_VARIABLE = "X07_RR_EXEC"
_POLL_S = 0.05


def run_program(
    command: Sequence[str], options: dict[str, Any], *, until_idle_s: float | None
) -> tuple[int, X07Error | None]:
    """Run a Python program on a cassette and return its exit code and what was wrong with the cassette, if anything.

    Args:
        command: the command line; its first word is looked up in PATH.
        options: name, mode and other arguments of `use_cassette` that are JSON.
        until_idle_s: interrupt the program, as Ctrl-C does, when it has not used the cassette for so many seconds.

    Raises:
        RunError: ``X07RUN_EXEC`` if the command cannot be started, or is no Python that reads its environment.
    """
    with tempfile.TemporaryDirectory(prefix="x07-exec-") as folder:
        report = Path(folder) / "report.json"
        path = os.pathsep.join([str(Path(__file__).parent / "inject"), *filter(None, [os.environ.get("PYTHONPATH")])])
        order = {"options": options, "report": str(report), "until_idle_s": until_idle_s}
        try:
            program = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path, _VARIABLE: json.dumps(order)})
        except OSError as error:
            raise _cannot_run(command, error.strerror or str(error)) from None
        code = _wait(program)
        if not report.exists():
            raise _cannot_run(command, f"it ended with {code} and never opened the cassette")
        found = json.loads(report.read_text(encoding="utf-8"))
    if found["state"] == "open":
        why = f"the program ended with {code} and did not close its cassette"
        return code, RunError("X07RUN_EXEC", why, hint="x07 rr recover keeps what was recorded")
    return code, X07Error(**found["error"]) if found["error"] else None


def _wait(program: subprocess.Popen[bytes]) -> int:
    """Wait for the program; Ctrl-C reaches it too, and it decides what to do."""
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return program.wait()


def _cannot_run(command: Sequence[str], why: str) -> RunError:
    return RunError(
        "X07RUN_EXEC",
        f"cannot run {command[0]} on a cassette: {why}",
        hint="name a Python program, for example: x07 rr exec --cassette a.x07rr.bin -- python shop.py",
    )


def start_from_environment(folder: str) -> None:
    """Open the cassette that `run_program` names, for the rest of this process; its children run without one."""
    text = os.environ.pop(_VARIABLE, None)
    if text is None:
        return
    rest = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part and part != folder]
    os.environ["PYTHONPATH"] = os.pathsep.join(rest)
    if not rest:
        del os.environ["PYTHONPATH"]
    order = json.loads(text)
    report = Path(order["report"])
    try:
        cassette = use_cassette(**order["options"])
        cassette.__enter__()
    except X07Error as error:
        _write(report, "closed", error)
        os._exit(125)
    _write(report, "open", None)
    atexit.register(_finish, cassette, report)
    if order["until_idle_s"] is not None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job, which nothing would end
            signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=_interrupt, args=(cassette, order["until_idle_s"]), daemon=True).start()


def _finish(cassette: use_cassette, report: Path) -> None:
    error = None
    try:
        cassette.__exit__(None, None, None)
    except X07Error as failure:
        error = failure
    sys.stdout.flush()
    _write(report, "closed", error)


def _write(report: Path, state: str, error: X07Error | None) -> None:
    told = None
    if error is not None:
        told = {"code": error.code, "message": error.message, "where": error.where, "hint": error.hint}
    report.write_text(json.dumps({"state": state, "error": told}), encoding="utf-8")


def _interrupt(cassette: use_cassette, idle_s: float) -> None:
    """Send SIGINT, as a terminal does, once nothing has happened for a while; again each time that is not enough.

    The while begins when the program makes its first client, because before that it imports and starts. Time in which
    the program itself stood still, as on a machine that hangs, counts for next to nothing.
    """
    idle, seen = 0.0, cassette.last_activity
    while True:
        began = time.monotonic()
        time.sleep(_POLL_S)
        used = cassette.last_activity
        idle = idle + min(time.monotonic() - began, 2 * _POLL_S) if used == seen and used is not None else 0.0
        seen = used
        if idle > idle_s:
            idle = 0.0
            os.kill(os.getpid(), signal.SIGINT)
