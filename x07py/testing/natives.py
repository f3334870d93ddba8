"""Libraries in C inside a Python on a cassette, and programs that it starts: the kernel hands their connections over.

They connect past Python's sockets. So the program has a filter of the kernel installed before its first line, by which
each `connect` waits for the process of ``x07 rr exec``. That leads it to the cassette, as it does for programs in other
languages, only that here the cassette is in the program. That process imports what answers while the program starts.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.errors import CassetteError
from x07py.files import load_json
from x07py.printing import terminal
from x07py.sandbox import connects, kernel, reaper
from x07py.sandbox.notifications import process_name
from x07py.wire.named import Named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from x07py.errors import X07Error
    from x07py.sandbox.connects import Connect
    from x07py.wire.stand_in import Address as Place
    from x07py.wire.stand_in import Connection
    from x07py.wire.visit import Visit

_LARGEST = 65536
_GOES = b"go"
_TAKEN_S = 10.0
"""How long the program may take to accept a connection; it cannot while a library in C holds Python's lock."""
_LEAVE_S, _LOOK_S = 2.0, 0.01
"""How long what the program has left behind may take to end by itself."""
_OF_CONFLUENT = "confluent_kafka"
"""In the path of the librdkafka whose clients are on the cassette by their classes."""


def be_handed_over(number: int) -> str:
    """Have the connections of this process that are past Python's sockets handed over, from now on.

    Args:
        number: the file descriptor of a socket to the process that does.

    Returns:
        An empty string, or why the kernel does not.
    """
    from x07py.testing.doorway import listen
    from x07py.wire.process.control import VARIABLE
    from x07py.wire.process.sockets import WAY

    try:
        with socket.socket(fileno=number) as outside, contextlib.ExitStack() as ports:
            outside.set_inheritable(False)
            found = [ports.enter_context(listen(False))]
            with contextlib.suppress(OSError):
                found.append(ports.enter_context(listen(True)))
            told = {**load_json(os.environ[VARIABLE]), "pid": os.getpid()}
            socket.send_fds(outside, [json.dumps(told).encode()], [one.fileno() for one in found])
            answer = outside.recv(_LARGEST)
            if answer != _GOES:
                return answer.decode() or "no answer"
            WAY.is_watched = True
            listener = connects.install()
            socket.send_fds(outside, [_GOES], [listener])
            os.close(listener)
            os.environ[VARIABLE] = json.dumps({**told, "natives": True})
    except OSError as error:
        WAY.is_watched = False
        return error.strerror or str(error)
    return ""


class Natives:
    """What the process of ``x07 rr exec`` does for `be_handed_over`.

    Args:
        program: a socket to the program, which is closed in the end.
        passthrough: the addresses that a replay may connect to.

    Attributes:
        error: what could not be put on the cassette, which does not know of it.
    """

    def __init__(self, program: socket.socket, passthrough: Iterable[str]) -> None:
        self._program, self._named = program, Named(passthrough)
        self._lock = threading.Lock()
        self._serves = False
        self._others = reaper.children(os.getpid())
        self.error: X07Error | None = None
        threading.Thread(target=self._run, daemon=True, name="x07-natives").start()

    def close(self) -> None:
        """Wait no more for a program that has ended, and end what it has left behind, which could not connect any more.

        Processes that help others end by themselves meanwhile, as those of `multiprocessing` do.
        """
        with contextlib.suppress(OSError):
            self._program.shutdown(socket.SHUT_RDWR)
        if not self._serves:
            return
        ends = time.monotonic() + _LEAVE_S
        while (left := reaper.children(os.getpid()) - self._others) and time.monotonic() < ends:
            for pid in left:
                os.waitpid(pid, os.WNOHANG)
            time.sleep(_LOOK_S)
        if left:
            names = ", ".join(f"{process_name(pid)} (process {pid})" for pid in sorted(left))
            sys.stderr.write(terminal(f"x07: ended, since it went on after the program: {names}\n"))
            reaper.sweep(self._others)

    def _run(self) -> None:
        from x07py.testing.doorway import Doorway

        with contextlib.suppress(OSError, ValueError, KeyError), self._program as program:
            data, ports, _, _ = socket.recv_fds(program, _LARGEST, 2)
            told = load_json(data)
            self._pid, self._path, self.records = told["pid"], told["path"], told["records"]
            self._ports = [socket.socket(fileno=one) for one in ports]
            try:
                connects.check(self._pid)
            except OSError as error:
                program.sendall((error.strerror or str(error)).encode())
                return
            program.sendall(_GOES)
            _, listeners, _, _ = socket.recv_fds(program, _LARGEST, 1)
            for listener in listeners:  # none if the kernel has refused
                kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
                self._serves = True
                connects.Connects(listener, Doorway(self, self._port).lead, self._goes_on).run()

    @contextlib.contextmanager
    def _port(self, is_ipv6: bool) -> Iterator[socket.socket]:
        with self._lock:
            yield self._ports[-1 if is_ipv6 else 0]

    def _goes_on(self, one: Connect) -> bool:
        """Tell whether a connection is none of ours: x07py's own, to the program itself, or on the cassette already."""
        from x07py.wire.process.sockets import MARK

        if not Path(self._path).exists():  # the cassette has been closed
            return True
        if one.own.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == MARK or one.is_to_itself:
            return True
        return one.pid == self._pid and _OF_CONFLUENT in one.library

    @property
    def broken(self) -> X07Error | None:
        """What the cassette has failed with, which its own process tells."""
        return None

    def is_named(self, address: Place) -> bool:
        """Tell whether connections to an address pass in a replay too."""
        return self._named.holds(address)

    def admit(self, client: socket.socket, visit: Visit) -> None:
        """Give a connection to the cassette in the program.

        Raises:
            OSError: it is refused.
        """
        from x07py.wire.process.control import hand_over

        with contextlib.ExitStack() as ends:
            given: list[Connection] = [ends.enter_context(client)]
            if self.records or self.is_named(visit.address):
                given.append(ends.enter_context(contextlib.closing(visit.connect(visit.address))))
            try:
                code = hand_over(self._path, visit.address, given, within_s=_TAKEN_S, caller=visit.caller, looked_up="")
            except TimeoutError:
                self.error = CassetteError(
                    "X07_CASSETTE_CONNECTION",
                    f"{visit.caller} connects to {visit.address}, and Python did not run for {_TAKEN_S:.0f} s",
                    hint="a library in C holds Python's lock; start the program from a shell, whose connections the "
                    "kernel hands over to another process: -- sh -c 'exec python PROGRAM'",
                )
                raise ConnectionRefusedError(errno.ECONNREFUSED, str(self.error)) from None
        if code:
            raise OSError(code, os.strerror(code))
