"""What one AMQP channel publishes, and what the broker says to it: confirms, refusals and returns."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pamqp.commands import Basic

from x07py.testing import amqp_values as values
from x07py.testing.tape import LIBRARY_ERROR

if TYPE_CHECKING:
    from x07py.drivers.base import Json
    from x07py.msg import Envelope
    from x07py.rr import Answer
    from x07py.testing.amqp_channel import Lane
    from x07py.testing.amqp_tape import Place
    from x07py.testing.amqp_wire import Unit


_LATE = "confirmed_late"


class _Sent:
    """A message that the broker has not confirmed; its number is the program's.

    ``arrived`` counts the deliveries before it: a program that answers itself may see its answer before the confirm,
    and a replay keeps that.
    """

    __slots__ = ("arrived", "envelope", "message_id", "meta", "number", "place")

    def __init__(self, number: int, envelope: Envelope, message_id: str, meta: dict[str, Json], arrived: int) -> None:
        self.number, self.envelope, self.message_id = number, envelope, message_id
        self.meta, self.arrived = meta, arrived
        self.place: Place


class Outbox:
    """The publishing side of a channel.

    Args:
        lane: the channel.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane, self._tape, self._peer = lane, lane.tape, lane.peer
        self.confirms = False
        self._published = self._sent = 0
        self._unconfirmed: dict[int, _Sent] = {}

    def publish(self, unit: Unit) -> None:
        """Take a message of the program: confirm it as the recording did, or send it to the broker.

        Raises:
            ReplayMismatchError: 2009 or 2050.
        """
        tape, method = self._tape, unit.method
        self._published += 1
        envelope = tape.clean(values.published(method, unit.properties, unit.body))
        if tape.replays:
            with tape.missing_allowed() as found:
                answer = tape.take(tape.match_publish(tape.as_recorded(envelope)))
                if tape.meta(answer).get(_LATE):
                    tape.advance()
                self._confirm(unit, answer)
            if found.hit:
                tape.advance()
                return
        meta = {"exchange": method.exchange or "", "routing_key": method.routing_key or ""}
        sent = _Sent(self._published, envelope, unit.properties.message_id or "", meta, tape.arrived)
        unconfirmed = partial(tape.write_publish, envelope, b"OK", {**meta, "confirmed": False})
        sent.place = tape.place(unconfirmed)
        self._sent += 1
        if self.confirms:
            self._unconfirmed[self._sent] = sent
        else:
            sent.place.fill(unconfirmed)
            tape.write()
        self._peer.send(unit.raw)

    def _confirm(self, unit: Unit, answer: Answer) -> None:
        """Tell the program what the broker had said to a message."""
        meta = self._tape.meta(answer)
        if not self.confirms or meta.get("confirmed") is False:
            return
        frames: list[Any] = []
        if "returned" in meta:
            code, text = meta["returned"]["reply_code"], meta["returned"]["reply_text"]
            frames.append(Basic.Return(code, text, unit.method.exchange, unit.method.routing_key))
            frames += values.frames_of(unit.properties, unit.body, self._peer.frame_max)
        kind = Basic.Nack if answer.err else Basic.Ack
        frames.append(kind(delivery_tag=self._published))
        self._lane.tell(*frames, ticks=self._tape.session.ledger.ticks(answer.number))

    def confirmed(self, method: Any) -> None:
        """Write what the broker confirms, and tell the program by the program's own numbers."""
        tag = method.delivery_tag
        numbers = [number for number in self._unconfirmed if number <= tag] if method.multiple else [tag]
        for number in numbers:
            sent = self._unconfirmed.pop(number, None)
            if sent is None:
                continue
            refusal = isinstance(method, Basic.Nack)
            if self._tape.arrived > sent.arrived:
                sent.meta[_LATE] = True
            ack, err = (b'{"nack":true}', LIBRARY_ERROR) if refusal else (b"OK", 0)
            ticks = sent.place.ticks
            write = partial(self._tape.write_publish, sent.envelope, ack, sent.meta, err=err, ticks=ticks)
            sent.place.fill(write)
            self._lane.tell(type(method)(delivery_tag=sent.number))
        self._tape.write()

    def returned(self, unit: Unit) -> None:
        """Note that no queue takes a message; the broker confirms it all the same."""
        message_id = unit.properties.message_id
        for sent in self._unconfirmed.values():
            if sent.message_id == message_id and "returned" not in sent.meta:
                sent.meta["returned"] = {"reply_code": unit.method.reply_code, "reply_text": unit.method.reply_text}
                return

    def give_up(self) -> None:
        """Write what was not confirmed: a replay then never confirms it either."""
        for sent in self._unconfirmed.values():
            sent.place.give_up()
        self._unconfirmed.clear()
