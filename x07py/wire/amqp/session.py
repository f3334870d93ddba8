"""One cassette as all AMQP connections use it: what was asked first is written first, deliveries come by themselves.

A broker answers late and out of turn: a message may be delivered before its publish is confirmed. What is recorded
keeps the order of the wire, because a replay hands out a delivery after everything that stands before it; so each
request takes its place when it is sent and is written when its answer is there.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Protocol

from x07py.drivers.base import AMQP
from x07py.errors import CassetteError, X07Error
from x07py.msg import Envelope
from x07py.rr import Mode
from x07py.wire.amqp.places import Place, Rows
from x07py.wire.amqp.values import ID, ID_META, is_random, random_parts, shape_of
from x07py.wire.pacing import Pacer
from x07py.wire.tape import Tape, is_optional
from x07py.wire.waiting import OwnTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from x07py.drivers.base import Json
    from x07py.rr import Answer, Session
    from x07py.rr.entry_template import Fields
    from x07py.wire.matching import Rules
    from x07py.wire.outgoing import Outgoing

KEY = "amqp"
_LOOK_S = 0.01


class Source(Protocol):
    """What sends recorded messages and events to a program by itself: a consumer, a channel, a connection."""

    scope: str
    waits: bool
    outgoing: Outgoing

    def upcoming(self) -> int | None:
        """Return the number of the next entry, or None."""
        ...

    def is_due(self, number: int) -> bool:
        """Tell whether the program has done again what must come before the entry."""
        ...

    def emit(self, number: int) -> None:
        """Use the entry and tell the program."""
        ...


class AmqpSession(Tape):
    """One open cassette.

    Every connection is served by threads of its own; whatever they do with the session they do while they hold `lock`,
    and send what came of it afterwards, with `flush`.
    """

    library = KEY
    dialect = AMQP
    settling: tuple[str, ...] = ("ack", "nack", "reject", "tx_commit", "basic_recover")
    in_key_order = False

    def __init__(self, session: Session, rules: Rules) -> None:
        super().__init__(session, rules)
        self.pacer: Pacer = Pacer(self._is_unread, real_time=rules.real_time, patience_s=rules.patience_s)
        self.connections = 0
        self.arrived = 0
        self._came = self._quiet_since = 0.0
        self.clients: set[Outgoing] = set()
        self._places: deque[Place] = deque()
        self._together: list[Rows] | None = None
        self._sources: set[Source] = set()
        self._upcoming: list[tuple[int, int, Source]] = []
        self._order = count()
        self._names: dict[str, str] = {}
        self._recorded_names: dict[str, str] = {}
        self._made_up: set[str] = set()
        self._waiting_for = self._come = -1
        self._watching: OwnTimer | None = None
        self._unsent: dict[int, Outgoing] = {}
        self._closed = self._answers_last = False
        self._required = tuple(sorted({b.op.decode() for b in session.ledger.index.ids if not is_optional(b.op)}))
        self.on_close.append(self.finish)

    def place(self, unless: Callable[[], None] | None = None) -> Place:
        """Keep a place for a request that is being sent.

        Args:
            unless: writes the request if the recording ends before it is answered; None leaves it out.
        """
        place = Place(unless)
        if not self._closed:
            self._places.append(place)
        return place

    def _write_complete(self) -> None:
        """Write what is complete, up to the first request without an answer.

        Raises:
            CassetteError: as `x07py.rr.Session.record`.
        """
        places = self._places
        together: list[Rows] = []
        self._together = together
        try:
            while places and places[0].is_done:
                write = places.popleft().write
                if write is not None:
                    write()
        finally:
            self._together = None
            for one in together:
                self._write_rows(one)

    def _write_rows(self, one: Rows) -> None:
        """Write rows in one step; if one of them is refused, those before it alone."""
        try:
            super()._write(one.op, one.scope, one.rows, by_program=one.by_program)
        except CassetteError:
            for row in one.rows:
                super()._write(one.op, one.scope, [row], by_program=one.by_program)

    def _write(self, op: str, scope: str, rows: Sequence[Fields], *, by_program: bool = True) -> None:
        """Write rows, or keep them for those that come with them: each step to the file takes as long as many rows."""
        if self._together is None:
            super()._write(op, scope, rows, by_program=by_program)
            return
        last = self._together[-1] if self._together else None
        if last is not None and last[:3] == (op, scope, by_program):
            last.rows.extend(rows)
        else:
            self._together.append(Rows(op, scope, by_program, [*rows]))

    def finish(self) -> None:
        """Write everything; what comes later is not recorded."""
        with self.lock:
            self.pacer.end()
            if self._watching is not None:
                self._watching.cancel()
            for place in self._places:
                place.give_up()
            self._write_complete()
            self._closed = True

    def comes(self, when: float) -> None:
        """Note that something is looked at that came at a time, as `time.monotonic` counts."""
        self._came = when

    def was_looked_at(self) -> None:
        """Note that all of it has been looked at; what came meanwhile did not come late."""
        if self._quiet_since == self._came:
            self._quiet_since = time.monotonic()

    def lull(self) -> int:
        """Return the milliseconds in which nothing came and nothing was written before what is looked at.

        Of what came in one piece only the first part has any, however long it takes to look at each.
        """
        since, self._quiet_since = max(self.last_activity or self._came, self._quiet_since), self._came
        return max(int((self._came - since) * 1000), 0)

    def _is_unread(self) -> bool:
        return any(one.is_unread for one in list(self.clients))

    def will_send(self, outgoing: Outgoing) -> None:
        """Note that something waits to be sent."""
        self._unsent[id(outgoing)] = outgoing

    def flush(self) -> None:
        """Send what waits, on all connections, and then write what is complete; without the lock."""
        with self.lock:
            unsent, self._unsent = self._unsent, {}
        for outgoing in unsent.values():
            outgoing.flush()
        if not self._places or self.broken is not None:
            return
        try:
            with self.lock:
                self._write_complete()
        except X07Error as error:
            self.fail(error)

    def drained(self) -> None:
        """Go on handing out deliveries to a client that has caught up."""
        with self.lock:
            self.advance()
        self.flush()

    def add(self, source: Source) -> None:
        """Let a source send its recorded entries when their time comes."""
        self._sources.add(source)
        self._expect(source)
        self.advance()

    def _expect(self, source: Source) -> None:
        number = source.upcoming()
        if number is not None:
            heapq.heappush(self._upcoming, (number, next(self._order), source))

    def drop(self, source: Source) -> None:
        """Let a source send nothing more."""
        self._sources.discard(source)

    def advance(self, *, deliveries_only: bool = False) -> None:
        """Let every source send what is due, in the recorded order.

        Args:
            deliveries_only: whether the answer to what the program does now is still to be sent, after which alone
                the broker may close, cancel or return.
        """
        if not self.replays or self._closed:
            return
        self._answers_last = deliveries_only
        upcoming = self._upcoming
        while upcoming and self.broken is None:
            number, _, source = upcoming[0]
            if source not in self._sources or source.upcoming() != number:
                heapq.heappop(upcoming)
                if source in self._sources:
                    self._expect(source)
                continue
            if not source.is_due(number) or source.outgoing.is_full or not self._has_come(number):
                break
            heapq.heappop(upcoming)
            source.emit(number)
            if source in self._sources:
                self._expect(source)
        self._watch()

    def _has_come(self, number: int) -> bool:
        """Tell whether the wait that was recorded before an entry is over; else go on when it is."""
        ticks = self.session.ledger.ticks(number)
        if not self.pacer.matters(ticks) or self._come == number:
            return True
        if self._waiting_for != number:
            self._waiting_for = number
            self.pacer.hold(self.last_activity or time.monotonic(), ticks, lambda: self._go_on(number))
        return False

    def _go_on(self, number: int) -> None:
        with self.lock:
            self._come = number
            self.advance()
        self.flush()

    def has_happened(self, number: int) -> bool:
        """Tell whether everything that was recorded before entry `number` has happened again, questions apart."""
        if self._answers_last:
            return False
        before = self.session.ledger.first_unused(self._required)
        return before is None or before >= number

    def _watch(self) -> None:
        """Fail a replay whose consumers have been waiting for longer than the rules allow."""
        if self._watching is not None or self._closed or self.session.mode is not Mode.REPLAY:
            return
        if any(source.waits for source in self._sources):
            idle = time.monotonic() - (self.last_activity or time.monotonic())
            self._watching = OwnTimer(max(self.rules.patience_s - idle, 0.0) + _LOOK_S, self._lose_patience)
            self._watching.start()

    def _lose_patience(self) -> None:
        with self.lock:
            self._watching = None
            waiting = [source for source in self._sources if source.waits]
            idle = time.monotonic() - (self.last_activity or 0.0)
            if waiting and not self._closed and idle > self.rules.patience_s and not self.pacer.is_holding:
                self.fail(self.ended(waiting[0].scope))
            else:
                self._watch()

    def recorded_name(self, name: str) -> str:
        """Return what a name that the program made up was when it was recorded; any other name as it is."""
        return self._recorded_names.get(name, name)

    def current_name(self, name: str) -> str:
        """Return what a recorded name is in this run."""
        return self._names.get(name, name)

    def adopt_name(self, name: str, op: str) -> None:
        """Let a random name that was not recorded stand for the first recorded one of its shape that nothing has taken.

        Args:
            name: for example the name that aio-pika gives to an anonymous queue.
            op: full name of the operation whose scopes are the recorded names.
        """
        shape = shape_of(name) if self.replays and name not in self._recorded_names else None
        if shape is None:
            return
        recorded = self.session.ledger.scopes(op)
        free = (one for one in recorded if one not in self._names and shape_of(one) == shape)
        old = name if name in recorded else next(free, None)
        if old is not None:
            self._names[old], self._recorded_names[name] = name, old
            for before, now in zip(random_parts(old), random_parts(name), strict=True):
                if now not in self._recorded_names and before not in self._names:
                    self.learn(before, now)

    def set_id_apart(self, envelope: Envelope) -> tuple[Envelope, str | None]:
        """Return a message of the program without its id, and the id, if that is random and new.

        Clients make one up where a program gives none, another in every run.
        """
        own = envelope.headers.get(ID)
        if own is None or not is_random(own) or own in self._made_up or own in self._recorded_names:
            return envelope, None
        self._made_up.add(own)
        return _without_id(envelope), own

    def with_id_apart(self, envelope: Envelope, meta: dict[str, Json]) -> tuple[Envelope, dict[str, Json]]:
        """Return a delivery with the id in its metadata if the program has made it up."""
        own = envelope.headers.get(ID)
        if own is None or own not in self._made_up:
            return envelope, meta
        return _without_id(envelope), {**meta, ID_META: own}

    def learn(self, recorded: str | None, current: str | None) -> None:
        """Let a random value of this run stand for a recorded one wherever either stands."""
        if recorded and current:
            self._names[recorded], self._recorded_names[current] = current, recorded

    def _is_same(self, number: int, envelope: Envelope, encoded: bytes) -> bool:
        """Tell whether entry `number` is this message; identifiers that were captured may name queues too."""
        same = super()._is_same(number, envelope, encoded)
        while self.names.fresh:
            self.learn(*self.names.fresh.pop())
        return same

    def recorded_id(self, answer: Answer) -> str | None:
        """Return the id that was made up for a message when it was recorded."""
        recorded: str | None = super().meta(answer).get(ID_META) if ID_META.encode() in answer.meta else None
        return recorded

    def meta(self, answer: Answer) -> dict[str, Json]:
        """Return what the broker said of a message, with this run's id."""
        meta = super().meta(answer)
        if ID_META in meta:
            meta[ID_META] = self.current_name(meta[ID_META])
        return meta

    def as_recorded(self, envelope: Envelope) -> Envelope:
        """Return a message of the program with recorded names in place of this run's.

        Captured identifiers stay in its headers: they are compared with those in its body.
        """
        return _renamed(envelope, self._recorded_names, but=self.names.recorded)

    def envelope(self, answer: Answer) -> Envelope:
        """Return the message in a recorded entry, with this run's names and ignored headers."""
        return _renamed(super().envelope(answer), self._names)

    def name_fields(self, fields: dict[str, Json]) -> dict[str, Json]:
        """Return fields of a method with recorded names in place of this run's, wherever in them they stand."""
        if not self._recorded_names:
            return fields
        return {field: _named(value, self._recorded_names) for field, value in fields.items()}


def _without_id(envelope: Envelope) -> Envelope:
    headers = {name: text for name, text in envelope.headers.items() if name != ID}
    return Envelope(envelope.topic, envelope.key, envelope.value, headers)


def _named(value: Json, names: dict[str, str]) -> Json:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, dict):
        return {key: _named(item, names) for key, item in value.items()}
    return [_named(item, names) for item in value] if isinstance(value, list) else value


def _renamed(envelope: Envelope, names: dict[str, str], *, but: Container[str] = ()) -> Envelope:
    if not names:
        return envelope
    headers = {name: text if text in but else names.get(text, text) for name, text in envelope.headers.items()}
    return Envelope(names.get(envelope.topic, envelope.topic), envelope.key, envelope.value, headers)
