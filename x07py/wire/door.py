"""Where connections come in: one cassette's door finds each the stand-in that serves it, or refuses it by name.

A connection that no stand-in knows goes on to where it wanted while recording, and the summary lists it; in a replay it
is refused unless its address was named.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from x07py.errors import CassetteError, NotInstalledError, X07Error
from x07py.wire.foreign import is_tls, takes_tls, what_came, what_to_do, what_to_do_over_tls
from x07py.wire.named import Named
from x07py.wire.process import tls
from x07py.wire.protocols import PROTOCOLS, is_open, protocol_of
from x07py.wire.relay import relay
from x07py.wire.waiting import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from x07py.rr import Session
    from x07py.wire.matching import Rules
    from x07py.wire.stand_in import Address, Connection
    from x07py.wire.tape import Tape
    from x07py.wire.visit import Visit

_T = TypeVar("_T", bound="Tape")
_PEEK, _RELAY, _LOOK_S = 1 << 17, 1 << 16, 0.001
_LAST_S = 10.0
"""How long a program that has closed its cassette may go on sending; most have stopped by then."""
_ENDED_S = 60.0
"""How long it may take at most until all is judged that a program did before it ended."""
_SWITCH_S = 0.0005
"""How long a thread may hold the interpreter while a connection is recorded; Python's own 5 ms are ten round trips."""


class Door:
    """The door of one cassette.

    Args:
        session: the open cassette.
        rules: matching and filtering.
        passthrough: addresses, ``host:port``, that connections may go to although no stand-in knows them.

    Attributes:
        tapes: the cassette's tapes that are in use.
        passed: connections that went on to where they wanted, for the summary.
        hint: what helps where such a connection should have been on the cassette; empty if nothing is known.
        on_failure: called with the error when the cassette has failed.
        closing: whether the cassette is about to close, so that connections that have only begun are judged by that.
    """

    def __init__(self, session: Session, rules: Rules, passthrough: Iterable[str]) -> None:
        self._session, self._rules, self._named = session, rules, Named(passthrough)
        self.patience_s: float = rules.patience_s
        self.tapes: dict[type[Tape], Tape] = {}
        self.passed: dict[str, int] = {}
        self.hint: str = ""
        self.broken: X07Error | None = None
        self.on_failure: list[Callable[[X07Error], None]] = []
        self._lock = threading.Lock()
        self._served: set[_Served] = set()
        self._interval: float | None = None
        self.closing: bool = False

    @property
    def records(self) -> bool:
        """Whether there are brokers behind the door."""
        return self._session.mode.records

    def tape(self, kind: type[_T]) -> _T:
        """Return the cassette's tape of a kind."""
        with self._lock:
            found = self.tapes.get(kind)
            if not isinstance(found, kind):
                found = self.tapes[kind] = kind(self._session, self._rules)
                found.on_failure.append(self._tell)
            return found

    def prepare(self, *names: str, tapes: bool = True) -> None:
        """Load what serves the clients that will come, so that none waits for its first answer until that is done.

        A cassette that cannot be replayed to them has failed afterwards.

        Args:
            names: their protocols; without any, whatever may come to a recording, or what a cassette holds.
            tapes: whether they come for certain, so that the cassette is made ready for a replay to them.
        """
        held = [bucket.op for bucket in self._session.ledger.index.buckets]
        for one in PROTOCOLS:
            if one.name not in names and (names or not (self.records or any(op.startswith(one.ops) for op in held))):
                continue
            try:
                stand_in = one.load()
                kind = stand_in.prepare() if stand_in is not None else None
                if kind is not None and tapes and not self.records:
                    self.tape(kind)
            except NotInstalledError:  # whoever comes and needs it is told
                pass
            except X07Error as error:
                self.fail(error)

    def close(self, *, has_ended: bool = False) -> None:
        """Take what the program has sent, and let every tape write what it still holds.

        Args:
            has_ended: whether the program has ended, with all its connections: each is judged then, to its end.

        Raises:
            X07Error: it cannot be written.
        """
        if self._interval is not None:
            sys.setswitchinterval(self._interval)
        self.closing = True
        deadline = time.monotonic() + (_ENDED_S if has_ended else _LAST_S)
        while left := [one for one in list(self._served) if has_ended or one.has_more]:
            if time.monotonic() > deadline:
                if has_ended:
                    self.refuse(left[0].visit, f"which was not judged within {_ENDED_S:.0f} s of the program's end")
                break
            time.sleep(_LOOK_S)
        for tape in self.tapes.values():
            for finish in tape.on_close:
                finish()

    def fail(self, error: X07Error) -> None:
        """End the use of the cassette with an error."""
        for tape in list(self.tapes.values()):
            tape.fail(error)
        self._tell(error)

    def _tell(self, error: X07Error) -> None:
        if self.broken is None:
            self.broken = error
            for tell in list(self.on_failure):
                tell(error)

    @property
    def is_unused(self) -> bool:
        """Whether nothing has been recorded or replayed yet."""
        return all(tape.last_activity is None for tape in self.tapes.values())

    def descriptors(self) -> set[int]:
        """Return the file descriptors of the cassette's file and of the connections."""
        ends = {one for served in list(self._served) for one in served.descriptors()}
        return ends | self._session.descriptors()

    def is_named(self, address: Address) -> bool:
        """Tell whether connections to an address pass in a replay too."""
        return self._named.holds(address)

    def names_host(self, host: str) -> bool:
        """Tell whether any address of a host passes."""
        return self._named.has_host(host)

    def admit(self, client: socket.socket, visit: Visit, *, to_refuse: bool = False) -> None:
        """Serve a connection, in a thread of its own; one that came to a port waits there for its broker too.

        Args:
            client: the other end of it.
            visit: where it wants to go.
            to_refuse: whether it is served even if the cassette has failed: the client hears of that by its protocol
                only.

        Raises:
            OSError: the broker cannot be reached.
            X07Error: the cassette has failed before.
        """
        if self.broken is not None and not to_refuse:
            raise self.broken
        if self.records and self._interval is None:  # what waits for the broker must not wait for who records beside it
            self._interval = sys.getswitchinterval()
            sys.setswitchinterval(min(self._interval, _SWITCH_S))
        is_awaited = not visit.at_port and (self.records or self.is_named(visit.address))
        upstream = visit.connect(visit.address) if is_awaited else None
        served = _Served(self, client, upstream, visit)
        self._served.add(served)
        threading.Thread(target=served.run, daemon=True, name="x07-connection").start()

    def left(self, served: _Served) -> None:
        """Note that a connection has ended."""
        self._served.discard(served)

    def answer(self, client: socket.socket, visit: Visit) -> Callable[[], None]:
        """Serve a connection of a replay in the threads of the program; call what is returned when it has sent.

        Raises:
            X07Error: the cassette has failed before.
        """
        if self.broken is not None:
            raise self.broken
        return _Answered(self, client, visit).take

    def note_passing(self, visit: Visit, first: bytes = b"") -> None:
        """Note that a connection, which begins with some bytes, is not on the cassette and goes on."""
        shown = str(visit)
        if is_tls(first):
            shown += " over TLS of its own"
            self.hint = self.over_tls(visit, first)
        with self._lock:
            self.passed[shown] = self.passed.get(shown, 0) + 1

    def over_tls(self, visit: Visit, first: bytes) -> str:
        """Return what helps where a connection begins with TLS that is not seen through."""
        return what_to_do_over_tls(first, visit.address, self._session.config.cassette)

    def refuse(self, visit: Visit, why: str, hint: str = "") -> None:
        """Fail the cassette because of a connection."""
        self.fail(self.refusal(visit, why, hint))

    def refusal(self, visit: Visit, why: str, hint: str = "") -> CassetteError:
        """Return the error for a connection, with what helps if that is not to record or to name it."""
        return CassetteError(
            "X07_CASSETTE_CONNECTION",
            f"{visit.caller} connects to {visit.address}, {why}",
            where=self._session.config.cassette,
            hint=hint or f'record it, leave it out, or name it: passthrough=["{visit.address}"]',
        )


class _Served:
    """One connection while it is served; what stand-ins know as a `CassetteSession`."""

    def __init__(self, door: Door, client: socket.socket, upstream: Connection | None, visit: Visit) -> None:
        self._door, self._client, self.visit = door, client, visit
        self._raw: Connection | None = upstream
        self._upstream: Connection | None = upstream
        self._asked: tls.Wanted | None = None
        self._ends: list[Connection] = [client, *([upstream] if upstream is not None else [])]

    def tape(self, kind: type[_T]) -> _T:
        """Return the cassette's tape of a kind."""
        return self._door.tape(kind)

    def open_upstream(self, address: Address | None = None) -> Connection:
        """Connect to the real broker."""
        if address is None and self._upstream is not None:
            upstream, self._upstream, self._raw = self._upstream, None, None
            return upstream
        raw = self.visit.connect(address or self.visit.address)
        self._ends.append(raw)
        if self._asked is None:
            return raw
        again = tls.Wanted(self._asked.context, self._asked.hostname)
        return tls.shake_hands(again, raw) or raw

    def reach(self, address: Address) -> Address:
        """Return where the client has to connect to for a broker."""
        return self.visit.reach(address)

    def fail(self, error: X07Error) -> None:
        """End the use of the cassette with an error."""
        self._look_for_tls()
        self._door.fail(error)

    def _look_for_tls(self) -> None:
        """Refuse a broker behind a port of which nothing came in clear, because it takes TLS only."""
        visit, door = self.visit, self._door
        if visit.at_port and door.records and door.broken is None and door.is_unused:
            with contextlib.suppress(OSError):
                if takes_tls(visit.connect(visit.address)):
                    door.refuse(visit, "which takes TLS only", f"--upstream tls://{visit.address}")

    def run(self) -> None:
        """Serve the connection until it ends."""
        is_ours()
        try:
            self._run()
        except OSError:
            pass
        except X07Error as error:
            self.fail(error)
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            self.fail(_broke(self.visit, error))
        for end in (self._client, self._raw):
            if end is not None:
                end.close()
        self._door.left(self)

    def descriptors(self) -> set[int]:
        """Return the file descriptors of its ends."""
        return {number for end in self._ends if (number := end.fileno()) >= 0}

    @property
    def has_more(self) -> bool:
        """Whether the program has sent, or ended, what was not taken."""
        try:
            ready, _, _ = select.select([self._client], [], [], 0)
        except (OSError, ValueError):
            return False
        return bool(ready)

    def _run(self) -> None:
        first = self._first_bytes()
        if first and tls.is_greeting(first):
            self._shake_hands()
            first = self._first_bytes()
        protocol = protocol_of(first or b"")
        stand_in = protocol.load() if protocol is not None else None
        if stand_in is not None:
            stand_in.serve(self._client, self.visit.address, self)
            self._look_for_tls()
        elif protocol is not None and not self._door.is_named(self.visit.address):
            self._door.refuse(self.visit, f"over {protocol.name}, for which there is no stand-in")
        elif self.visit.at_port:
            if first:  # who ends without a word, as probes of ports do, has had nothing pass
                upstream = str(self.visit.address) if self._door.records else ""
                self._door.refuse(self.visit, what_came(first), what_to_do(first, upstream))
        elif self._upstream is not None:
            self._door.note_passing(self.visit, first or b"")
            self._door.left(self)
            relay(self._client, self._upstream)
        else:
            what = "says nothing" if not first else "speaks TLS of its own" if is_tls(first) else "is no broker's"
            hint = self._door.over_tls(self.visit, first) if first and is_tls(first) else ""
            self._door.refuse(self.visit, f"and the connection {what}, so that a replay has nothing for it", hint)

    def _shake_hands(self) -> None:
        self._asked = tls.wanted(_receive(self._client, tls.GREETING))
        if self._asked is None and self._raw is not None:
            self._client.sendall(b"\x00")
            self._door.refuse(self.visit, "over TLS from another process than the cassette's")
            raise ConnectionRefusedError(errno.ECONNREFUSED, str(self.visit))
        try:
            if self._asked is not None:
                self._upstream = tls.shake_hands(self._asked, self._raw) or self._upstream
        except OSError:
            self._client.sendall(b"\x00")
            raise
        self._client.sendall(b"\x01")

    def _first_bytes(self) -> bytes | None:
        """Return what the client says first; empty if the broker speaks before it or nobody does, None at the end."""
        ends = [self._client, *([self._raw] if self._raw is not None and self._asked is None else [])]
        may_wait = self._upstream is not None or self.visit.at_port
        ready, _, _ = select.select(ends, [], [], None if may_wait else self._door.patience_s)
        if self._client not in ready:
            return b""
        began = time.monotonic()
        while first := self._client.recv(_PEEK, socket.MSG_PEEK):
            if not _may_be_known(first) or self._door.closing or time.monotonic() - began > self._door.patience_s:
                return first  # no more comes of it
            time.sleep(_LOOK_S)
        return None


class _Answered:
    """One connection that is served whenever the program has sent something."""

    def __init__(self, door: Door, client: socket.socket, visit: Visit) -> None:
        self._door, self._client, self.visit = door, client, visit
        self._served = _Served(door, client, None, visit)
        self._first = b""
        self._feed: Callable[[bytes], None] | None = None

    def take(self) -> None:
        """Take what the program has sent."""
        with contextlib.suppress(BlockingIOError):
            while data := self._client.recv(_RELAY, socket.MSG_DONTWAIT):
                if self._feed is None:
                    data = self._begin(data)
                if self._feed is not None and data:
                    self._feed(data)

    def _begin(self, data: bytes) -> bytes:
        """Return what is to be served of what came first, and find out who serves it."""
        self._first += data
        if tls.is_greeting(self._first):
            tls.wanted(self._first)
            self._first = self._first[tls.GREETING :]
            self._client.sendall(b"\x01")
        if not self._first or _may_be_known(self._first):
            return b""
        protocol = protocol_of(self._first)
        stand_in = protocol.load() if protocol is not None else None
        self._feed = stand_in.answer(self._client, self._served) if stand_in is not None else None
        if self._feed is None:
            self._door.refuse(self.visit, "which cannot be replayed in a solve world")
        return self._first


def _broke(visit: Visit, error: Exception) -> CassetteError:
    return CassetteError(
        "X07_CASSETTE_CONNECTION",
        f"serving the connection to {visit} failed: {type(error).__name__}: {error}",
        hint="this is a fault of x07py: please report it with the client's version",
    )


def _may_be_known(first: bytes) -> bool:
    """Tell whether more bytes are needed to know who serves a connection."""
    greeting = tls.is_greeting(first)
    return greeting is None or (not greeting and is_open(first))


def _receive(client: socket.socket, size: int) -> bytes:
    return client.recv(size, socket.MSG_WAITALL)
