"""The logic: departures joined with the weather then known, alerts, rejections, and a deterministic aggregate.

Nothing here knows of a broker, a file, a clock or a random number: envelopes go in, envelopes come out. What arrives
may be interleaved in any way that keeps the order of each airport within each stream; the results do not depend on it.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from x07py import Envelope, X07Error
from x07py.msg import CloudEvent, check_topic

DEPARTURES, WEATHER, ALERTS, REJECTIONS = "departures", "weather", "flight-alerts", "flight-rejections"
END = "flights.end"
ALERT_AFTER_MINUTES = 60
_WEATHER_FIELDS = ("temp_f", "wind_mph", "visibility_mi", "precip_in")
_SOURCE = "/flight-delays"
_END_OF_TIME = "~"
"""Sorts behind every time."""


class Rejected(Exception):  # noqa: N818  it is an outcome, not an error
    """A message that cannot be used: a reason to count by, and what exactly is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass
class _Airport:
    """What is known of one airport; grows with its hourly weather; departures wait until their weather is known."""

    times: list[str] = field(default_factory=list)
    weather: list[dict[str, Any]] = field(default_factory=list)
    waiting: deque[dict[str, Any]] = field(default_factory=deque)
    ended: set[str] = field(default_factory=set)


class FlightDelays:
    """The service's state and its one operation, `handle`.

    Args:
        limits: for each topic the most bytes that a value may have, from the contracts.
        airports: the airports whose streams end the work when all of them have ended.
    """

    def __init__(self, limits: dict[str, int], airports: tuple[str, ...] = ("EWR", "JFK", "LGA")) -> None:
        self._limits = limits
        self._airports = {name: _Airport() for name in airports}
        self._last: dict[tuple[str, bytes], int] = {}
        self.counts: Counter[str] = Counter()
        self.rejections: Counter[str] = Counter()
        self.duplicates = 0
        self.by_airport: dict[str, Counter[int]] = {}
        self.by_carrier: dict[str, Counter[int]] = {}

    @property
    def finished(self) -> bool:
        """Whether both streams of every airport have ended."""
        return all(airport.ended == {DEPARTURES, WEATHER} for airport in self._airports.values())

    def handle(self, envelope: Envelope) -> list[Envelope]:
        """Return what one message leads to: alerts of departures that it completes, or its rejection."""
        try:
            event = self._identify(envelope)
            if event is None:
                return []
            return self._apply(envelope, event)
        except Rejected as why:
            self.rejections[why.reason] += 1
            return [_rejection(envelope, why)]

    def _identify(self, envelope: Envelope) -> CloudEvent | None:
        """Return the event's context, or None if the message came before.

        Each airport counts the events of each stream upwards, so that what is missing shows as well.
        """
        try:
            event = CloudEvent.from_headers(envelope.headers)
            number = int(event.id.rpartition("-")[2])
        except (X07Error, ValueError) as error:
            raise Rejected("no_context", str(error)) from None
        stream = (envelope.topic, envelope.key)
        last = self._last.get(stream, 0)
        if number <= last:
            self.duplicates += 1
            return None
        if number != last + 1:
            self.counts["lost"] += number - last - 1
        self._last[stream] = number
        return event

    def _apply(self, envelope: Envelope, event: CloudEvent) -> list[Envelope]:
        airport = self._airports.get(envelope.key.decode("ascii", "replace"))
        if airport is None:
            raise Rejected("unknown_airport", f"no airport has the key {envelope.key!r}")
        if event.type == END:
            airport.ended.add(envelope.topic)
            return self._settle(airport, envelope.key)
        try:
            check_topic(envelope, self._limits)
        except X07Error as error:
            raise Rejected("oversized" if error.code == 9502 else "unknown_topic", error.message) from None
        value = _parse(envelope.value)
        if envelope.topic == WEATHER:
            self._add_weather(airport, value)
        else:
            airport.waiting.append(_departure(value))
        return self._settle(airport, envelope.key)

    def _add_weather(self, airport: _Airport, value: dict[str, Any]) -> None:
        airport.times.append(_text(value, "time"))
        airport.weather.append({name: _number(value, name) for name in _WEATHER_FIELDS})
        self.counts["weather"] += 1

    def _settle(self, airport: _Airport, key: bytes) -> list[Envelope]:
        """Handle the waiting departures for which all weather up to their time has arrived."""
        known = _END_OF_TIME if WEATHER in airport.ended else max(airport.times[-1:], default="")
        alerts: list[Envelope] = []
        while airport.waiting and airport.waiting[0]["scheduled"] <= known:
            departure = airport.waiting.popleft()
            self._count(departure, key.decode())
            if departure["delay_min"] is not None and departure["delay_min"] >= ALERT_AFTER_MINUTES:
                self.counts["alerts"] += 1
                alerts.append(self._alert(departure, airport, key))
        return alerts

    def _count(self, departure: dict[str, Any], airport: str) -> None:
        self.counts["departures"] += 1
        delay = departure["delay_min"]
        if delay is None:
            self.counts["cancelled"] += 1
            return
        self.by_airport.setdefault(airport, Counter())[delay] += 1
        self.by_carrier.setdefault(departure["carrier"], Counter())[delay] += 1

    def _alert(self, departure: dict[str, Any], airport: _Airport, key: bytes) -> Envelope:
        place = bisect_right(airport.times, departure["scheduled"])
        weather = airport.weather[place - 1] if place else None
        if weather is None:
            self.counts["alerts_without_weather"] += 1
        context = CloudEvent(
            id=f"alert-{key.decode()}-{departure['scheduled']}-{departure['carrier']}{departure['flight']}",
            source=_SOURCE,
            type="flights.alert",
            time=departure["scheduled"],
            datacontenttype="application/json",
        )
        value = _canonical({**departure, "weather": weather})
        return Envelope(ALERTS, key, value, context.to_headers())


def _parse(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Rejected("malformed", f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Rejected("malformed", "not a JSON object")
    return value


def _departure(value: dict[str, Any]) -> dict[str, Any]:
    departure = {name: _text(value, name) for name in ("carrier", "dest", "scheduled")}
    delay = value.get("delay_min")
    if delay is not None and (not isinstance(delay, int) or isinstance(delay, bool)):
        raise Rejected("malformed", "delay_min is not a whole number")
    flight = _number(value, "flight")
    return {**departure, "flight": flight, "delay_min": delay}


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise Rejected("malformed", f"{name} is not text")
    return text


def _number(value: dict[str, Any], name: str) -> int | float | None:
    """Return a number that may be missing: weather stations leave values out."""
    number = value.get(name)
    if number is not None and (not isinstance(number, int | float) or isinstance(number, bool)):
        raise Rejected("malformed", f"{name} is not a number")
    return number


def _rejection(envelope: Envelope, why: Rejected) -> Envelope:
    value = {"reason": why.reason, "detail": why.detail, "topic": envelope.topic, "size": envelope.size}
    headers = {"ce_id": "rejection-" + envelope.digest(), "ce_source": _SOURCE, "ce_type": "flights.rejection"}
    headers["ce_specversion"] = "1.0"
    return Envelope(REJECTIONS, envelope.key, _canonical(value), headers)


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def quantile(delays: Counter[int], percent: int) -> int:
    """Return the nearest-rank quantile of delays in minutes; `delays` holds at least one."""
    rank = -(-sum(delays.values()) * percent // 100)
    seen = 0
    for delay in sorted(delays):
        seen += delays[delay]
        if seen >= rank:
            return delay
    raise ValueError("no delays")


def summarize(groups: dict[str, Counter[int]]) -> dict[str, dict[str, int]]:
    """Return flights and delay quantiles in minutes for each group."""
    return {
        name: {"flights": sum(delays.values()), **{f"p{p}": quantile(delays, p) for p in (50, 90, 99)}}
        for name, delays in groups.items()
    }


def report(service: FlightDelays) -> dict[str, Any]:
    """Return the aggregate: the same for the same events, however they were batched, repeated or interleaved."""
    return {
        "schema_version": "flight_delays.report@1",
        "counts": dict(service.counts),
        "rejections": dict(service.rejections),
        "delays_by_airport": summarize(service.by_airport),
        "delays_by_carrier": summarize(service.by_carrier),
    }


def digest(document: bytes) -> str:
    """Return the lower-case hex SHA-256 of a canonical report."""
    return hashlib.sha256(document).hexdigest()
