"""Pumps whose broker is killed under load and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.drivers.test_failures import AWAY, CONFIRM, limit
from tests.support.live import started
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.brokers.process import RunningBroker, start_native

pytestmark = pytest.mark.live
SOON_BACK = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
"""Kafka settings with which a killed broker may register again after 3 s, not 9."""


@pytest.fixture
def own_kafka(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningBroker]:
    """A Kafka that the test may kill."""
    for broker in started(project, "kafka", SOON_BACK):
        monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", broker.address)
        yield broker


def kill_and_restart(root: Path, broker: RunningBroker) -> None:
    os.kill(broker.pid, signal.SIGKILL)
    while broker.alive():
        time.sleep(0.01)
    start_native(root, broker.kind, port=int(broker.address.rpartition(":")[2]), settings=SOON_BACK)


async def test_exactly_once_rides_out_a_broker_that_is_killed(
    own_kafka: RunningBroker, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, (*AWAY["kafka"], *CONFIRM["kafka"]), 300)  # a slow machine starts a broker in more than a minute
    count = 3000
    under_way, stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    left = set(range(count))

    def handler(envelope: Envelope) -> Iterable[Envelope]:
        time.sleep(0.001)
        left.discard(int(envelope.value))
        loop.call_soon_threadsafe((stop if not left else under_way).set)
        yield Envelope("sink", envelope.key, envelope.value)

    options = PumpOptions(exactly_once=True, transactional_id="once")
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish_many([Envelope("source", b"k%d" % (n % 8), b"%d" % n) for n in range(count)])
        pumping = asyncio.create_task(pump(driver, handler, topics=["source"], group="g", stop=stop, options=options))
        await under_way.wait()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(kill_and_restart, project, own_kafka)
        report = await asyncio.wait_for(pumping, 300)
        assert report.consumed == count
        found: list[int] = []
        async for batch in driver.consume(["sink"], group="reader"):
            found += [int(one.envelope.value) for one in batch]
            if len(found) >= count:
                break
    assert sorted(found) == list(range(count))
