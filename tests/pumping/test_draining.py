"""Pumps that are told to stop: all of a loop, and those whose handler never returns."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.pumping.test_pump import kind, places, prefill, read
from tests.support.project import REPOSITORY
from x07py import Envelope, open_driver, pump

__all__ = ["kind"]
pytestmark = pytest.mark.live


async def test_a_handler_that_never_returns_does_not_keep_the_process(kind: str) -> None:
    [source] = places(1)
    await prefill(kind, [Envelope(source, b"k", b"1")])
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.pumping.stuck", kind, source),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"stuck\n"
    worker.send_signal(signal.SIGTERM)
    assert await worker.stdout.readline() == b"9902\n"
    assert await asyncio.wait_for(worker.wait(), 120) == 0
    assert [one.envelope.value for one in await read(kind, source, 1)] == [b"1"]


async def test_one_signal_drains_every_pump_of_a_loop(kind: str) -> None:
    first, second, sink = places(3)
    await prefill(kind, [Envelope(source, b"k", b"1") for source in (first, second)], sink)
    handled: set[str] = set()
    both = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handler(envelope: Envelope) -> Iterable[Envelope]:
        handled.add(envelope.topic)
        if len(handled) == 2:
            loop.call_soon_threadsafe(both.set)
        return [Envelope(sink, envelope.key, envelope.value)]

    async def run(source: str) -> int:
        async with open_driver(kind, profile="local_dev_v1") as driver:
            report = await pump(driver, handler, topics=[source], group=source if kind == "kafka" else "")
            return report.consumed

    pumps = [asyncio.create_task(run(source)) for source in (first, second)]
    await asyncio.wait_for(both.wait(), 120)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(asyncio.gather(*pumps), 120) == [1, 1]
    assert len(await read(kind, sink, 2)) == 2
