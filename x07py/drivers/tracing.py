"""OpenTelemetry, where it is installed: one span a batch, linked to the trace of each message in it.

Results carry on the trace of their message by its own headers, not by a context made here: so a replay publishes the
same bytes as the recording.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.drivers.base import Delivery

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
    links = []
    for delivery in batch:
        headers = delivery.envelope.headers
        if _TRACE[0] in headers:
            context = trace.get_current_span(extract(headers)).get_span_context()
            links.append(trace.Link(context))
    facts: dict[str, str | int] = {"messaging.operation.type": "process", "messaging.batch.message_count": len(batch)}
    if group:
        facts["messaging.consumer.group.name"] = group
    span: AbstractContextManager[Any] = trace.get_tracer("x07py").start_as_current_span(
        "process", kind=trace.SpanKind.CONSUMER, links=links, attributes=facts
    )
    return span
