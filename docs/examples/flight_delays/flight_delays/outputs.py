"""What the service writes: the canonical report (RFC 8785) and an OpenMetrics snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rfc8785

from flight_delays.core import report, summarize

if TYPE_CHECKING:
    from flight_delays.core import FlightDelays

TIME_DEPENDENT = ("flight_delays_processing_seconds",)
"""Metric families that differ from run to run; everything else is the same in a replay."""


def report_bytes(service: FlightDelays) -> bytes:
    """Return the report as canonical JSON."""
    return rfc8785.dumps(report(service))


def metrics_text(service: FlightDelays, seconds: float) -> str:
    """Return the OpenMetrics text: counts, rejections, duplicates, delay quantiles, and how long it took.

    The library imports sockets, so only this function imports it: a solve world has none.
    """
    from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
    from prometheus_client.openmetrics.exposition import generate_latest

    disable_created_metrics()
    registry = CollectorRegistry()
    events = Counter("flight_delays_events", "Events by outcome.", ["outcome"], registry=registry)
    for outcome, count in sorted(service.counts.items()):
        events.labels(outcome).inc(count)
    rejections = Counter("flight_delays_rejections", "Rejected messages by reason.", ["reason"], registry=registry)
    for reason, count in sorted(service.rejections.items()):
        rejections.labels(reason).inc(count)
    Counter("flight_delays_duplicates", "Messages that came again.", registry=registry).inc(service.duplicates)
    delays = Gauge("flight_delays_minutes", "Departure delay.", ["airport", "quantile"], registry=registry)
    for airport, row in sorted(summarize(service.by_airport).items()):
        for name in ("p50", "p90", "p99"):
            delays.labels(airport, f"0.{name[1:]}").set(row[name])
    Gauge("flight_delays_processing_seconds", "Wall-clock time of the run.", registry=registry).set(seconds)
    return generate_latest(registry).decode()


def stable_metrics(text: str) -> str:
    """Return the metrics without the families that depend on time."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not any(name in line for name in TIME_DEPENDENT))
