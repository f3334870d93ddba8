"""The example: its logic by itself, and the whole demo on the sample of the repository."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
import rfc8785
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.project import REPOSITORY
from x07py import Envelope
from x07py.contracts.messaging import read_topics
from x07py.contracts.schemas import load_schema

EXAMPLE = REPOSITORY / "docs" / "examples" / "flight_delays"


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example's modules on the import path."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    return import_module("flight_delays.core")


@pytest.fixture
def sample(core: ModuleType) -> list[Envelope]:
    """All messages of the sample, faults included."""
    source = import_module("flight_delays.source")
    return list(source.events(*source.read_sample()))


def worked(core: ModuleType, messages: Iterator[Envelope] | list[Envelope]) -> tuple[bytes, list[Envelope]]:
    """Return the canonical report, and all that the service published."""
    limits = {topic.id: topic.max_value_bytes for topic in read_topics(EXAMPLE).values()}
    service = core.FlightDelays(limits)
    published = [out for message in messages for out in service.handle(message)]
    assert service.finished
    return rfc8785.dumps(core.report(service)), published


def interleaved(messages: list[Envelope], rng: random.Random) -> Iterator[Envelope]:
    """Yield the messages in an order that keeps each airport's within each stream, with repetitions of batches."""
    lanes: dict[tuple[str, bytes], list[Envelope]] = {}
    for message in messages:
        lanes.setdefault((message.topic, message.key), []).append(message)
    rest = [lane[::-1] for lane in lanes.values()]
    while rest:
        lane = rng.choice(rest)
        batch = [lane.pop() for _ in range(min(len(lane), rng.randrange(1, 40)))]
        yield from batch
        if rng.random() < 0.2:
            yield from batch
        rest = [one for one in rest if one]


@pytest.mark.parametrize("seed", range(5))
def test_the_report_does_not_depend_on_order_or_repetition(core: ModuleType, sample: list[Envelope], seed: int) -> None:
    report, published = worked(core, sample)
    other, other_published = worked(core, interleaved(sample, random.Random(seed)))
    assert other == report
    assert sorted(one.encode() for one in other_published) == sorted(one.encode() for one in published)


def test_what_the_sample_holds(core: ModuleType, sample: list[Envelope]) -> None:
    report = json.loads(worked(core, sample)[0])
    counts, rejections = report["counts"], report["rejections"]
    assert counts["departures"] + counts["weather"] == 5000
    assert rejections == {"malformed": 7, "oversized": 3}
    assert counts["cancelled"] > 0
    assert "lost" not in counts
    by_hand = sorted(
        int(row["delay_min"])
        for row in (json.loads(one.value) for one in sample if one.topic == core.DEPARTURES and _is_json(one.value))
        if row.get("delay_min") is not None and row.get("carrier") == "UA" and "note" not in row
    )
    found = report["delays_by_carrier"]["UA"]
    assert found["flights"] == len(by_hand)
    assert found["p50"] == by_hand[-(-len(by_hand) // 2) - 1]


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def test_a_gap_is_counted_as_lost(core: ModuleType, sample: list[Envelope]) -> None:
    first = next(number for number, one in enumerate(sample) if one.topic == core.WEATHER)
    report = json.loads(worked(core, sample[:first] + sample[first + 1 :])[0])
    assert report["counts"]["lost"] == 1


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (Envelope("departures", b"JFK", b"{}"), "no_context"),
        (Envelope("departures", b"ORD", b"{}", {"ce_id": "ORD-1"}), "unknown_airport"),
        (Envelope("departures", b"JFK", b"[" * 900, {"ce_id": "JFK-1"}), "malformed"),
        (Envelope("departures", b"JFK", b'{"carrier":1}', {"ce_id": "JFK-1"}), "malformed"),
        (Envelope("departures", b"JFK", bytes(3000), {"ce_id": "JFK-1"}), "oversized"),
    ],
)
def test_rejections(core: ModuleType, envelope: Envelope, reason: str) -> None:
    context = {"ce_specversion": "1.0", "ce_source": "/t", "ce_type": "flights.departures"}
    headers = {**context, **envelope.headers} if envelope.headers else {}
    service = core.FlightDelays({"departures": 2048})
    (rejection,) = service.handle(Envelope(envelope.topic, envelope.key, envelope.value, headers))
    assert rejection.topic == core.REJECTIONS
    assert json.loads(rejection.value)["reason"] == reason


def test_the_demo_records_and_replays(tmp_path: Path) -> None:
    folder = tmp_path / "flight_delays"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".x07", ".x07_rr", "out", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "demo.py", "--sample"], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reports equal: True; metrics equal (without time-dependent ones): True" in done.stdout
    assert "messages lost: 0" in done.stdout
    for run in ("live", "replay"):
        report = (folder / "out" / run / "report.json").read_bytes()
        assert rfc8785.dumps(json.loads(report)) == report
        metrics = (folder / "out" / run / "metrics.txt").read_text()
        families = {family.name: family for family in text_string_to_metric_families(metrics)}
        assert families["flight_delays_duplicates"].samples[0].value > 0
        assert "flight_delays_processing_seconds" in families
    side = json.loads((folder / ".x07_rr" / "cassettes.lock.json").read_text())
    jsonschema.validate(side, load_schema("x07.rr.cassettes.lock"))
    (folder / "out" / "replay" / "report.json").write_bytes(b"{}")
    again = subprocess.run(
        [sys.executable, "-c", "import sys, demo; sys.exit(demo.compare())"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert again.returncode == 1
