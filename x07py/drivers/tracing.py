"""OpenTelemetry, where it is installed: one span a batch sent, received or handled, linked to the messages' traces.

Results of a handler carry on the trace of their message by its own headers. What else is published gets the context of
its span on the way to the broker, below the recorder: so a replay, which has no spans, compares the same bytes.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from x07py.drivers.base import Ack, Backend, Delivery, Json, Subscription

_TRACE = ("traceparent", "tracestate")


def follow_trace(cause: Envelope, result: Envelope) -> Envelope:
    """Return `result` with the trace headers of the message that it comes of, unless it has some of its own."""
    headers = cause.headers
    if not headers or _TRACE[0] not in headers or _TRACE[0] in result.headers:
        return result
    trace = {name: headers[name] for name in _TRACE if name in headers}
    return Envelope(result.topic, result.key, result.value, {**result.headers, **trace})


def batch_span(group: str, batch: Sequence[Delivery]) -> AbstractContextManager[Any]:
    """Return a span for handling a batch, with a link to each message's trace; nothing without OpenTelemetry."""
    try:
        import opentelemetry.trace as trace
        from opentelemetry.propagate import extract
    except ImportError:
        return nullcontext()
    links = [trace.Link(trace.get_current_span(extract(headers)).get_span_context()) for headers in _traced(batch)]
    facts: dict[str, str | int] = {"messaging.operation.type": "process", "messaging.batch.message_count": len(batch)}
    if group:
        facts["messaging.consumer.group.name"] = group
    span: AbstractContextManager[Any] = trace.get_tracer("x07py").start_as_current_span(
        "process", kind=trace.SpanKind.CONSUMER, links=links, attributes=facts
    )
    return span


def _traced(batch: Sequence[Delivery]) -> list[Mapping[str, str]]:
    """Return the headers of the messages that have a trace."""
    return [headers for delivery in batch if _TRACE[0] in (headers := delivery.envelope.headers)]


def traced(live: Backend) -> Backend:
    """Return a backend that makes spans around a live one, or the live one itself without OpenTelemetry."""
    try:
        import opentelemetry.trace  # noqa: F401
    except ImportError:
        return live
    return TracedBackend(live)


class TracedBackend:
    """A live connection with a span for each batch that is sent or received.

    Args:
        live: the connection.
    """

    def __init__(self, live: Backend) -> None:
        import opentelemetry.trace as trace

        self.dialect = live.dialect
        self.profile = live.profile
        self._live = live
        self._trace = trace
        self._tracer = trace.get_tracer("x07py")
        self._facts = {"messaging.system": {"amqp": "rabbitmq"}.get(live.dialect.name, live.dialect.name)}

    async def publish_many(self, envelopes: Sequence[Envelope]) -> Sequence[Ack]:
        """Publish within a span; messages without a trace get that of the span."""
        from opentelemetry.propagate import inject

        facts = self._about(sorted({envelope.topic for envelope in envelopes}), len(envelopes), "send")
        with self._tracer.start_as_current_span("send", kind=self._trace.SpanKind.PRODUCER, attributes=facts):
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

        facts = self._about(list(subscription.sources), len(batch), "receive")
        if subscription.group:
            facts["messaging.consumer.group.name"] = subscription.group
        span = self._tracer.start_span(
            "receive", kind=self._trace.SpanKind.CONSUMER, attributes=facts, start_time=started
        )
        if span.is_recording():
            for headers in _traced(batch):
                span.add_link(self._trace.get_current_span(extract(headers)).get_span_context())
        span.end()

    def _about(self, places: list[str], size: int, kind: str) -> dict[str, str | int]:
        facts: dict[str, str | int] = {
            "messaging.operation.type": kind,
            "messaging.batch.message_count": size,
            **self._facts,
        }
        return facts | ({"messaging.destination.name": places[0]} if len(places) == 1 else {})

    async def control(self, op: str, request: Json) -> Json:
        """Carry out any other operation, without a span."""
        return await self._live.control(op, request)

    async def close(self) -> None:
        """Close the connection."""
        await self._live.close()


def _with_trace(envelope: Envelope, trace: Mapping[str, str]) -> Envelope:
    if _TRACE[0] in envelope.headers:
        return envelope
    return Envelope(envelope.topic, envelope.key, envelope.value, {**envelope.headers, **trace})
