"""A program of any language on a cassette: the kernel hands x07 each connection that it makes.

`x07 rr exec` opens the cassette here and starts the program under a filter of the kernel, with all that it starts. Each
TCP connection leads to the cassette's door, which finds the stand-in for it or refuses it by name. Nothing of the
program is changed: no address, no variable, no port. In a replay no connection leads anywhere else, and no name is
looked up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, TextIO

from x07py.errors import RunError, X07Error
from x07py.printing import terminal
from x07py.sandbox import landlock, reaper
from x07py.sandbox.confinement import Confinement
from x07py.sandbox.filter import Wanted
from x07py.sandbox.launch import run
from x07py.sandbox.names import BY_TCP, ENV_OPTIONS, Name
from x07py.sandbox.network import EVERYWHERE, Address, AddressRules, mapped
from x07py.sandbox.unix_sockets import UnixRules
from x07py.testing.ended import Ended
from x07py.wire.listener import connect
from x07py.wire.stand_in import Address as Place
from x07py.wire.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from x07py.sandbox.notifications import Denial
    from x07py.testing.cassette import use_cassette
    from x07py.wire.door import Door
    from x07py.wire.stand_in import Connection

_ACCEPT_S = 10.0
_LAST_WORDS_S = 1.0
"""How long a program may still be told why, once the cassette has failed."""
_GRACE_S = 2.0
_POLL_S = 0.05
_PORTS = ((1, 65535),)
_NOBODY = mapped(socket.inet_aton("198.18.0.1"))
"""What every name stands for in a replay: an address that nobody has."""


class Doorway:
    """Leads each connection of a program to the door of its cassette.

    Growth: a port and a thread for each connection until it has arrived.

    Args:
        door: the cassette's door.
    """

    def __init__(self, door: Door) -> None:
        self._door = door

    def lead(self, address: Address, pid: int, process: str) -> Address:
        """Return where the cassette takes the connection.

        Raises:
            OSError: the broker cannot be reached, or the cassette has failed before.
        """
        place = Place(*address.sockaddr(socket.AF_INET if address.ipv4 else socket.AF_INET6))
        if self._door.broken is not None:
            raise ConnectionRefusedError(f"{place}: {self._door.broken}")
        ready: list[Connection] = []
        if self._door.records or self._door.is_named(place):
            ready.append(connect(place))
        visit = Visit(place, f"{process} (process {pid})", lambda to: ready.pop() if ready else connect(to))
        family, host = (socket.AF_INET, "127.0.0.1") if address.ipv4 else (socket.AF_INET6, "::1")
        listener = socket.create_server((host, 0), family=family, backlog=1)
        listener.settimeout(_ACCEPT_S)
        threading.Thread(target=self._take, args=(listener, visit, ready), daemon=True, name="x07-doorway").start()
        return Address(mapped(socket.inet_pton(family, host)), listener.getsockname()[1])

    def _take(self, listener: socket.socket, visit: Visit, ready: list[Connection]) -> None:
        with listener, contextlib.suppress(OSError, X07Error):
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._door.admit(client, visit)
            return
        for one in ready:
            one.close()


class _Watch:
    """Ends the program when its cassette has failed, and interrupts it when it has been idle for long enough.

    Nothing here starts a thread before the program has made a connection, since x07 is to fork before it has threads.
    """

    def __init__(self, door: Door, until_idle_s: float | None) -> None:
        self._door, self._until_idle_s, self._begun = door, until_idle_s, False
        door.on_failure.append(lambda _: threading.Thread(target=self._end, daemon=True).start())

    def begin(self) -> None:
        """Take note that the program has made a connection."""
        if not self._begun and self._until_idle_s is not None:
            threading.Thread(target=self._interrupt, args=(self._until_idle_s,), daemon=True).start()
        self._begun = True

    def _end(self) -> None:
        time.sleep(_LAST_WORDS_S)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_S)
        for child in reaper.children(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def _interrupt(self, idle_s: float) -> None:
        last = time.monotonic()
        while True:
            time.sleep(_POLL_S)
            used = [tape.last_activity for tape in self._door.tapes.values() if tape.last_activity is not None]
            last = max([last, *used])
            if time.monotonic() - last > idle_s:
                last = time.monotonic()
                os.kill(os.getpid(), signal.SIGINT)


def run_any_program(
    command: Sequence[str], cassette: use_cassette, *, until_idle_s: float | None, output: TextIO | None
) -> Ended:
    """Run a program of any language on a cassette; it and all that it starts connect to nothing else.

    Must be called from the main thread of a process without other threads.

    Args:
        command: its path and its arguments.
        cassette: name, mode and rules.
        until_idle_s: interrupt it, as Ctrl-C does, when it has not used the cassette for so many seconds.
        output: where what it prints goes; standard output by default.

    Raises:
        RunError: ``X07RUN_EXEC`` if the kernel does not hand its connections over; nothing was run then.
        X07Error: the cassette cannot be opened.
    """
    session = cassette.session = cassette.open_session()
    error: X07Error | None = None
    code = 0
    try:
        door = cassette.open_door()
        door.prepare(tapes=False)
        if door.broken is None:
            with _printing_to(output):
                code = _run(command, door, until_idle_s)
        cassette.close_door()
    except RunError as refused:
        session.__exit__(RunError, refused, None)
        raise
    except X07Error as failure:
        error = failure
    session.__exit__(type(error) if error else None, error, None)
    held = "network: each connection came through x07 (kernel)" if session.mode.records else "network: none (kernel)"
    summary = f"{cassette.summary}; {held}"
    sys.stderr.write(terminal(f"x07: {summary}\n"))
    return Ended(code, error, summary).without_news()


def _run(command: Sequence[str], door: Door, until_idle_s: float | None) -> int:
    doorway, watch = Doorway(door), _Watch(door, until_idle_s)

    def lead(address: Address, pid: int, process: str) -> Address:
        watch.begin()
        return doorway.lead(address, pid, process)

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
        names=(Name("*", _PORTS, () if door.records else (_NOBODY,)),),
        require=("supervisor",),
        namespaces=False,
        accept_weaker=True,
    )
    try:
        return run(spec, on_denied=_tell).status
    except RunError as refused:
        raise RunError(
            "X07RUN_EXEC",
            f"cannot put {command[0]} on a cassette: {refused.message}",
            hint="give it the address that `x07 rr record --listen` or `x07 rr serve` tells; or, if it is a Python "
            "program, install x07py beside it",
        ) from None


def _tell(denial: Denial) -> None:
    sys.stderr.write(
        terminal(f"x07: refused: {denial.kind} {denial.target} ({denial.process}): no connection by TCP\n")
    )


@contextlib.contextmanager
def _printing_to(output: TextIO | None) -> Iterator[None]:
    """Let what is written to standard output go elsewhere, in what is started too."""
    if output is None:
        yield
        return
    sys.stdout.flush()
    before = os.dup(1)
    os.dup2(output.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)
