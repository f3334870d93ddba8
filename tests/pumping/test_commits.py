"""When a pump on Kafka commits: by time, however small the batches are, and all of it at the end."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from tests.pumping.test_pump import places, prefill
from tests.support.listeners import Listeners
from tests.support.proxy import Proxy
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.drivers.kafka_commits import Commits

pytestmark = pytest.mark.live
RATE, SECONDS = 300, 6


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each answer to a commit came."""
    came: list[float] = []
    answered = Commits.answered

    def note(commits: Commits, error: Any, parts: list[Any]) -> None:
        came.append(time.monotonic())
        answered(commits, error, parts)

    monkeypatch.setattr(Commits, "answered", note)
    return came


async def feed(topic: str) -> None:
    """Publish at a steady pace, a few messages at a time."""
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        started = time.monotonic()
        for first in range(0, RATE * SECONDS, 5):
            await asyncio.sleep(max(0.0, started + first / RATE - time.monotonic()))
            await driver.publish_many([Envelope(topic, b"k%d" % (n % 50), b"%d" % n) for n in range(first, first + 5)])


async def test_a_steady_load_is_committed_once_a_second(on_kafka: object, answers: list[float]) -> None:
    [topic] = places(1)
    await prefill("kafka", [Envelope(topic, b"k", b"first")])
    seen: Counter[bytes] = Counter()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handler(envelope: Envelope) -> tuple[Envelope, ...]:
        seen[envelope.value] += 1
        if len(seen) == RATE * SECONDS + 1:
            loop.call_soon_threadsafe(stop.set)
        return ()

    async with open_driver("kafka", profile="local_dev_v1") as driver:
        feeding = asyncio.create_task(feed(topic))
        started = time.monotonic()
        await asyncio.wait_for(pump(driver, handler, topics=[topic], group=topic, stop=stop), 120)
        await feeding
        lasted = time.monotonic() - started
        assert sum((await driver.lag([topic], group=topic)).values()) == 0
    assert set(seen.values()) == {1}
    assert 2 <= len(answers) <= lasted + 2


@pytest.mark.parametrize("kind", ["kafka"])
async def test_after_a_lost_group_messages_come_again_within_ten_seconds(
    on_kafka: object,
    kind: str,
    proxied: Proxy,
    kafka_listeners: Listeners,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("x07py.drivers.kafka_consumer._SESSION_TIMEOUT_MS", 6000)
    [topic] = places(1)
    came: list[float] = []
    first, stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def handler(envelope: Envelope) -> None:
        came.append(time.monotonic())
        loop.call_soon_threadsafe(first.set if envelope.value == b"1" else stop.set)

    async with proxied as proxy, open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(Envelope(topic, b"k", b"1"))
        pumping = asyncio.create_task(pump(driver, handler, topics=[topic], group=topic, stop=stop))
        await asyncio.wait_for(first.wait(), 60)
        await asyncio.sleep(2)  # for the first commit
        proxy.stall()
        await asyncio.sleep(9)
        monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", kafka_listeners.address("PLAINTEXT", "127.0.0.1"))
        async with open_driver("kafka", profile="local_dev_v1") as other:
            await other.publish(Envelope(topic, b"k", b"2"))
        flowing = time.monotonic()
        proxy.flow()
        await asyncio.wait_for(pumping, 60)
    assert "lost:" in caplog.text
    assert came[-1] - flowing < 10


async def test_what_is_done_is_committed_while_no_more_comes(on_kafka: object, answers: list[float]) -> None:
    [topic] = places(1)
    await prefill("kafka", [Envelope(topic, b"k", b"%d" % n) for n in range(3)])
    stop = asyncio.Event()
    options = PumpOptions(commit_interval_s=0.5)
    async with (
        open_driver("kafka", profile="local_dev_v1") as driver,
        open_driver("kafka", profile="local_dev_v1") as asking,
    ):
        call = pump(driver, lambda _: (), topics=[topic], group=topic, stop=stop, options=options)
        pumping = asyncio.create_task(call)
        async with asyncio.timeout(60):
            behind = 1
            while behind:
                await asyncio.sleep(0.1)
                behind = sum((await asking.lag([topic], group=topic)).values())
        stop.set()
        await pumping
    assert answers
