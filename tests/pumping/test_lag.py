"""The lag of a pump's group: told while it runs, gone when it has ended, and not silenced by one failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import pytest
from prometheus_client import REGISTRY

from tests.pumping.test_pump import places, prefill
from x07py import Envelope, open_driver, pump
from x07py.drivers import Driver

pytestmark = pytest.mark.live


def gauge(group: str) -> dict[str, float]:
    return {
        sample.labels["place"]: sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "x07_lag" and sample.labels["group"] == group
    }


def wait_for_gauge(group: str) -> None:
    while not gauge(group):
        time.sleep(0.05)


async def test_the_lag_is_told_while_the_pump_runs(
    on_kafka: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    [source] = places(1)
    await prefill("kafka", [Envelope(source, b"k", b"%d" % n) for n in range(50)])
    monkeypatch.setattr("x07py.pumping.lag.EVERY_S", 0.05)
    ask, failures = Driver.lag, iter([ValueError("not a lag")])

    async def fail_once(driver: Driver, topics: Iterable[str], *, group: str) -> dict[str, int]:
        for failure in failures:
            raise failure
        return await ask(driver, topics, group=group)

    monkeypatch.setattr(Driver, "lag", fail_once)
    stop = asyncio.Event()

    def handler(envelope: Envelope) -> tuple[Envelope, ...]:
        time.sleep(0.02)
        return ()

    async with open_driver("kafka", profile="local_dev_v1") as driver:
        pumping = asyncio.create_task(pump(driver, handler, topics=[source], group=source, stop=stop))
        await asyncio.wait_for(asyncio.to_thread(wait_for_gauge, source), 120)
        assert gauge(source).keys() == {f"{source}/{number}" for number in range(4)}
        stop.set()
        await asyncio.wait_for(pumping, 120)
    assert gauge(source) == {}
    assert "cannot tell the lag" in caplog.text
