"""Requests of one driver on the simulated RabbitMQ; the program itself answers them, or a service outside of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from x07py.drivers.requests import CORRELATION_ID, DIRECT_REPLY, REPLY_TO
from x07py.errors import NoAnswerError
from x07py.explore.services import asked
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.errors import DriverError
    from x07py.explore.amqp_queues import Vhost
    from x07py.explore.process import Process

_REFUSED = frozenset({"refused", "unreachable"})
_HINT = "the request may have been handled all the same"


class SimulatedRequests:
    """What waits for answers.

    Args:
        vhost: the broker.
        process: who asks.
        store: stores a message in its queues, or raises what the program is told.
        told: returns what the program is told of a fault, and of how many messages.
    """

    def __init__(
        self,
        vhost: Vhost,
        process: Process,
        store: Callable[[Envelope], object],
        told: Callable[[str, int], DriverError],
    ) -> None:
        self._vhost, self._process, self._store, self._told = vhost, process, store, told

    async def ask(self, envelope: Envelope, timeout_s: float) -> Envelope:
        """Send a request and return its answer; another one that comes later is dropped.

        Raises:
            DriverError: 9865 without an answer; 9851, 9854 to 9856 as for a publish.
        """
        fault = await self._process.point("amqp", "request")
        if fault in _REFUSED:
            raise self._told(fault, 1)
        place = self._vhost.place_for_answer()
        found: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._process.loop.broker_later(timeout_s, lambda: None)  # until then it is not quiet
        if fault != "unanswered":
            self._vhost.answers[place] = lambda answer: None if found.done() else found.set_result(answer)
        try:
            if fault != "unsent":
                await self._send(envelope, place, fault)
            async with asyncio.timeout(timeout_s):
                answer = await found
        except TimeoutError:
            known = bool(fault) or asked(envelope) in self._vhost.services or self._vhost.reads(envelope)
            self._process.note("unanswered", envelope.topic, _text(envelope), known)
            raise self._missing(envelope, f"no answer within {timeout_s:g} s") from None
        finally:
            self._vhost.answers[place] = _drop
        self._process.note("answered", _text(envelope), _text(answer))
        headers = {name: text for name, text in answer.headers.items() if name != CORRELATION_ID}
        return Envelope(DIRECT_REPLY, answer.key, answer.value, headers)

    async def _send(self, envelope: Envelope, place: str, fault: str) -> None:
        about = {REPLY_TO: place, CORRELATION_ID: place}
        request = Envelope(envelope.topic, envelope.key, envelope.value, {**envelope.headers, **about})
        self._store(request)
        self._process.note("published", (request,), "amqp")
        is_asked_outside = asked(envelope) in self._vhost.services and not self._vhost.reads(request)
        service = self._vhost.services.get(asked(envelope)) if is_asked_outside else None
        if is_asked_outside:
            self._vhost.take_out(request)
        if fault == "crash-after":
            await self._process.crash()
        if fault == "unconfirmed":
            raise self._missing(envelope, "the connection was lost before the answer came")
        if service is not None:
            headers = {**service.headers, CORRELATION_ID: place}
            self._vhost.publish("", Envelope(place, service.key, service.value, headers), "")

    def _missing(self, envelope: Envelope, message: str) -> NoAnswerError:
        where = f"routing key {envelope.topic!r}, key {envelope.key!r}"
        return NoAnswerError(9865, message, where=where, hint=_HINT)


def _drop(answer: Envelope) -> None:
    """Take an answer that nobody waits for any more."""


def _text(envelope: Envelope) -> str:
    key, value = (part[:60].decode("utf-8", "backslashreplace") for part in (envelope.key, envelope.value))
    return f"{key}={value}"
