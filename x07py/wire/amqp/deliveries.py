"""What a replay sends to a program without being asked: deliveries, and what the broker closed, cancelled, returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.drivers.base import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.drivers.base import Json
    from x07py.rr import Answer
    from x07py.wire.amqp.session import AmqpSession
    from x07py.wire.outgoing import Outgoing

BLOCKED, CANCELLED, CLOSED, RETURNED = "blocked", "cancelled", "closed", "returned"


class Consumer:
    """One consumer of a channel.

    Args:
        session: the cassette.
        outgoing: the way to the program.
        tag: the program's name for it, empty until the broker has given it one.
        queue: the queue, as it was called when it was recorded.
        no_ack: whether its deliveries are settled by themselves.
        deliver: hands out a recorded delivery.
        cancel: tells of a recorded cancellation.
    """

    waits = True

    def __init__(
        self,
        session: AmqpSession,
        outgoing: Outgoing,
        tag: str,
        queue: str,
        *,
        no_ack: bool,
        deliver: Callable[[Consumer, Answer], None],
        cancel: Callable[[Consumer], None],
    ) -> None:
        self.outgoing: Outgoing = outgoing
        self.tag: str = tag
        self.queue: str = queue
        self.no_ack: bool = no_ack
        self._session, self._deliver, self._cancel = session, deliver, cancel
        self.scope: str = session.scope_of((queue,), "")
        self.request: bytes = Subscription((queue,), "", 1).request()
        self._is_cancelled = session.peek_event(CANCELLED, self.scope) is not None

    def upcoming(self) -> int | None:
        """Return the number of the next delivery or cancellation, or None."""
        session = self._session
        delivery = session.peek(session.dialect.poll_op, self.scope)
        cancellation = self._cancellation()
        return min((number for number in (delivery, cancellation) if number is not None), default=None)

    def _cancellation(self) -> int | None:
        """Return the number of the next recorded cancellation; most consumers have none."""
        return self._session.peek_event(CANCELLED, self.scope) if self._is_cancelled else None

    def is_due(self, number: int) -> bool:
        """Tell whether the program has published and settled again what it had before entry `number`."""
        if self._cancellation() == number:
            return self._session.has_happened(number)
        return self._session.is_due(number)

    def emit(self, number: int) -> None:
        """Hand out the delivery, or tell of the cancellation."""
        is_event = self._cancellation() == number
        answer = self._session.take(number)
        if is_event:
            self._cancel(self)
        else:
            self._deliver(self, answer)


class Event:
    """What a recorded broker did to a channel or a connection by itself.

    Args:
        session: the cassette.
        outgoing: the way to the program.
        name: what it did.
        scope: the channel or connection.
        happen: tells the program.
    """

    waits = False

    def __init__(
        self, session: AmqpSession, outgoing: Outgoing, name: str, scope: str, happen: Callable[[Json], None]
    ) -> None:
        self.outgoing: Outgoing = outgoing
        self.scope: str = scope
        self._session, self._name, self._happen = session, name, happen

    def upcoming(self) -> int | None:
        """Return the number of the recorded event, or None."""
        return self._session.peek_event(self._name, self.scope)

    def is_due(self, number: int) -> bool:
        """Tell whether everything that was recorded before the event has happened again."""
        return self._session.has_happened(number)

    def emit(self, number: int) -> None:
        """Let it happen."""
        self._happen(self._session.failure(self._session.take(number)))
