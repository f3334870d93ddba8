"""Counters of the pump, for OpenMetrics, kept by ``prometheus_client`` where it is installed; else nothing is counted.

They are incremented once a batch. Expose them with ``prometheus_client.start_http_server(port)``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

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
        self.handler = Histogram("x07_handler_seconds", "Time that the handler took for one batch", labels)


@cache
def _instruments() -> _Instruments | None:
    try:
        return _Instruments()
    except ImportError:
        return None


def count(kind: str, profile: str, **amounts: int) -> None:
    """Add to counters, by their names without ``x07_``; needs the names above."""
    instruments = _instruments()
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


def lag(group: str, places: Mapping[str, int]) -> None:
    """Note how many messages a group is behind, by ``topic/partition``."""
    instruments = _instruments()
    if instruments is not None:
        for place, behind in places.items():
            instruments.lag.labels(group, place).set(behind)


def forget_lag(group: str, places: Iterable[str]) -> None:
    """Take away the lag of places that nobody asks about any more."""
    instruments = _instruments()
    if instruments is not None:
        for place in places:
            instruments.lag.remove(group, place)
