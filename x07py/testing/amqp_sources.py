"""What a replay sends to a program without being asked: deliveries, and what the broker closed or cancelled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pamqp.commands import Basic

from x07py.drivers.base import Subscription
from x07py.testing import amqp_values as values

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.drivers.base import Json
    from x07py.testing.amqp_channel import Lane
    from x07py.testing.amqp_tape import AmqpTape

CANCELLED, CLOSED = "cancelled", "closed"


class Consumer:
    """One consumer of a channel.

    Args:
        lane: the channel.
        tag: the program's name for it.
        queue: the queue, as it was called when it was recorded.
        no_ack: whether its deliveries are settled by themselves.
    """

    waits = True

    def __init__(self, lane: Lane, tag: str, queue: str, *, no_ack: bool) -> None:
        self.lane, self.tag, self.queue, self.no_ack = lane, tag, queue, no_ack
        self.loop = lane.peer.wire.loop
        self.scope = lane.tape.scope_of((queue,), "")
        self.request = Subscription((queue,), "", 1).request()

    def upcoming(self) -> int | None:
        """Return the number of the next delivery or cancellation, or None."""
        tape = self.lane.tape
        delivery = tape.peek(tape.dialect.poll_op, self.scope)
        cancellation = tape.peek_event(CANCELLED, self.scope)
        return min((number for number in (delivery, cancellation) if number is not None), default=None)

    def emit(self, number: int) -> None:
        """Hand out the delivery, or tell of the cancellation."""
        lane, tape = self.lane, self.lane.tape
        is_event = tape.peek_event(CANCELLED, self.scope) == number
        answer = tape.take(number)
        ticks = tape.session.ledger.ticks(number)
        if is_event:
            lane.forget(self)
            lane.tell(Basic.Cancel(consumer_tag=self.tag, nowait=True), ticks=ticks)
            return
        envelope, meta = tape.envelope(answer), tape.meta(answer)
        own = lane.number_delivery(self.queue, meta["channel"], meta["delivery_tag"], no_ack=self.no_ack)
        method = Basic.Deliver(
            consumer_tag=self.tag,
            delivery_tag=own,
            redelivered=meta["redelivered"],
            exchange=meta["exchange"],
            routing_key=tape.current_name(meta["routing_key"]),
        )
        lane.tell(method, *values.content_of(envelope, meta, lane.peer.frame_max), ticks=ticks)


class Ending:
    """What a recorded broker did to a channel or a connection by itself.

    Args:
        tape: the tape.
        loop: where the program runs.
        scope: the channel or connection.
        happen: tells the program.
    """

    waits = False

    def __init__(self, tape: AmqpTape, loop: Any, scope: str, happen: Callable[[Json], None]) -> None:
        self.tape, self.loop, self.scope = tape, loop, scope
        self._happen = happen

    def upcoming(self) -> int | None:
        """Return the number of the recorded end, or None."""
        return self.tape.peek_event(CLOSED, self.scope)

    def emit(self, number: int) -> None:
        """Let it end."""
        self._happen(json.loads(self.tape.take(number).resp))
