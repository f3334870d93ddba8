"""What one AMQP channel publishes, and what the broker says to it: confirms, refusals and returns."""

from __future__ import annotations

from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pamqp.commands import Basic

from x07py.wire.amqp import values
from x07py.wire.amqp.deliveries import RETURNED, Event
from x07py.wire.decoding import record
from x07py.wire.tape import LIBRARY_ERROR

if TYPE_CHECKING:
    from x07py.drivers.base import Json
    from x07py.msg import Envelope
    from x07py.rr import Answer
    from x07py.wire.amqp.frames import Frame
    from x07py.wire.amqp.link import Link
    from x07py.wire.amqp.places import Place
    from x07py.wire.amqp.session import AmqpSession


_LATE = "confirmed_late"


class _Sent:
    """A message that the broker has not confirmed; its number is the program's.

    ``arrived`` counts the deliveries before it: a program that answers itself may see its answer before the confirm,
    and a replay keeps that.
    """

    __slots__ = ("arrived", "envelope", "frame", "meta", "number", "place")

    def __init__(self, number: int, envelope: Envelope, frame: Frame, meta: dict[str, Json], arrived: int) -> None:
        self.number, self.envelope, self.frame = number, envelope, frame
        self.meta, self.arrived = meta, arrived
        self.place: Place


class Publisher:
    """The publishing side of a channel.

    Args:
        session: the cassette.
        link: the connection.
        number: the channel's number.
        name: the channel's name in the cassette.

    Attributes:
        confirms: whether the channel confirms what is published.
    """

    def __init__(self, session: AmqpSession, link: Link, number: int, name: str) -> None:
        self._session, self._link, self._number, self._name = session, link, number, name
        self.confirms = False
        self._published = self._sent = 0
        self._unconfirmed: dict[int, _Sent] = {}
        self._mandatory: dict[int, Frame] = {}
        self._returns = Event(session, link.outgoing, RETURNED, name, self._return)
        if self._returns.upcoming() is not None:
            session.add(self._returns)

    def publish(self, frame: Frame) -> None:
        """Take a message of the program: confirm it as the recording did, or send it to the broker.

        Raises:
            ReplayMismatchError: 2009 or 2050.
        """
        session, method = self._session, frame.method
        self._published += 1
        if method.mandatory and not self.confirms:
            self._mandatory[self._published] = frame._replace(raw=())
        envelope, made_up = session.set_id_apart(values.published(method, frame.properties, frame.body))
        envelope = session.clean(envelope)
        if session.replays:
            with session.missing_allowed() as found:
                answer = session.take(session.match_publish(session.as_recorded(envelope)))
                session.learn(session.recorded_id(answer), made_up)
                if _LATE.encode() in answer.meta and session.meta(answer).get(_LATE):
                    session.advance(deliveries_only=True)
                self._confirm(frame, answer)
            if found.hit:
                session.advance()
                return
        self._send(frame, envelope, made_up)

    def _send(self, frame: Frame, envelope: Envelope, made_up: str | None) -> None:
        session, method = self._session, frame.method
        meta: dict[str, Json] = {"exchange": method.exchange or "", "routing_key": method.routing_key or ""}
        if made_up:
            meta[values.ID_META] = made_up
        sent = _Sent(self._published, envelope, frame._replace(raw=()), meta, session.arrived)
        unconfirmed = partial(session.write_publish, envelope, b"OK", {**meta, "confirmed": False})
        sent.place = session.place(unconfirmed)
        self._sent += 1
        if self.confirms:
            self._unconfirmed[self._sent] = sent
        else:
            sent.place.fill(unconfirmed)
        self._link.to_broker(*frame.raw)

    def _confirm(self, frame: Frame, answer: Answer) -> None:
        """Tell the program what the broker had said to a message."""
        meta = self._session.meta(answer) if self.confirms else {}
        if not self.confirms or meta.get("confirmed") is False:
            return
        frames: list[Any] = []
        if "returned" in meta:
            frames += self._returned_frames(frame, meta["returned"])
        kind = Basic.Nack if answer.err else Basic.Ack
        frames.append(kind(delivery_tag=self._published))
        self._link.to_client(self._number, *frames, ticks=self._session.session.ledger.ticks(answer.number))

    def _returned_frames(self, frame: Frame, reply: Json) -> list[Any]:
        method = frame.method
        record(reply, reply_code=int, reply_text=str)
        told = Basic.Return(reply["reply_code"], reply["reply_text"], method.exchange, method.routing_key)
        return [told, *values.frames_of(frame.properties, frame.body, self._link.frame_max)]

    def _return(self, detail: Json) -> None:
        """Return a message that nothing confirms, as the broker had done."""
        frame = self._mandatory.pop(record(detail, published=int)["published"], None)
        if frame is not None:
            self._link.to_client(self._number, *self._returned_frames(frame, detail))

    def confirmed(self, method: Any) -> None:
        """Write what the broker confirms, and tell the program by the program's own numbers."""
        tag = method.delivery_tag
        numbers = list(takewhile(lambda number: number <= tag, self._unconfirmed)) if method.multiple else [tag]
        for number in numbers:
            sent = self._unconfirmed.pop(number, None)
            if sent is None:
                continue
            refusal = isinstance(method, Basic.Nack)
            if self._session.arrived > sent.arrived:
                sent.meta[_LATE] = True
            ack, err = (b'{"nack":true}', LIBRARY_ERROR) if refusal else (b"OK", 0)
            ticks = sent.place.ticks
            write = partial(self._session.write_publish, sent.envelope, ack, sent.meta, err=err, ticks=ticks)
            sent.place.fill(write)
            self._link.to_client(self._number, type(method)(delivery_tag=sent.number))

    def returned(self, frame: Frame) -> None:
        """Note that no queue takes a message; where messages are confirmed, this one is confirmed all the same."""
        reply = {"reply_code": frame.method.reply_code, "reply_text": frame.method.reply_text}
        for sent in self._unconfirmed.values():
            if "returned" not in sent.meta and _is_same(sent.frame, frame):
                sent.meta["returned"] = reply
                return
        number = next((number for number, sent in self._mandatory.items() if _is_same(sent, frame)), None)
        if number is not None:
            del self._mandatory[number]
            detail, ticks = {**reply, "published": number}, self._session.lull()
            place = self._session.place()
            place.fill(partial(self._session.write_event, RETURNED, self._name, detail, ticks=ticks))

    def give_up(self) -> None:
        """Write what was not confirmed: a replay then never confirms it either."""
        self._session.drop(self._returns)
        for sent in self._unconfirmed.values():
            sent.place.give_up()
        self._unconfirmed.clear()


def _is_same(sent: Frame, returned: Frame) -> bool:
    one, other = sent.method, returned.method
    if (one.exchange, one.routing_key) != (other.exchange, other.routing_key):
        return False
    return bool(sent.properties.message_id == returned.properties.message_id and sent.body == returned.body)
