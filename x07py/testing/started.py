"""What runs inside a Python that ``x07 rr exec`` started: its cassette, from before its first line to its end."""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.errors import X07Error
from x07py.files import load_json
from x07py.testing.cassette import use_cassette
from x07py.testing.children import join_parent
from x07py.testing.ending import end_with_parent
from x07py.testing.idleness import interrupt_when_idle
from x07py.testing.natives import be_handed_over
from x07py.testing.network import leave_network
from x07py.testing.order import ORDER
from x07py.wire.waiting import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from x07py.testing.starts import Starts


def start_from_environment(folder: str) -> None:
    """Open the cassette that `run_program` names, for the rest of this process; its children join it."""
    text = os.environ.pop(ORDER, None)
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
    network = partial(_network, cassette, held, unseen, _starts() if unseen else None)
    atexit.register(_finish, cassette, report, os.getpid(), network)
    if order["until_idle_s"] is not None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job, which nothing would end
            signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=_interrupt, args=(cassette, order["until_idle_s"]), daemon=True).start()


def _starts() -> Starts:
    from x07py.testing.starts import Starts

    return Starts()


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
