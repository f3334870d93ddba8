"""What comes to one AMQP channel: consumers, single messages, and how the program settles what it got."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pamqp.commands import Basic

from x07py.drivers.base import canonical_json
from x07py.wire.amqp import values
from x07py.wire.amqp.calls import Call
from x07py.wire.amqp.deliveries import CANCELLED, Consumer
from x07py.wire.amqp.frames import marshal
from x07py.wire.decoding import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.drivers.base import Json
    from x07py.msg import Envelope
    from x07py.rr import Answer
    from x07py.wire.amqp.calls import Calls
    from x07py.wire.amqp.frames import Frame
    from x07py.wire.amqp.link import Link
    from x07py.wire.amqp.session import AmqpSession

_GET, _GET_EMPTY = "get_env", "get_empty"
_CONSUME, _CANCEL = "basic_consume", "basic_cancel"
_TAG = "consumer_tag"


class _Origin(NamedTuple):
    """Where an unsettled delivery comes from: queue, channel and tag when it was recorded, the broker's tag if live."""

    queue: str
    channel: str
    tag: int
    live: int | None


class Receiver:
    """The receiving side of a channel.

    Args:
        session: the cassette.
        link: the connection.
        number: the channel's number.
        name: the channel's name in the cassette.
        calls: the channel's requests.
    """

    def __init__(self, session: AmqpSession, link: Link, number: int, name: str, calls: Calls) -> None:
        self._session, self._link, self._number, self._name, self._calls = session, link, number, name, calls
        self._delivered = 0
        self._unsettled: dict[int, _Origin] = {}
        self._consumers: dict[str, Consumer] = {}

    def consume(self, frame: Frame) -> None:
        """Take a request to deliver what comes to a queue; a consumer without a name is named as it was recorded.

        Raises:
            ReplayMismatchError: 2009 or 2050.
        """
        method, session, tag = frame.method, self._session, frame.method.consumer_tag
        request = session.name_fields(values.fields_of(method))
        queue = request["queue"]
        answer = session.recall(_CONSUME, queue, request, in_order=False)
        consumer = Consumer(
            session,
            self._link.outgoing,
            tag,
            queue,
            no_ack=method.no_ack,
            deliver=self._hand_out,
            cancel=self._cancel_recorded,
        )
        if tag:
            self._consumers[tag] = consumer
        self._calls.carry_out(
            frame,
            Call(_CONSUME, queue, request, answered=partial(self._begin, consumer)),
            answer,
            **({_TAG: tag} if tag else {}),
        )
        if self._link.live or answer is None or answer.err:
            return
        if not tag:
            consumer.tag = values.consumer_tag_in(answer.resp)
            self._consumers[consumer.tag] = consumer
        session.add(consumer)

    def _begin(self, consumer: Consumer, method: Any) -> None:
        consumer.tag = method.consumer_tag or consumer.tag
        self._consumers[consumer.tag] = consumer
        if self._session.replays:
            self._session.add(consumer)

    def cancel(self, frame: Frame) -> None:
        """Take a request to deliver no more.

        Raises:
            ReplayMismatchError: 2009 or 2050.
        """
        tag = frame.method.consumer_tag
        consumer = self._consumers.get(tag)
        queue = consumer.queue if consumer else ""
        answer = self._session.recall(_CANCEL, queue, {}, in_order=False)
        if consumer is not None and not self._link.live:
            self._forget(consumer)
        call = Call(_CANCEL, queue, {}, answered=partial(self._end, consumer))
        self._calls.carry_out(frame, call, answer, **{_TAG: tag})

    def _end(self, consumer: Consumer | None, _: Any) -> None:
        if consumer is not None:
            self._forget(consumer)

    def _forget(self, consumer: Consumer) -> None:
        """Hand out nothing more to a consumer."""
        self._consumers.pop(consumer.tag, None)
        self._session.drop(consumer)

    def settle(self, method: Any) -> None:
        """Take what the program says of deliveries that it got.

        Raises:
            ReplayMismatchError: 2009 or 2050.
        """
        session, tag, multiple = self._session, method.delivery_tag, getattr(method, "multiple", False)
        origin = self._unsettled.get(tag)
        live_tags = [one.live for one in self._settled(tag, multiple=multiple) if one.live is not None]
        name, queue = method.name.removeprefix("Basic.").lower(), origin.queue if origin else ""
        request = values.fields_of(method) | {"channel": origin.channel if origin else self._name}
        request["delivery_tag"] = origin.tag if origin else tag
        from_broker = self._link.live and (origin is None or origin.live is not None)
        answer = None if from_broker else session.recall(name, queue, request, in_order=False)
        if answer is None:
            session.place().fill(partial(session.write_call, name, queue, request, {}))
        if self._link.live and (live_tags or origin is None):
            method.delivery_tag = max(live_tags, default=tag)
            self._link.to_broker(*marshal(self._number, method))
        session.advance()

    def _settled(self, tag: int, *, multiple: bool) -> Iterator[_Origin]:
        """Forget and yield the deliveries that a settlement covers; tag 0 with `multiple` covers all."""
        if not multiple:
            origin = self._unsettled.pop(tag, None)
            if origin is not None:
                yield origin
            return
        while (first := next(iter(self._unsettled), None)) is not None and (first <= tag or not tag):
            yield self._unsettled.pop(first)

    def _number_delivery(self, queue: str, channel: str, tag: int, *, no_ack: bool, live: int | None = None) -> int:
        """Return the program's tag for a delivery, and keep in mind where it comes from until it is settled.

        Without a cassette to replay the broker's tags are the program's.
        """
        self._delivered = self._delivered + 1 if live is None or self._session.replays else live
        if not no_ack:
            self._unsettled[self._delivered] = _Origin(queue, channel, tag, live)
        return self._delivered

    def get(self, frame: Frame) -> None:
        """Take a request for one message.

        Raises:
            ReplayMismatchError: 2009 if the program never asked that queue when it was recorded.
        """
        session, method = self._session, frame.method
        queue = session.recorded_name(method.queue)
        empty_name, empty_scope = session.question(_GET_EMPTY, queue, {})
        full = session.peek(session.operation(_GET), queue)
        empty = session.peek(session.operation(empty_name), empty_scope)
        if session.replays and full is not None and (empty is None or full < empty) and session.is_due(full):
            self._get_recorded(session.take(full), queue, no_ack=method.no_ack)
        elif self._link.live:
            request = {"no_ack": method.no_ack, "queue": queue}
            self._calls.wait(Call(_GET, queue, request, session.place()))
            self._link.to_broker(*frame.raw)
        elif full is None and empty is None and not self._was_got(queue, empty_name, empty_scope):
            raise session.session.ledger.missing(session.bucket(session.operation(_GET), queue))
        else:
            if empty is not None and (full is None or empty < full):
                session.take(empty)
            self._link.to_client(self._number, Basic.GetEmpty())

    def _was_got(self, queue: str, empty_name: str, empty_scope: str) -> bool:
        ledger, session = self._session.session.ledger, self._session
        got, empty = ledger.scopes(session.operation(_GET)), ledger.scopes(session.operation(empty_name))
        return queue in got or empty_scope in empty

    def _get_recorded(self, answer: Answer, queue: str, *, no_ack: bool) -> None:
        session = self._session
        envelope, meta = session.envelope(answer), record(session.meta(answer), message_count=int, **values.DELIVERY)
        own = self._number_delivery(queue, meta["channel"], meta["delivery_tag"], no_ack=no_ack)
        key = session.current_name(meta["routing_key"])
        method = Basic.GetOk(own, meta["redelivered"], meta["exchange"], key, meta["message_count"])
        content = values.content_of(envelope, meta, self._link.frame_max)
        self._link.to_client(self._number, method, *content, ticks=session.session.ledger.ticks(answer.number))

    def got(self, frame: Frame) -> None:
        """Take the message that the broker gives."""
        call = self._calls.take()
        if call is None:
            return
        if call.place is not None:
            call.place.fill(None)
        extra = {"message_count": frame.method.message_count}
        self._arrive(frame, call.scope, call.request["no_ack"], extra, partial(self._write_got, call))

    def _write_got(self, call: Call, envelope: Envelope, meta: dict[str, Json], ticks: int) -> None:
        row = self._session.delivery_row(canonical_json(call.request), envelope, meta)._replace(ticks=ticks)
        self._session.write_answered_delivery(_GET, call.scope, row)

    def got_nothing(self) -> None:
        """Note that a queue is empty."""
        call = self._calls.take()
        if call is not None and call.place is not None:
            name, scope = self._session.question(_GET_EMPTY, call.scope, {})
            call.place.fill(partial(self._session.write_call, name, scope, {}, {}))

    def delivered(self, frame: Frame) -> None:
        """Take a delivery of the broker, write it, and pass it on."""
        consumer = self._consumers.get(frame.method.consumer_tag)
        if consumer is None:
            self._link.pass_on(*frame.raw)
            return
        self._arrive(frame, consumer.queue, consumer.no_ack, {}, partial(self._write_delivery, consumer))

    def _write_delivery(self, consumer: Consumer, envelope: Envelope, meta: dict[str, Json], ticks: int) -> None:
        row = self._session.delivery_row(consumer.request, envelope, meta)._replace(ticks=ticks)
        self._session.write_deliveries(consumer.scope, [row])

    def _arrive(self, frame: Frame, queue: str, no_ack: bool, extra: dict[str, Json], write: Any) -> None:
        session, method = self._session, frame.method
        envelope, meta = session.with_id_apart(*values.delivered(method, frame.properties, frame.body))
        clean = session.clean(envelope)
        session.arrived += 1
        live = method.delivery_tag
        tag = self._delivered + 1 if session.replays else live
        own = self._number_delivery(queue, self._name, tag, no_ack=no_ack, live=live)
        meta |= {"queue": queue, "channel": self._name, "delivery_tag": own, **extra}
        session.place().fill(partial(write, clean, meta, session.lull()))
        if own == live:
            self._link.pass_on(*frame.raw)
            return
        method.delivery_tag = own
        self._link.to_client(self._number, method, *values.content_of(envelope, meta, self._link.frame_max))

    def _hand_out(self, consumer: Consumer, answer: Answer) -> None:
        session = self._session
        envelope, meta = session.envelope(answer), record(session.meta(answer), **values.DELIVERY)
        own = self._number_delivery(consumer.queue, meta["channel"], meta["delivery_tag"], no_ack=consumer.no_ack)
        method = Basic.Deliver(
            consumer_tag=consumer.tag,
            delivery_tag=own,
            redelivered=meta["redelivered"],
            exchange=meta["exchange"],
            routing_key=session.current_name(meta["routing_key"]),
        )
        self._link.to_client(self._number, method, *values.content_of(envelope, meta, self._link.frame_max))

    def _cancel_recorded(self, consumer: Consumer) -> None:
        self._forget(consumer)
        self._link.to_client(self._number, Basic.Cancel(consumer_tag=consumer.tag, nowait=True))

    def cancelled(self, method: Basic.Cancel) -> None:
        """Note that the broker cancels a consumer."""
        consumer = self._consumers.get(method.consumer_tag or "")
        if consumer is not None:
            self._forget(consumer)
            ticks = self._session.lull()
            write = partial(self._session.write_event, CANCELLED, consumer.scope, {}, ticks=ticks)
            self._session.place().fill(write)

    def drop(self) -> None:
        """Forget all consumers."""
        for consumer in list(self._consumers.values()):
            self._forget(consumer)
