"""One AMQP channel on a tape: calls and their answers, deliveries and their settlement."""

from __future__ import annotations

import json
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pamqp.commands import Basic, Channel, Confirm, Exchange, Queue, Tx

from x07py.drivers.base import canonical_json
from x07py.errors import DriverError
from x07py.testing import amqp_values as values
from x07py.testing.amqp_outbox import Outbox
from x07py.testing.amqp_sources import CANCELLED, CLOSED, Consumer, Ending
from x07py.testing.tape import LIBRARY_ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.drivers.base import Json
    from x07py.msg import Envelope
    from x07py.rr import Answer
    from x07py.testing.amqp_peer import Peer
    from x07py.testing.amqp_tape import Place
    from x07py.testing.amqp_wire import Unit

_CALLS = (
    *(Basic.Qos, Basic.Recover, Basic.RecoverAsync, Channel.Flow),
    *(Exchange.Declare, Exchange.Delete, Exchange.Bind, Exchange.Unbind),
    *(Queue.Declare, Queue.Delete, Queue.Bind, Queue.Unbind, Queue.Purge),
    *(Tx.Select, Tx.Commit, Tx.Rollback),
)
_GET, _GET_EMPTY = "get_env", "get_empty"


class _Call(NamedTuple):
    """A request that the broker has not answered; without a place, because the tape knows the answer already."""

    name: str
    scope: str
    request: Json
    place: Place | None


class _Origin(NamedTuple):
    """Where an unsettled delivery comes from: queue, channel and tag when it was recorded, the broker's tag if live."""

    queue: str
    channel: str
    tag: int
    live: int | None


class Lane:
    """One channel.

    Args:
        peer: its connection.
        number: its number there.
    """

    def __init__(self, peer: Peer, number: int) -> None:
        self.peer, self.tape, self.number = peer, peer.tape, number
        self.name = f"{peer.number}.{number}"
        self._delivered = 0
        self._outbox = Outbox(self)
        self._calls: deque[_Call] = deque()
        self._unsettled: dict[int, _Origin] = {}
        self._consumers: dict[str, Consumer] = {}
        self._ending = Ending(self.tape, peer.wire.loop, self.name, self._end)
        if self._ending.upcoming() is not None:
            self.tape.add(self._ending)

    def tell(self, *frames: Any, ticks: int = 0) -> None:
        """Send frames to the program, after `ticks` milliseconds if time is real."""
        self.peer.tell(self.number, *frames, ticks=ticks)

    def hear(self, unit: Unit) -> None:
        """Take what the program sends.

        Raises:
            ReplayMismatchError: 2009 or 2050.
            DriverError: 9641 for a method that no program sends.
        """
        method = unit.method
        match method:
            case Basic.Publish():
                self._outbox.publish(unit)
            case Basic.Ack() | Basic.Nack() | Basic.Reject():
                self._settle(method)
            case Basic.Get():
                self._get(unit)
            case Basic.Consume():
                self._consume(unit)
            case Basic.Cancel():
                self._cancel(unit)
            case Channel.Open():
                self._build_up(unit, Channel.OpenOk())
            case Confirm.Select():
                self._outbox.confirms = True
                self._build_up(unit, Confirm.SelectOk())
            case Channel.Close():
                self.drop()
                self._build_up(unit, Channel.CloseOk())
            case Basic.CancelOk() | Channel.CloseOk() | Channel.FlowOk():
                self.peer.send(unit.raw)
            case _ if isinstance(method, _CALLS):
                self._call(unit)
            case _:
                raise DriverError(
                    9641,
                    f"aiormq: {method.name} cannot be recorded or replayed",
                    hint="leave the call outside use_cassette",
                )

    def _build_up(self, unit: Unit, answer: Any) -> None:
        if self.peer.live:
            self.peer.send(unit.raw)
        else:
            self.tell(answer)

    def _call(self, unit: Unit) -> None:
        method, tape = unit.method, self.tape
        name = method.name.replace(".", "_").lower()
        if isinstance(method, Queue.Declare) and not method.passive:
            tape.adopt_name(method.queue, tape.operation(name))
        request = tape.name_fields(values.fields_of(method))
        scope = request.get("queue") or request.get("destination") or request.get("exchange") or ""
        answer = None
        if getattr(method, "passive", False):
            answer = tape.repeat(name, scope, request)
            name, scope = tape.question(name, scope, request)
        if answer is None:
            answer = tape.recall(name, scope, request, in_order=False)
        self._carry_out(unit, _Call(name, scope, request, None), answer)

    def _carry_out(self, unit: Unit, call: _Call, answer: Answer | None, **fields: Any) -> None:
        """Answer from the tape, or let the broker answer; `fields` complete what the tape has."""
        if not self.peer.live:
            if answer is not None:
                self._answer(answer, fields)
            return
        answered = unit.method.synchronous and not getattr(unit.method, "nowait", False)
        place = self.tape.place() if answer is None else None
        if answered:
            self._calls.append(call._replace(place=place))
        elif place is not None:
            place.fill(partial(self.tape.write_call, call.name, call.scope, call.request, {}))
            self.tape.write()
        self.peer.send(unit.raw)

    def _answer(self, answer: Answer, fields: dict[str, Any]) -> None:
        data = json.loads(answer.resp)
        ticks = self.tape.session.ledger.ticks(answer.number)
        if answer.err:
            self.drop()
            self.tell(values.load_method(data), ticks=ticks)
        elif data:
            method = values.load_method(data, **fields)
            if isinstance(method, Queue.DeclareOk):
                method.queue = self.tape.current_name(method.queue or "")
            self.tell(method, ticks=ticks)
        self.tape.advance()

    def _consume(self, unit: Unit) -> None:
        method, tape = unit.method, self.tape
        request = tape.name_fields(values.fields_of(method))
        queue = request["queue"]
        answer = tape.recall("basic_consume", queue, request, in_order=False)
        consumer = Consumer(self, method.consumer_tag, queue, no_ack=method.no_ack)
        self._consumers[method.consumer_tag] = consumer
        self._carry_out(unit, _Call("basic_consume", queue, request, None), answer, consumer_tag=method.consumer_tag)
        if not self.peer.live and answer is not None and not answer.err:
            tape.add(consumer)

    def _cancel(self, unit: Unit) -> None:
        tag = unit.method.consumer_tag
        consumer = self._consumers.get(tag)
        queue = consumer.queue if consumer else ""
        answer = self.tape.recall("basic_cancel", queue, {}, in_order=False)
        if consumer is not None and not self.peer.live:
            self.forget(consumer)
        self._carry_out(unit, _Call("basic_cancel", queue, {}, None), answer, consumer_tag=tag)

    def forget(self, consumer: Consumer) -> None:
        """Hand out nothing more to a consumer."""
        self._consumers.pop(consumer.tag, None)
        self.tape.drop(consumer)

    def _settle(self, method: Any) -> None:
        tape, tag, multiple = self.tape, method.delivery_tag, getattr(method, "multiple", False)
        origin = self._unsettled.get(tag)
        live_tags = [one.live for one in self._settled(tag, multiple=multiple) if one.live is not None]
        name, queue = method.name.removeprefix("Basic.").lower(), origin.queue if origin else ""
        request = values.fields_of(method) | {"channel": origin.channel if origin else self.name}
        request["delivery_tag"] = origin.tag if origin else tag
        from_broker = self.peer.live and (origin is None or origin.live is not None)
        answer = None if from_broker else tape.recall(name, queue, request, in_order=False)
        if answer is None:
            place = tape.place()
            place.fill(partial(tape.write_call, name, queue, request, {}))
            tape.write()
        if self.peer.live and (live_tags or origin is None):
            method.delivery_tag = max(live_tags, default=tag)
            self.peer.send_methods(self.number, method)
        tape.advance()

    def _settled(self, tag: int, *, multiple: bool) -> Iterator[_Origin]:
        """Forget and yield the deliveries that a settlement covers; tag 0 with `multiple` covers all."""
        if not multiple:
            origin = self._unsettled.pop(tag, None)
            if origin is not None:
                yield origin
            return
        while (first := next(iter(self._unsettled), None)) is not None and (first <= tag or not tag):
            yield self._unsettled.pop(first)

    def number_delivery(self, queue: str, channel: str, tag: int, *, no_ack: bool, live: int | None = None) -> int:
        """Return the program's tag for a delivery, and keep in mind where it comes from until it is settled."""
        self._delivered += 1
        if not no_ack:
            self._unsettled[self._delivered] = _Origin(queue, channel, tag, live)
        return self._delivered

    def _get(self, unit: Unit) -> None:
        tape, method = self.tape, unit.method
        queue = tape.recorded_name(method.queue)
        empty_name, empty_scope = tape.question(_GET_EMPTY, queue, {})
        full = tape.peek(tape.operation(_GET), queue)
        empty = tape.peek(tape.operation(empty_name), empty_scope)
        if tape.replays and full is not None and (empty is None or full < empty) and tape.is_due(full):
            self._get_recorded(tape.take(full), queue, no_ack=method.no_ack)
        elif self.peer.live:
            self._calls.append(_Call(_GET, queue, {"no_ack": method.no_ack, "queue": queue}, tape.place()))
            self.peer.send(unit.raw)
        elif full is None and empty is None and not self._was_got(queue, empty_name, empty_scope):
            raise tape.session.ledger.missing(tape.bucket(tape.operation(_GET), queue))
        else:
            if empty is not None and (full is None or empty < full):
                tape.take(empty)
            self.tell(Basic.GetEmpty())

    def _was_got(self, queue: str, empty_name: str, empty_scope: str) -> bool:
        ledger, tape = self.tape.session.ledger, self.tape
        recorded = (ledger.scopes(tape.operation(_GET)), ledger.scopes(tape.operation(empty_name)))
        return queue in recorded[0] or empty_scope in recorded[1]

    def _get_recorded(self, answer: Answer, queue: str, *, no_ack: bool) -> None:
        tape = self.tape
        envelope, meta = tape.envelope(answer), tape.meta(answer)
        own = self.number_delivery(queue, meta["channel"], meta["delivery_tag"], no_ack=no_ack)
        key = tape.current_name(meta["routing_key"])
        method = Basic.GetOk(own, meta["redelivered"], meta["exchange"], key, meta["message_count"])
        content = values.content_of(envelope, meta, self.peer.frame_max)
        self.tell(method, *content, ticks=tape.session.ledger.ticks(answer.number))

    def say(self, unit: Unit) -> None:
        """Take what the broker sends, write it, and pass it on."""
        method = unit.method
        match method:
            case Basic.Deliver():
                self._deliver(unit)
                return
            case Basic.Ack() | Basic.Nack():
                self._outbox.confirmed(method)
                return
            case Basic.GetOk():
                self._got(unit)
                return
            case Basic.Return():
                self._outbox.returned(unit)
            case Basic.Cancel():
                self._cancelled(method)
            case Channel.Close():
                self._closed(method)
            case Channel.OpenOk() | Channel.CloseOk() | Confirm.SelectOk():
                pass
            case _:
                self._answered(method)
        self.peer.pass_on(unit.raw)
        if isinstance(method, Basic.ConsumeOk) and self.tape.replays:
            self.tape.add(self._consumers[method.consumer_tag or ""])

    def _answered(self, method: Any) -> None:
        call = self._calls.popleft()
        if isinstance(method, Basic.CancelOk):
            consumer = self._consumers.get(method.consumer_tag or "")
            if consumer is not None:
                self.forget(consumer)
        if call.place is None:
            return
        if isinstance(method, Basic.GetEmpty):
            name, scope = self.tape.question(_GET_EMPTY, call.scope, {})
            call.place.fill(partial(self.tape.write_call, name, scope, {}, {}))
        else:
            detail, ticks = values.dump_method(method), call.place.ticks
            write = partial(self.tape.write_call, call.name, call.scope, call.request, detail, ticks=ticks)
            call.place.fill(write)
        self.tape.write()

    def _deliver(self, unit: Unit) -> None:
        consumer = self._consumers.get(unit.method.consumer_tag)
        if consumer is None:
            self.peer.pass_on(unit.raw)
            return
        self._arrive(unit, consumer.queue, consumer.no_ack, {}, partial(self._write_delivery, consumer))

    def _write_delivery(self, consumer: Consumer, envelope: Envelope, meta: dict[str, Json], ticks: int) -> None:
        row = self.tape.delivery_row(consumer.request, envelope, meta)._replace(ticks=ticks)
        self.tape.write_deliveries(consumer.scope, [row])

    def _got(self, unit: Unit) -> None:
        call = self._calls.popleft()
        if call.place is not None:
            call.place.fill(None)
        extra = {"message_count": unit.method.message_count}
        self._arrive(unit, call.scope, call.request["no_ack"], extra, partial(self._write_got, call))

    def _write_got(self, call: _Call, envelope: Envelope, meta: dict[str, Json], ticks: int) -> None:
        row = self.tape.delivery_row(canonical_json(call.request), envelope, meta)._replace(ticks=ticks)
        self.tape.write_answered_delivery(_GET, call.scope, row)

    def _arrive(self, unit: Unit, queue: str, no_ack: bool, extra: dict[str, Json], write: Any) -> None:
        """Record a message from the broker and hand it to the program, as filters leave it."""
        tape, method = self.tape, unit.method
        envelope, meta = values.delivered(method, unit.properties, unit.body)
        clean = tape.clean(envelope)
        tape.arrived += 1
        live = method.delivery_tag
        own = self.number_delivery(queue, self.name, self._delivered + 1, no_ack=no_ack, live=live)
        meta |= {"queue": queue, "channel": self.name, "delivery_tag": own, **extra}
        ticks = int((time.monotonic() - (tape.last_activity or time.monotonic())) * 1000)
        tape.place().fill(partial(write, clean, meta, ticks))
        tape.write()
        if own == live and clean is envelope:
            self.peer.pass_on(unit.raw)
            return
        method.delivery_tag = own
        self.tell(method, *values.content_of(clean, meta, self.peer.frame_max))

    def _cancelled(self, method: Basic.Cancel) -> None:
        consumer = self._consumers.get(method.consumer_tag or "")
        if consumer is not None:
            self.forget(consumer)
            self.tape.place().fill(partial(self.tape.write_event, CANCELLED, consumer.scope, {}))
            self.tape.write()

    def _closed(self, method: Channel.Close) -> None:
        detail = values.dump_method(method)
        call = self._calls.popleft() if self._calls else None
        self.drop()
        if call is None:
            self.tape.place().fill(partial(self.tape.write_event, CLOSED, self.name, detail))
        elif call.place is not None:
            write = partial(self.tape.write_call, call.name, call.scope, call.request, detail, err=LIBRARY_ERROR)
            call.place.fill(write)
        self.tape.write()

    def _end(self, detail: Json) -> None:
        self.drop()
        self.tell(values.load_method(detail))

    def drop(self) -> None:
        """Forget the channel: what was not answered will not be."""
        for consumer in list(self._consumers.values()):
            self.forget(consumer)
        self.tape.drop(self._ending)
        self._outbox.give_up()
        for call in self._calls:
            if call.place is not None:
                call.place.give_up()
        self._calls.clear()
        self.tape.write()
        self.peer.lanes.pop(self.number, None)
