"""OpenTelemetry, where it is installed: one span a batch sent, received, handled or settled, linked to the messages'
traces, with the names of its semantic conventions for messaging.

Results of a handler carry on the trace of their message by its own headers. What else is published gets the context of
its span on the way to the broker, below the recorder: so a replay, which has no spans, compares the same bytes.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from x07py.drivers.base import is_consuming
from x07py.drivers.requests import REQUEST, packed, unpacked
from x07py.errors import DriverError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from x07py.drivers.base import Ack, Backend, Delivery, Dialect, Json, Subscription

_TRACE = ("traceparent", "tracestate")
_SETTLING = ("ack", "nack", "commit")


def follow_trace(cause: Envelope, result: Envelope) -> Envelope:
    """Return `result` with the trace headers of the message that it comes of, unless it has some of its own."""
    headers = cause.headers
    if not headers or _TRACE[0] not in headers or _TRACE[0] in result.headers:
        return result
    trace = {name: headers[name] for name in _TRACE if name in headers}
    return Envelope(result.topic, result.key, result.value, {**result.headers, **trace})


def batch_span(kind: str, places: Sequence[str], group: str, batch: Sequence[Delivery]) -> AbstractContextManager[Any]:
    """Return a span for handling a batch, with a link to each message's trace; nothing without OpenTelemetry.

    Args:
        kind: of the driver.
        places: topics or queues that are consumed.
        group: the consumer group, if there is one.
        batch: the messages.
    """
    try:
        import opentelemetry.trace as trace
        from opentelemetry.propagate import extract
    except ImportError:
        return nullcontext()
    links = [trace.Link(trace.get_current_span(extract(headers)).get_span_context()) for headers in _traced(batch)]
    name, facts = _about(kind, places, "process", "process", len(batch), group)
    span: AbstractContextManager[Any] = trace.get_tracer("x07py").start_as_current_span(
        name, kind=trace.SpanKind.CONSUMER, links=links, attributes=facts
    )
    return span


def _about(
    kind: str, places: Sequence[str], operation: str, type_: str, size: int, group: str = ""
) -> tuple[str, dict[str, str | int]]:
    """Return the name of a span and its attributes: the operation, and where it is one, the topic or queue."""
    facts: dict[str, str | int] = {
        "messaging.system": {"amqp": "rabbitmq"}.get(kind, kind),
        "messaging.operation.name": operation,
        "messaging.operation.type": type_,
    }
    if size:
        facts["messaging.batch.message_count"] = size
    if group:
        facts["messaging.consumer.group.name"] = group
    if len(places) != 1:
        return operation, facts
    return f"{operation} {places[0]}", facts | {"messaging.destination.name": places[0]}


def _traced(batch: Sequence[Delivery]) -> list[Mapping[str, str]]:
    """Return the headers of the messages that have a trace."""
    return [headers for delivery in batch if _TRACE[0] in (headers := delivery.envelope.headers)]


def traced(live: Backend, addresses: Sequence[str]) -> Backend:
    """Return a backend that makes spans around a live one, or the live one itself without OpenTelemetry.

    Args:
        live: the connection.
        addresses: ``host:port`` of the brokers of its profile.
    """
    try:
        import opentelemetry.trace  # noqa: F401
    except ImportError:
        return live
    return TracedBackend(live, addresses)


class TracedBackend:
    """A live connection with a span for each batch that is sent, received or settled.

    Args:
        live: the connection.
        addresses: ``host:port`` of the brokers of its profile.
    """

    def __init__(self, live: Backend, addresses: Sequence[str]) -> None:
        import opentelemetry.trace as trace

        self.dialect: Dialect = live.dialect
        self.profile: str = live.profile
        self._live = live
        self._trace = trace
        self._tracer = trace.get_tracer("x07py")
        host, _, port = addresses[0].rpartition(":") if len(addresses) == 1 else ("", "", "")
        self._server: dict[str, str | int] = (
            {"server.address": host.strip("[]"), "server.port": int(port)} if host else {}
        )

    async def publish_many(self, envelopes: Sequence[Envelope]) -> Sequence[Ack]:
        """Publish within a span; messages without a trace get that of the span."""
        from opentelemetry.propagate import inject

        places = sorted({envelope.topic for envelope in envelopes})
        with self._span("send", "send", self._trace.SpanKind.PRODUCER, places, len(envelopes)):
            headers: dict[str, str] = {}
            inject(headers)
            if headers:
                envelopes = [_with_trace(envelope, headers) for envelope in envelopes]
            return await self._live.publish_many(envelopes)

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Yield the live batches, each with a span of the time that was waited for it."""
        batches = self._live.consume(subscription)
        try:
            started = time.time_ns()
            async for batch in batches:
                self._received(subscription, batch, started)
                yield batch
                started = time.time_ns()
        finally:
            await batches.aclose()  # type: ignore[attr-defined]

    def _received(self, subscription: Subscription, batch: list[Delivery], started: int) -> None:
        from opentelemetry.propagate import extract

        operation = "poll" if self.dialect.name == "kafka" else "receive"
        places, group = subscription.sources, subscription.group
        name, facts = _about(self.dialect.name, places, operation, "receive", len(batch), group)
        span = self._tracer.start_span(
            name, kind=self._trace.SpanKind.CLIENT, attributes=facts | self._server, start_time=started
        )
        if span.is_recording():
            for headers in _traced(batch):
                span.add_link(self._trace.get_current_span(extract(headers)).get_span_context())
        span.end()

    @contextmanager
    def _span(self, operation: str, type_: str, kind: Any, places: Sequence[str], size: int = 0) -> Iterator[None]:
        """Make a span around the block; an error that leaves it is named by its code."""
        name, facts = _about(self.dialect.name, places, operation, type_, size)
        with self._tracer.start_as_current_span(name, kind=kind, attributes=facts | self._server) as span:
            try:
                yield
            except DriverError as error:
                span.set_attribute("error.type", str(error.code))
                raise

    async def control(self, op: str, request: Json) -> Json:
        """Carry out any other operation: a span where it settles messages or sends a request, else without one."""
        kinds = self._trace.SpanKind
        if op in _SETTLING:
            places = list(request.get("ranges", ()))
            with self._span(op, "settle", kinds.CLIENT, places, _settled(request)):
                return await self._live.control(op, request)
        if op == REQUEST:
            from opentelemetry.propagate import inject

            with self._span(op, "send", kinds.CLIENT, [request["envelope"]["topic"]]):
                headers: dict[str, str] = {}
                inject(headers)
                sent = _with_trace(unpacked(request["envelope"]), headers)
                return await self._live.control(op, {**request, "envelope": packed(sent)})
        return await self._live.control(op, request)

    def consuming(self) -> bool:
        """Pass on whether the broker lets it consume."""
        return is_consuming(self._live)

    async def keep_alive(self) -> bool:
        """Pass on that the program is at work."""
        return await self._live.keep_alive()

    async def close(self) -> None:
        """Close the connection."""
        await self._live.close()


def _settled(request: Json) -> int:
    """Return how many messages a request settles."""
    lanes = [lane for source in request.get("ranges", {}).values() for lane in source.values()]
    return sum(last - first + 1 for spans in lanes for first, last in spans)


def _with_trace(envelope: Envelope, trace: Mapping[str, str]) -> Envelope:
    if not trace or _TRACE[0] in envelope.headers:
        return envelope
    return Envelope(envelope.topic, envelope.key, envelope.value, {**envelope.headers, **trace})
