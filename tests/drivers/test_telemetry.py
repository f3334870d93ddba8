"""Spans and metrics of live drivers and pumps, by the real SDK and a real scrape."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import urllib.request
import uuid
from pathlib import Path

import opentelemetry.trace as trace
import prometheus_client
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import messaging_attributes as messaging
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.drivers.test_conformance import prepare, take
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.rr import session

pytestmark = pytest.mark.live
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(params=["kafka", "amqp"])
def kind(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue(f"on_{request.param}")
    return str(request.param)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What the SDK exports; for this test alone, since other tests of the process expect no headers of spans."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    """Return the spans of an operation; their names say where it was too, if that is one place."""
    return [span for span in spans.get_finished_spans() if span.name.partition(" ")[0] == name]


def linked(span: ReadableSpan) -> set[str]:
    return {f"{link.context.trace_id:032x}" for link in span.links}


async def test_traces_go_through_the_broker(kind: str, spans: InMemorySpanExporter) -> None:
    place, results = (f"t-{uuid.uuid4().hex[:8]}" for _ in range(2))
    async with open_driver(kind, profile="local_dev_v1") as driver:
        await prepare(driver, place)
        await prepare(driver, results)
        with trace.get_tracer("tests").start_as_current_span("request") as request:
            own = f"{request.get_span_context().trace_id:032x}"
            await driver.publish_many(
                [Envelope(place, b"k", b"1"), Envelope(place, b"k", b"2", {"traceparent": TRACE})]
            )
        options = PumpOptions(limit=2)
        handler = lambda one: [Envelope(results, one.key, one.value)]  # noqa: E731
        await pump(driver, handler, topics=[place], group=place, options=options)
        found = await take(driver, results, 2)
    traces = {one.envelope.value: one.envelope.headers["traceparent"] for one in found}
    assert traces[b"2"] == TRACE
    assert traces[b"1"].split("-")[1] == own
    sent = named(spans, "send")[0]
    assert traces[b"1"].split("-")[2] == f"{sent.context.span_id:016x}"
    system = {"kafka": "kafka", "amqp": "rabbitmq"}[kind]
    host, port = os.environ[f"X07_{kind.upper()}_LOCAL_DEV_V1"].split(":")
    server = {SERVER_ADDRESS: host, SERVER_PORT: int(port)}
    there = {messaging.MESSAGING_SYSTEM: system, messaging.MESSAGING_DESTINATION_NAME: place}
    receive = "poll" if kind == "kafka" else "receive"
    operations = {"send": "send", receive: "receive", "process": "process", "ack": "settle"}
    for name, type_ in operations.items():
        first = named(spans, name)[0]
        assert (first.name, first.attributes is not None) == (f"{name} {place}", True)
        facts = dict(first.attributes or {})
        group = facts.pop(messaging.MESSAGING_CONSUMER_GROUP_NAME, place)
        assert (group, facts.pop(messaging.MESSAGING_BATCH_MESSAGE_COUNT) in {1, 2}) == (place, True)
        assert facts == {
            messaging.MESSAGING_OPERATION_NAME: name,
            messaging.MESSAGING_OPERATION_TYPE: type_,
            **there,
            **({} if name == "process" else server),
        }
    for name in (receive, "process"):
        assert set.union(*map(linked, named(spans, name))) >= {own, TRACE.split("-")[1]}


async def test_a_refused_batch_is_a_span_with_an_error(on_amqp: Path, spans: InMemorySpanExporter) -> None:
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        with pytest.raises(Exception, match="9855"):
            await driver.publish(Envelope("nobody-has-this"))
    [sent] = named(spans, "send")
    assert sent.status.status_code is trace.StatusCode.ERROR
    assert "9855" in str(sent.status.description)
    assert (sent.attributes or {})[ERROR_TYPE] == "9855"


async def test_a_recording_with_spans_replays_without(
    kind: str, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"t-{uuid.uuid4().hex[:8]}"

    async def work() -> list[str]:
        async with open_driver(kind, profile="local_dev_v1") as driver:
            await prepare(driver, place)
            await driver.publish_many([Envelope(place, b"k", b"%d" % n) for n in range(3)])
            return [one.envelope.headers["traceparent"] for one in await take(driver, place, 3)]

    with session(cassette="t.x07rr.bin", mode="record"):
        live = await work()
    spans.clear()
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    with session(cassette="t.x07rr.bin", mode="replay"):
        assert await work() == live
    assert spans.get_finished_spans() == ()


WITHOUT = """
import asyncio, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("opentelemetry", "prometheus_client"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from x07py import Envelope, PumpOptions, open_driver, pump
async def main(kind, place):
    async with open_driver(kind, profile="local_dev_v1") as driver:
        if kind == "amqp":
            await driver.control("apply_topology", {"topology": {"queues": [{"name": place}]}})
        await driver.publish(Envelope(place, b"k", b"1"))
        print(await pump(driver, lambda _: [], topics=[place], group=place, options=PumpOptions(limit=1)))
asyncio.run(main(*sys.argv[1:]))
"""


def test_nothing_of_it_needs_to_be_installed(kind: str, project: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, kind, f"t-{uuid.uuid4().hex[:8]}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, "consumed=1" in done.stdout) == (0, True), done.stderr


def scrape() -> dict[str, float]:
    """Return the samples of a live scrape, which has to be valid OpenMetrics."""
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1")
    try:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.server_port}/metrics", headers={"Accept": "application/openmetrics-text"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE_LATEST
            text = answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(sample.labels[name] for name in sorted(sample.labels))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


async def test_metrics_of_drivers_and_pumps(kind: str) -> None:
    place, dead = (f"m-{uuid.uuid4().hex[:8]}" for _ in range(2))
    before = await asyncio.to_thread(scrape)
    async with open_driver(kind, profile="local_dev_v1") as driver:
        await prepare(driver, place)
        await prepare(driver, dead)
        await driver.publish_many([Envelope(place, b"k", b"%d" % n, {"ce_id": str(n % 4)}) for n in range(5)])
        await driver.nack((await take(driver, place, 5, ack=False))[:0])
        if kind == "kafka":
            await driver.lag([place], group=place)

    def handler(envelope: Envelope) -> list[Envelope]:
        if envelope.value == b"2":
            raise ValueError
        return [Envelope(dead, b"k", envelope.value)] if envelope.value == b"1" else []

    async with open_driver(kind, profile="local_dev_v1") as driver:
        options = PumpOptions(dead_letter=dead, limit=5, window=10)
        await pump(driver, handler, topics=[place], group=place, options=options)
    after = await asyncio.to_thread(scrape)

    def grown(name: str) -> float:
        key = f"x07_{name}{{{kind},local_dev_v1}}"
        return after[key] - before.get(key, 0)

    assert {name: grown(f"{name}_total") for name in ("produced", "consumed", "acked")} == {
        "produced": 7,
        "consumed": 10,
        "acked": 5,
    }
    assert (grown("dead_lettered_total"), grown("duplicates_total")) == (1, 1)
    assert grown("handler_seconds_count") >= 1
    assert after[f"x07_handler_stalled_seconds{{{kind},local_dev_v1}}"] == 0
    if kind == "kafka":
        assert sum(value for key, value in after.items() if key.startswith(f"x07_lag{{{place},")) == 5


async def test_a_stalled_handler_shows_in_metric_and_log(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    place, release = f"m-{uuid.uuid4().hex[:8]}", threading.Event()
    seen: list[float] = []

    def handler(_: Envelope) -> list[Envelope]:
        release.wait(120)
        return []

    gauge = f"x07_handler_stalled_seconds{{{kind},local_dev_v1}}"
    async with open_driver(kind, profile="local_dev_v1") as driver:
        await prepare(driver, place)
        await driver.publish(Envelope(place))
        options = PumpOptions(limit=1, stall_s=0.05)
        pumping = asyncio.create_task(pump(driver, handler, topics=[place], group=place, options=options))
        for _ in range(200):
            seen.append((await asyncio.to_thread(scrape)).get(gauge, 0))
            if seen[-1]:
                break
        release.set()
        await pumping
    assert seen[-1] >= 0.05
    assert "has not finished a batch" in caplog.text
    assert (await asyncio.to_thread(scrape))[gauge] == 0
