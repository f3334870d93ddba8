"""Counters of drivers and pumps, for OpenMetrics, kept by ``prometheus_client`` where it is installed; else nothing is.

In solve worlds, which have nobody to show them to, nothing is counted either. Counters are incremented once a batch.
Expose them with ``prometheus_client.start_http_server(port)``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_COUNTERS = {
    "consumed": "Messages taken from a broker",
    "produced": "Messages that a broker has confirmed",
    "acked": "Messages acknowledged or committed",
    "retried": "Broker operations tried again",
    "dead_lettered": "Messages that the handler could not take",
    "duplicates": "Messages left out because they came before",
}


class _Instruments:
    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        labels = ("kind", "profile")
        self.counters = {name: Counter(f"x07_{name}", text, labels) for name, text in _COUNTERS.items()}
        self.lag = Gauge("x07_lag", "Messages that a group is behind", ("group", "place"))
        self.stalled = Gauge("x07_handler_stalled_seconds", "How long a handler is overdue with its batch", labels)
        self.handler = Histogram("x07_handler_seconds", "Time that the handler took for one batch", labels)


def _instruments() -> _Instruments | None:
    return None if current_world().solve else _made()


@cache
def _made() -> _Instruments | None:
    try:
        return _Instruments()
    except ImportError:
        return None


def count(kind: str, profile: str, **amounts: int) -> None:
    """Add to counters, by their names without ``x07_``; needs the names above."""
    instruments = _instruments() if any(amounts.values()) else None
    if instruments is not None:
        for name, amount in amounts.items():
            if amount:
                instruments.counters[name].labels(kind, profile).inc(amount)


def handler_seconds(kind: str, profile: str, seconds: float) -> None:
    """Note how long the handler took for one batch."""
    instruments = _instruments()
    if instruments is not None:
        observe: Any = instruments.handler.labels(kind, profile).observe
        observe(seconds)


def stalled(kind: str, profile: str, seconds: float) -> None:
    """Note how long the handler of a pump is overdue; 0 when it has finished."""
    instruments = _instruments()
    if instruments is not None:
        instruments.stalled.labels(kind, profile).set(seconds)


def lag(group: str, places: Mapping[str, int]) -> None:
    """Note how many messages a group is behind, by ``topic/partition``."""
    instruments = _instruments()
    if instruments is not None:
        for place, behind in places.items():
            instruments.lag.labels(group, place).set(behind)


def exposition() -> bytes | None:
    """Return all metrics of the process as Prometheus scrapes them; None without ``prometheus_client``."""
    try:
        from prometheus_client import generate_latest
    except ImportError:
        return None
    return generate_latest()


def forget_lag(group: str, places: Iterable[str]) -> None:
    """Take away the lag of places that nobody asks about any more."""
    instruments = _instruments()
    if instruments is not None:
        for place in places:
            instruments.lag.remove(group, place)
