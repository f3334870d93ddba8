"""Batches that take longer than a broker waits: nothing is taken away, nothing is handled twice."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.test_groups import tuned
from tests.pumping.test_pump import places, prefill, read, run
from tests.support.live import rabbitmqctl
from tests.support.project import x07_here
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.brokers.process import RunningBroker
from x07py.errors import ConsumerEndedError

pytestmark = pytest.mark.live
TIMEOUT_S = 4
SET = "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, channel_tick_interval, {})."


@pytest.fixture
def impatient(on_amqp: Path, live_amqp: RunningBroker, amqp_root: Path) -> Iterator[None]:
    """A RabbitMQ that waits for acknowledgements for 4 s instead of 30 minutes, and a profile that says so."""
    file = on_amqp / "arch/msg/amqp/profiles/local_dev_v1.amqp.json"
    profile = json.loads(file.read_text()) | {"schema_version": "x07py.arch.msg.amqp.profile@0.1.0"}
    profile["limits"]["consumer_timeout_ms"] = TIMEOUT_S * 1000
    file.write_text(json.dumps(profile))
    assert "E_ARCH_MSG" not in x07_here("arch", "check", cwd=on_amqp).stdout
    rabbitmqctl(amqp_root, "eval", SET.format(TIMEOUT_S * 1000, 500))
    yield
    rabbitmqctl(amqp_root, "eval", SET.format(1_800_000, 60_000))


class Slow:
    """A handler that takes its time, and counts."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.handled: Counter[bytes] = Counter()

    def __call__(self, envelope: Envelope) -> None:
        self.handled[envelope.value] += 1
        time.sleep(self.seconds)


async def test_a_batch_that_takes_longer_than_rabbitmq_waits(impatient: None) -> None:
    [source] = places(1)
    await prefill("amqp", [Envelope(source, b"k", b"%d" % n) for n in range(9)])
    slow = Slow(0.9)
    report = await run("amqp", source, slow, limit=9)
    assert report.consumed == 9
    assert slow.handled == {b"%d" % n: 1 for n in range(9)}


async def test_one_message_that_takes_longer_than_rabbitmq_waits(
    impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    [source] = places(1)
    await prefill("amqp", [Envelope(source, b"k", b"1")])
    with caplog.at_level(logging.WARNING, logger="x07py"), pytest.raises(ConsumerEndedError) as caught:
        await run("amqp", source, Slow(TIMEOUT_S + 3))
    assert caught.value.code == 9864
    assert "a message is held for" in caplog.text
    assert [one.envelope.value for one in await read("amqp", source, 1)] == [b"1"]


async def test_a_batch_that_takes_longer_than_kafka_waits(
    on_kafka: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("x07py.drivers.kafka_consumer._SESSION_TIMEOUT_MS", 6000)
    [source] = places(1)
    await prefill("kafka", [Envelope(source, b"k", b"%d" % n) for n in range(5)])
    slow = Slow(2.5)
    settings: dict[str, Any] = {"max.poll.interval.ms": 6000}
    async with tuned(**settings) as driver:
        call = pump(driver, slow, topics=[source], group=source, options=PumpOptions(limit=5))
        await asyncio.wait_for(call, 120)
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        assert sum((await driver.lag([source], group=source)).values()) == 0
    assert slow.handled == {b"%d" % n: 1 for n in range(5)}
    assert "come again" not in caplog.text
