"""What x07py ships is explored: both worker templates, and the example with state in memory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.project import REPOSITORY, x07
from x07py.msg import CloudEvent

EXAMPLE = REPOSITORY / "docs/examples/flight_delays"


@pytest.mark.parametrize(("template", "flags"), [("worker", ["--members", "2"]), ("worker-amqp", [])])
def test_nothing_is_found_in_a_template(tmp_path: Path, template: str, flags: list[str]) -> None:
    assert x07("init", "orders", "--template", template, cwd=tmp_path).returncode == 0
    promise = ["--promise", "alerts:duplicates=after-fault,order=key", "--dead-letter", "orders-dead"]
    words = ["worker.x07rr.bin", "--histories", "120", "--cores", "1", *flags, *promise]
    done = x07("explore", *words, "--", "work", cwd=tmp_path / "orders")
    assert done.returncode == 0, done.stdout + done.stderr


def event(topic: str, airport: str, number: int, kind: str, value: object) -> str:
    headers = CloudEvent(id=f"{airport}-{topic}-{number}", source=topic, type=kind).to_headers()
    return json.dumps({"topic": topic, "key": airport, "value": value, "headers": dict(headers)})


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    """The example, with a departure that is late, one that is not, and their weather, of each airport."""
    project = tmp_path / "flights"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("data", ".x07_rr", "__pycache__"))
    departure = {"carrier": "B6", "flight": 1, "dest": "LAX", "scheduled": "2013-01-01T10:05:00Z"}
    weather = {"time": "2013-01-01T10:00:00Z", "temp_f": 50, "wind_mph": 5, "visibility_mi": 10, "precip_in": 0}
    lines = []
    for airport in ("EWR", "JFK", "LGA"):
        for number, delay in enumerate((77, 3), 1):
            lines.append(event("departures", airport, number, "flights.departures", {**departure, "delay_min": delay}))
        lines.append(event("weather", airport, 1, "flights.weather", weather))
    for airport in ("EWR", "JFK", "LGA"):
        lines += [
            event(topic, airport, 3 if topic == "departures" else 2, "flights.end", {})
            for topic in ("departures", "weather")
        ]
    (project / "in.jsonl").write_text("\n".join(lines))
    return project


@pytest.mark.parametrize(
    ("faults", "found"),
    [("order,rebalance", ""), ("order,crash", "results: flight-alerts:")],
)
def test_the_example_promises_its_alerts_as_long_as_its_process_lives(flights: Path, faults: str, found: str) -> None:
    words = ["in.jsonl", "--histories", "400" if found else "100", "--cores", "1", "--faults", faults]
    done = x07("explore", *words, "--", "flight_delays", "work", cwd=flights)
    assert (done.returncode, found in done.stdout) == (bool(found), True), done.stdout + done.stderr
