"""The pump on real brokers, and its replay."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterable
from threading import Event
from typing import Any

import pytest

from tests.drivers.test_conformance import prepare, take, values
from tests.support.project import REPOSITORY
from x07py import Delivery, Envelope, PumpOptions, open_driver, pump
from x07py.errors import DriverError, PublishRefusedError, PumpError
from x07py.rr import session

pytestmark = pytest.mark.live
KINDS = {"kafka": "on_kafka", "amqp": "on_amqp"}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue(KINDS[request.param])
    return str(request.param)


def places(count: int) -> list[str]:
    return [f"p-{uuid.uuid4().hex[:10]}" for _ in range(count)]


async def prefill(kind: str, envelopes: list[Envelope], *others: str) -> None:
    async with open_driver(kind, profile="local_dev_v1") as driver:
        for place in {one.topic for one in envelopes} | {*others}:
            await prepare(driver, place)
        await driver.publish_many(envelopes)


async def run(kind: str, place: str, handler: Any, **options: Any) -> Any:
    stop = options.pop("stop", None)
    group = place if kind == "kafka" else ""
    async with open_driver(kind, profile="local_dev_v1") as driver:
        call = pump(driver, handler, topics=[place], group=group, stop=stop, options=PumpOptions(**options))
        return await asyncio.wait_for(call, 240)


async def read(kind: str, place: str, count: int) -> list[Delivery]:
    async with open_driver(kind, profile="local_dev_v1") as driver:
        return await asyncio.wait_for(take(driver, place, count), 240)


def to(sink: str) -> Any:
    def handler(envelope: Envelope) -> Iterable[Envelope]:
        if envelope.value.startswith(b"poison"):
            raise KeyError("no such field")
        if envelope.value == b"huge":
            yield Envelope(sink, b"", bytes(1048576))
        yield Envelope(sink, envelope.key, envelope.value)

    return handler


async def test_poison_and_oversized_results_go_to_the_dead_letters(kind: str) -> None:
    source, sink, dead = places(3)
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    sent = [Envelope(source, b"k", value, trace) for value in (b"1", b"poison", b"huge", b"2")]
    sent.append(Envelope(source, b"k", b"poison" + bytes(1_048_400)))
    await prefill(kind, sent, sink, dead)
    report = await run(kind, source, to(sink), dead_letter=dead, limit=5)
    assert (report.consumed, report.produced, report.dead_lettered) == (5, 5, 3)
    results = await read(kind, sink, 2)
    assert values(results) == [1, 2]
    assert results[0].envelope.headers == trace
    letters = {one.envelope.value: one.envelope.headers for one in await read(kind, dead, 3)}
    assert letters.keys() == {b"poison", b"huge", b""}
    assert letters[b"poison"]["x07-dead-reason"] == "KeyError: 'no such field'"
    assert "1048576" in letters[b"huge"]["x07-dead-reason"]
    assert len(letters[b""]["x07-dead-value-sha256"]) == 64
    for headers in letters.values():
        assert len(headers["x07-dead-traceback-sha256"]) == 64
        place = headers["x07-dead-topic"] if kind == "kafka" else headers["x07-dead-queue"]
        assert place == source


async def test_without_dead_letters_the_pump_stops_and_nothing_is_lost(kind: str) -> None:
    source, sink = places(2)
    await prefill(kind, [Envelope(source, b"k", b"poison")], sink)
    with pytest.raises(PumpError) as caught:
        await run(kind, source, to(sink))
    assert caught.value.code == 9901
    assert source in str(caught.value)
    assert [one.envelope.value for one in await read(kind, source, 1)] == [b"poison"]


async def test_duplicates_are_left_out_and_workers_keep_the_order_of_a_key(kind: str) -> None:
    source, sink = places(2)
    sent = [Envelope(source, b"k%d" % (n % 4), b"%d" % n, {"ce_id": str(n)}) for n in range(200)]
    await prefill(kind, sent + sent[50:100], sink)
    report = await run(kind, source, to(sink), window=1000, workers=3, limit=250)
    assert (report.consumed, report.duplicates, report.produced) == (250, 50, 200)
    found = values(await read(kind, sink, 200))
    assert sorted(found) == list(range(200))
    for key in range(4):
        lane = [n for n in found if n % 4 == key]
        assert lane == sorted(lane)


async def test_the_same_pump_replays(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, sink, dead = places(3)
    await prefill(kind, [Envelope(source, b"k", value) for value in (b"1", b"poison", b"2")], sink, dead)
    once = {"exactly_once": True, "transactional_id": source} if kind == "kafka" else {}
    with session(cassette="p.x07rr.bin", mode="record"):
        live = await run(kind, source, to(sink), dead_letter=dead, limit=3, **once)
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    for _ in range(2):
        with session(cassette="p.x07rr.bin", mode="replay"):
            assert await run(kind, source, to(sink), dead_letter=dead, limit=3, **once) == live


async def test_a_stalled_handler_is_visible_and_the_drain_has_a_limit(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, sink = places(2)
    await prefill(kind, [Envelope(source, b"k", b"1")], sink)
    stop, entered, release = asyncio.Event(), asyncio.Event(), Event()
    loop = asyncio.get_running_loop()

    def stuck(envelope: Envelope) -> list[Envelope]:
        loop.call_soon_threadsafe(entered.set)
        release.wait(120)
        return []

    running = asyncio.create_task(run(kind, source, stuck, stop=stop, stall_s=0.1, drain_s=0.3))
    with caplog.at_level(logging.WARNING, logger="x07py.pump"):
        await entered.wait()
        await asyncio.sleep(0.5)
        stop.set()
        with pytest.raises(PumpError) as caught:
            await asyncio.gather(running)
    release.set()
    assert "has not finished" in caplog.text
    assert caught.value.code == 9902
    assert values(await read(kind, source, 1)) == [1]


async def test_options_and_results_that_cannot_be_meant(kind: str) -> None:
    source, sink = places(2)
    await prefill(kind, [Envelope(source, b"k", b"1")], sink)

    async def fails(code: int, handler: Any, **options: Any) -> None:
        with pytest.raises(PumpError) as caught:
            await run(kind, source, handler, **options)
        assert caught.value.code == code

    await fails(9900, to(sink), workers=0)
    if kind == "amqp":
        await fails(9900, to(sink), exactly_once=True)
    await fails(9903, lambda _: ["text"], dead_letter=sink)


async def test_a_refused_result_ends_the_pump_and_the_source_keeps_its_message(on_amqp: object) -> None:
    kind, source = "amqp", places(1)[0]
    await prefill(kind, [Envelope(source, b"k", b"1")])
    with pytest.raises(DriverError) as caught:
        await run(kind, source, lambda _: [Envelope(f"{source}-nowhere", b"", b"")])
    assert caught.value.code == 9855
    assert values(await read(kind, source, 1)) == [1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_the_process_exits_with_0(kind: str, number: int) -> None:
    source, sink = places(2)
    await prefill(kind, [Envelope(source, b"k%d" % n, b"%d" % n, {"ce_id": str(n)}) for n in range(500)], sink)
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.pumping.worker", kind, source, sink),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"ready\n"
    worker.send_signal(number)
    report = json.loads(await worker.stdout.readline())
    assert await asyncio.wait_for(worker.wait(), 120) == 0
    assert report["consumed"] == report["produced"] > 0
    async with open_driver(kind, profile="local_dev_v1") as driver:
        if kind == "kafka":
            lag = await driver.lag([source], group=source)
            assert sum(lag.values()) == 500 - report["consumed"]
    assert len(await read(kind, sink, report["produced"])) == report["produced"]


async def test_what_an_aborted_transaction_took_is_handled_again(
    on_kafka: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from x07py.drivers.kafka import KafkaBackend

    source, sink = places(2)
    sent = [Envelope(source, b"k", b"%d" % n, {"ce_id": str(n)}) for n in range(20)]
    await prefill("kafka", sent, sink)
    publish, failures = KafkaBackend.publish_many, iter([True])

    async def fail_once(backend: KafkaBackend, envelopes: Any) -> Any:
        if next(failures, False):
            raise PublishRefusedError(9751, "refused by the test")
        return await publish(backend, envelopes)

    monkeypatch.setattr(KafkaBackend, "publish_many", fail_once)
    once = {"exactly_once": True, "transactional_id": source}
    report = await run("kafka", source, to(sink), window=100, limit=20, **once)
    assert (report.consumed, report.produced, report.duplicates, report.retried) == (20, 20, 0, 1)
    assert values(await read("kafka", sink, 20)) == list(range(20))


async def test_an_error_that_stays_ends_exactly_once(on_kafka: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from x07py.drivers.kafka import KafkaBackend

    source, sink = places(2)
    await prefill("kafka", [Envelope(source, b"k", b"1")], sink)

    async def fail(backend: KafkaBackend, envelopes: Any) -> Any:
        raise PublishRefusedError(9751, "refused by the test")

    monkeypatch.setattr(KafkaBackend, "publish_many", fail)
    with pytest.raises(DriverError) as caught:
        await run("kafka", source, to(sink), exactly_once=True, transactional_id=source, io_attempts=2)
    assert caught.value.code == 9751


async def test_a_pump_that_waits_can_be_cancelled(kind: str) -> None:
    source, sink = places(2)
    await prefill(kind, [Envelope(source, b"k", b"1"), Envelope(sink, b"k", b"0")])
    async with open_driver(kind, profile="local_dev_v1") as driver:
        pumping = asyncio.create_task(pump(driver, to(sink), topics=[source], group=source))
        assert sorted(values(await read(kind, sink, 2))) == [0, 1]
        await asyncio.sleep(0.5)  # it waits for the next message
        pumping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(pumping, 60)


async def test_a_result_that_cannot_be_sent_is_poison(kind: str) -> None:
    source, dead = places(2)
    await prefill(kind, [Envelope(source, b"k", b"1")], dead)
    report = await run(kind, source, lambda _: [Envelope("a\udcff")], dead_letter=dead, limit=1)
    assert (report.consumed, report.dead_lettered) == (1, 1)
    assert "9632" in (await read(kind, dead, 1))[0].envelope.headers["x07-dead-reason"]
