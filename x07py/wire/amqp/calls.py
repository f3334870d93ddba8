"""Requests of a channel and their answers, in the order in which the broker answers them."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pamqp.commands import Queue

from x07py.wire.amqp import values
from x07py.wire.decoding import document, record
from x07py.wire.tape import LIBRARY_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.drivers.base import Json
    from x07py.rr import Answer
    from x07py.wire.amqp.frames import Frame
    from x07py.wire.amqp.link import Link
    from x07py.wire.amqp.places import Place
    from x07py.wire.amqp.session import AmqpSession


class Call(NamedTuple):
    """A request that the broker has not answered; without a place, because the cassette knows the answer already."""

    name: str
    scope: str
    request: Json
    place: Place | None = None
    answered: Callable[[Any], None] | None = None


class Calls:
    """The requests of one channel.

    Args:
        session: the cassette.
        link: the connection.
        number: the channel's number.
        closed: called when a recorded answer is that the broker closes the channel.
    """

    def __init__(self, session: AmqpSession, link: Link, number: int, closed: Callable[[], None]) -> None:
        self._session, self._link, self._number, self._closed = session, link, number, closed
        self._waiting: deque[Call] = deque()

    def topology(self, frame: Frame) -> None:
        """Take a request about queues, exchanges, limits or transactions.

        Raises:
            ReplayMismatchError: 2009 or 2050.
        """
        method, session = frame.method, self._session
        name = method.name.replace(".", "_").lower()
        if isinstance(method, Queue.Declare) and not method.passive:
            session.adopt_name(method.queue, session.operation(name))
        request = session.name_fields(values.fields_of(method))
        scope = request.get("queue") or request.get("destination") or request.get("exchange") or ""
        answer = None
        if getattr(method, "passive", False):
            answer = session.repeat(name, scope, request)
            name, scope = session.question(name, scope, request)
        if answer is None:
            answer = session.recall(name, scope, request, in_order=False)
        self.carry_out(frame, Call(name, scope, request), answer)

    def carry_out(self, frame: Frame, call: Call, answer: Answer | None, **fields: Any) -> None:
        """Answer from the cassette, or let the broker answer; `fields` complete what the cassette has."""
        session = self._session
        if not self._link.live:
            if answer is not None:
                self._answer(answer, fields)
            return
        answered = frame.method.synchronous and not getattr(frame.method, "nowait", False)
        place = session.place() if answer is None else None
        if answered:
            self.wait(call._replace(place=place))
        elif place is not None:
            place.fill(partial(session.write_call, call.name, call.scope, call.request, {}))
        self._link.to_broker(*frame.raw)

    def wait(self, call: Call) -> None:
        """Expect the broker to answer a request that was sent to it."""
        self._waiting.append(call)

    def take(self) -> Call | None:
        """Return the request that the broker answers now, or None if it was not asked."""
        return self._waiting.popleft() if self._waiting else None

    def answered(self, method: Any) -> None:
        """Write what the broker answered to the first request that waits."""
        call = self.take()
        if call is None:
            return
        if call.answered is not None:
            call.answered(method)
        if call.place is not None:
            detail, ticks = values.dump_method(method), call.place.ticks
            write = partial(self._session.write_call, call.name, call.scope, call.request, detail, ticks=ticks)
            call.place.fill(write)

    def refused(self, call: Call, detail: Json) -> None:
        """Note that the broker closed the channel instead of answering a request."""
        if call.place is not None:
            write = self._session.write_call
            call.place.fill(partial(write, call.name, call.scope, call.request, detail, err=LIBRARY_ERROR))

    def give_up(self) -> None:
        """Note that nothing more will be answered."""
        for call in self._waiting:
            if call.place is not None:
                call.place.give_up()
        self._waiting.clear()

    def _answer(self, answer: Answer, fields: dict[str, Any]) -> None:
        data = record(document(answer.resp))
        ticks = self._session.session.ledger.ticks(answer.number)
        if answer.err:
            self._closed()
            self._link.to_client(self._number, values.load_method(data), ticks=ticks)
        elif data:
            method = values.load_method(data, **fields)
            if isinstance(method, Queue.DeclareOk):
                method.queue = self._session.current_name(method.queue or "")
            self._link.to_client(self._number, method, ticks=ticks)
        self._session.advance()
