"""A program of any language on a cassette: the kernel hands x07 each connection that it makes.

`x07 rr exec` opens the cassette here and starts the program under a filter of the kernel, with all that it starts. Each
TCP connection leads to the cassette's door, which finds the stand-in for it or refuses it by name. No address and no
port of the program is changed, and one variable: it has the C library look names up by TCP. In a replay no connection
leads anywhere else, and no name is looked up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from x07py.errors import RunError, X07Error
from x07py.printing import terminal
from x07py.sandbox import landlock
from x07py.sandbox.confinement import Confinement
from x07py.sandbox.filter import Wanted
from x07py.sandbox.launch import run
from x07py.sandbox.names import BY_TCP, ENV_OPTIONS, Name
from x07py.sandbox.network import EVERYWHERE, Address, AddressRules, mapped
from x07py.sandbox.unix_sockets import UnixRules
from x07py.testing.doorway import Doorway
from x07py.testing.ended import Ended
from x07py.testing.idleness import interrupt_when_idle
from x07py.wire.process.sockets import look_up
from x07py.wire.stand_in import parse_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.sandbox.notifications import Denial
    from x07py.testing.cassette import use_cassette
    from x07py.wire.door import Door

_LAST_WORDS_S = 1.0
"""How long a program may still be told why, once the cassette has failed."""
_GRACE_S = 2.0
_PORTS = ((1, 65535),)
_ASKED_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_RECOVER = "x07 rr recover keeps what was recorded"
_NOBODY = mapped(socket.inet_aton("198.18.0.1"))
"""What every name stands for in a replay: an address that nobody has."""


class _Watch:
    """Ends the program when its cassette has failed, and interrupts it when it has been idle for long enough.

    Nothing here starts a thread before the program has made a connection, since x07 is to fork before it has threads.
    """

    def __init__(self, door: Door, cassette: use_cassette, until_idle_s: float | None) -> None:
        self._cassette, self._until_idle_s = cassette, until_idle_s
        self._lock, self._over = threading.Lock(), threading.Event()
        self._begun = False
        self._program: int | None = None
        door.on_failure.append(lambda _: threading.Thread(target=self._end, daemon=True).start())

    def started(self, program: int) -> None:
        """Take a descriptor of the program's process."""
        self._program = os.dup(program)

    def begin(self) -> None:
        """Take note that the program has made a connection."""
        with self._lock:
            first, self._begun = not self._begun, True
        if first and self._until_idle_s is not None:
            threading.Thread(target=self._interrupt, args=(self._until_idle_s,), daemon=True).start()

    def close(self) -> None:
        """Watch no more: the program has ended."""
        with self._lock:
            self._over.set()
            if self._program is not None:
                os.close(self._program)

    def _send(self, number: int) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._program is not None and not self._over.is_set():
                signal.pidfd_send_signal(self._program, number)

    def _end(self) -> None:
        if not self._over.wait(_LAST_WORDS_S):
            self._send(signal.SIGTERM)
        if not self._over.wait(_GRACE_S):
            self._send(signal.SIGKILL)

    def _interrupt(self, idle_s: float) -> None:
        connected = time.monotonic()
        interrupt_when_idle(
            lambda: self._cassette.last_activity or connected, idle_s, lambda: self._send(signal.SIGINT), self._over
        )


def run_any_program(command: Sequence[str], cassette: use_cassette, *, until_idle_s: float | None) -> Ended:
    """Run a program of any language on a cassette; it and all that it starts connect to nothing else.

    Must be called from the main thread of a process without other threads.

    Args:
        command: its path and its arguments.
        cassette: name, mode and rules.
        until_idle_s: interrupt it, as Ctrl-C does, when it has not used the cassette for so many seconds.

    Raises:
        RunError: ``X07RUN_EXEC`` if the kernel does not hand its connections over; nothing was run then.
        X07Error: the cassette cannot be opened.
    """
    named = _resolved(cassette)
    session = cassette.session = cassette.open_session()
    error: X07Error | None = None
    code = 0
    try:
        door = cassette.open_door()
        door.prepare(tapes=False)
        if door.broken is None:
            code = _run(command, door, cassette, until_idle_s, named)
        if code < 0 and -code not in _ASKED_TO_END:
            cassette.keep_as_partial()
            error = RunError("X07RUN_EXEC", f"the program was ended by signal {-code}", hint=_RECOVER)
        cassette.close_door()
    except X07Error as failure:
        error = error or failure
    session.__exit__(type(error) if error else None, error, None)
    if isinstance(error, RunError) and error.hint != _RECOVER:
        raise error
    summary = f"{cassette.summary}; network: {_held(cassette)}"
    sys.stderr.write(terminal(f"x07: {summary}\n"))
    return Ended(code, error, summary).without_news()


def _held(cassette: use_cassette) -> str:
    if cassette.session.mode.records:
        return "each connection came through x07 (kernel)"
    return f"{', '.join(cassette.passthrough)} alone (kernel)" if cassette.passthrough else "none (kernel)"


def _resolved(cassette: use_cassette) -> list[Name]:
    """Return the names among the addresses that may be reached, and what they stand for."""
    found: list[Name] = []
    for place in map(parse_address, cassette.passthrough):
        with contextlib.suppress(OSError):
            hosts = look_up(place.host, place.port)
            if place.host not in hosts:
                packed = (socket.inet_pton(socket.AF_INET6 if ":" in one else socket.AF_INET, one) for one in hosts)
                found.append(Name(place.host.lower(), _PORTS, tuple(map(mapped, packed))))
    return found


def _run(
    command: Sequence[str], door: Door, cassette: use_cassette, until_idle_s: float | None, named: list[Name]
) -> int:
    doorway, watch = Doorway(door), _Watch(door, cassette, until_idle_s)

    def lead(address: Address, own: socket.socket, pid: int, process: str) -> int:
        watch.begin()
        return doorway.lead(address, own, pid, process)

    everywhere = AddressRules(EVERYWHERE)
    spec = Confinement(
        argv=tuple(command),
        env=os.environ | {ENV_OPTIONS: f"{os.environ.get(ENV_OPTIONS, '')} {BY_TCP}".strip()},
        cwd=os.getcwd(),  # noqa: PTH109
        paths=(("/", landlock.WRITE | landlock.EXECUTE | landlock.DEVICE),),
        connect=everywhere,
        lead=lead,
        listen=everywhere,
        unix=UnixRules(everything=True),
        wanted=Wanted(),
        names=(*named, Name("*", _PORTS, () if door.records else (_NOBODY,))),
        require=("supervisor",),
        namespaces=False,
        accept_weaker=True,
        on_program=watch.started,
    )
    try:
        return run(spec, on_denied=_tell).status
    except RunError as refused:
        if refused.code != "X07RUN_CANNOT_CONFINE":
            raise
        raise RunError(
            "X07RUN_EXEC",
            f"cannot put {command[0]} on a cassette: {refused.message}",
            hint="give it the address that `x07 rr record --listen` or `x07 rr serve` tells; or, if it is a Python "
            "program, install x07py beside it",
        ) from None
    finally:
        doorway.close()
        watch.close()


def _tell(denial: Denial) -> None:
    sys.stderr.write(
        terminal(f"x07: refused: {denial.kind} {denial.target} ({denial.process}): no connection by TCP\n")
    )
