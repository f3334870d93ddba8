"""The tape of aio-pika: what was asked first is written first, and deliveries come by themselves.

A broker answers late and out of turn: a message may be delivered before its publish is confirmed. What is recorded
keeps the order of the wire, because a replay hands out a delivery after everything that stands before it; so each
request takes its place when it is sent and is written when its answer is there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol, cast

from x07py.drivers.base import AMQP
from x07py.msg import Envelope
from x07py.rr import Mode
from x07py.testing.amqp_values import shape_of
from x07py.testing.registry import tape_for
from x07py.testing.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.drivers.base import Json
    from x07py.rr import Answer, Session
    from x07py.testing.matching import Rules

LIBRARY = "aio-pika"


def amqp_tape() -> AmqpTape | None:
    """Return the tape for the connection that is being made, or None outside of every cassette."""
    return cast("AmqpTape | None", tape_for(LIBRARY, "aiormq", "aio_pika"))


class Place:
    """The place of one request in a recording, from when it was sent until its outcome is known."""

    __slots__ = ("_done", "_unless", "started", "write")

    def __init__(self, unless: Callable[[], None] | None) -> None:
        self._unless = unless
        self._done = False
        self.started = time.monotonic()
        self.write: Callable[[], None] | None = None

    def fill(self, write: Callable[[], None] | None) -> None:
        """Say how the outcome is written; None leaves the request out of the recording."""
        self._done, self.write = True, write

    def give_up(self) -> None:
        """Write what is written of a request that was never answered."""
        if not self._done:
            self.fill(self._unless)

    @property
    def is_done(self) -> bool:
        """Whether the outcome is known."""
        return self._done

    @property
    def ticks(self) -> int:
        """Milliseconds since the request was sent."""
        return int((time.monotonic() - self.started) * 1000)


class Source(Protocol):
    """What sends recorded messages and events to a program by itself: a consumer, a channel, a connection."""

    loop: asyncio.AbstractEventLoop
    scope: str
    waits: bool

    def upcoming(self) -> int | None:
        """Return the number of the next entry, or None."""
        ...

    def emit(self, number: int) -> None:
        """Use the entry and tell the program."""
        ...


class AmqpTape(Tape):
    """One open cassette as connections of aiormq use it."""

    library = LIBRARY
    dialect = AMQP
    settling = ("ack", "nack", "reject", "tx_commit", "basic_recover")
    in_key_order = False

    def __init__(self, session: Session, rules: Rules) -> None:
        super().__init__(session, rules)
        self.connections = 0
        self.arrived = 0
        self._places: deque[Place] = deque()
        self._sources: list[Source] = []
        self._names: dict[str, str] = {}
        self._recorded_names: dict[str, str] = {}
        self._watched: asyncio.AbstractEventLoop | None = None
        self._closed = False
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

    def write(self) -> None:
        """Write what is complete, up to the first request without an answer.

        Raises:
            CassetteError: as `x07py.rr.Session.record`.
        """
        places = self._places
        while places and places[0].is_done:
            write = places.popleft().write
            if write is not None:
                write()

    def finish(self) -> None:
        """Write everything; what comes later is not recorded."""
        for place in self._places:
            place.give_up()
        self.write()
        self._closed = True

    def add(self, source: Source) -> None:
        """Let a source send its recorded entries when their time comes."""
        self._sources.append(source)
        self.advance()

    def drop(self, source: Source) -> None:
        """Let a source send nothing more."""
        if source in self._sources:
            self._sources.remove(source)

    def advance(self) -> None:
        """Let every source send what is due, in the recorded order; linear in the number of sources for each entry."""
        if not self.replays or self._closed:
            return
        self._advance(asyncio.get_running_loop())

    def _advance(self, loop: asyncio.AbstractEventLoop) -> None:
        with self.lock:
            self._sources = [source for source in self._sources if not source.loop.is_closed()]
            while self.broken is None:
                waiting = [(number, source) for source in self._sources if (number := source.upcoming()) is not None]
                number, source = min(waiting, key=lambda pair: pair[0], default=(-1, None))
                if source is None or not self.is_due(number):
                    break
                if source.loop is not loop:
                    source.loop.call_soon_threadsafe(self._advance, source.loop)
                    break
                source.emit(number)
            self._watch(loop)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail a replay whose consumers have been waiting for longer than the rules allow."""
        if (self._watched and not self._watched.is_closed()) or self._closed or self.session.mode is not Mode.REPLAY:
            return
        if any(source.waits for source in self._sources):
            self._watched = loop
            idle = time.monotonic() - (self.last_activity or time.monotonic())
            loop.call_later(max(self.rules.patience_s - idle, 0.0) + 0.01, self._lose_patience, loop)

    def _lose_patience(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watched = None
        waiting = [source for source in self._sources if source.waits]
        if waiting and not self._closed and time.monotonic() - (self.last_activity or 0.0) > self.rules.patience_s:
            self.fail(self.ended(waiting[0].scope))
        else:
            self._watch(loop)

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

    def as_recorded(self, envelope: Envelope) -> Envelope:
        """Return a message of the program with recorded names in place of this run's."""
        return _renamed(envelope, self._recorded_names)

    def envelope(self, answer: Answer) -> Envelope:
        """Return the message in a recorded entry, with this run's names and ignored headers."""
        return _renamed(super().envelope(answer), self._names)

    def name_fields(self, fields: dict[str, Json]) -> dict[str, Json]:
        """Return fields of a method with recorded names in place of this run's."""
        if not self._recorded_names:
            return fields
        return {
            field: self._recorded_names.get(value, value) if isinstance(value, str) else value
            for field, value in fields.items()
        }


def _renamed(envelope: Envelope, names: dict[str, str]) -> Envelope:
    if not names:
        return envelope
    headers = {name: names.get(text, text) for name, text in envelope.headers.items()}
    return Envelope(names.get(envelope.topic, envelope.topic), envelope.key, envelope.value, headers)
