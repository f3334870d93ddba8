"""Dialects of failure on brokers of their own: down at start, killed and restarted under load, refused, unknown."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.test_conformance import prepare, take
from tests.live import started
from x07py import Envelope, open_driver
from x07py.brokers.native import free_port
from x07py.brokers.process import RunningBroker, start_native
from x07py.errors import DriverError

pytestmark = pytest.mark.live
KINDS = ("kafka", "amqp")


@pytest.fixture(params=KINDS)
def own(request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningBroker]:
    """A broker that the test may kill."""
    for broker in started(project, request.param):
        point_at(monkeypatch, broker.kind, broker.address)
        yield broker


def point_at(monkeypatch: pytest.MonkeyPatch, kind: str, address: str) -> None:
    monkeypatch.setenv(f"X07_{kind.upper()}_LOCAL_DEV_V1", address)
    monkeypatch.setenv("X07_SECRET_RABBIT_USERNAME", "guest")
    monkeypatch.setenv("X07_SECRET_RABBIT_PASSWORD", "guest")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_that_is_down_at_the_start(project: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    point_at(monkeypatch, kind, f"127.0.0.1:{free_port()}")
    for publish in (True, False):
        async with open_driver(kind, profile="local_dev_v1") as driver:
            call = driver.publish(Envelope("t", b"k", b"v")) if publish else take(driver, "t", 1)
            with pytest.raises(DriverError) as caught:
                await asyncio.wait_for(call, 25)
        assert caught.value.code == {"kafka": 9760, "amqp": 9851}[kind]


async def test_killed_and_restarted_under_load(own: RunningBroker, project: Path) -> None:
    place = f"f-{uuid.uuid4().hex[:8]}"
    port = int(own.address.rpartition(":")[2])
    async with open_driver(own.kind, profile="local_dev_v1") as driver:
        await prepare(driver, place)
        await driver.publish(Envelope(place, b"k", b"0"))
        consuming = asyncio.create_task(take(driver, place, 60))

        async def publish() -> None:
            for number in range(1, 60):
                await driver.publish(Envelope(place, b"k", b"%d" % number))
                await asyncio.sleep(0.02)

        publishing = asyncio.create_task(publish())
        await asyncio.sleep(0.4)
        os.kill(own.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            await asyncio.to_thread(wait_for_end, own)
        await asyncio.to_thread(start_native, project, own.kind, port=port)
        async with asyncio.timeout(60):
            await publishing
            found = {int(one.envelope.value) for one in await consuming}
            while not found >= set(range(60)):
                found |= {int(one.envelope.value) for one in await take(driver, place, 1)}


def wait_for_end(broker: RunningBroker) -> None:
    from time import sleep

    while broker.alive():
        sleep(0.01)


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_planted_secrets_show_nowhere(
    on_amqp: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    from x07py.rr import session

    planted = "pl4nted-s3cret-value"
    monkeypatch.setenv("X07_SECRET_RABBIT_PASSWORD", planted)
    with caplog.at_level(logging.DEBUG), session(cassette="s.x07rr.bin", mode="record"):
        async with open_driver("amqp", profile="local_dev_v1") as driver:
            with pytest.raises(DriverError) as caught:
                await driver.publish(Envelope("t", b"k", b"v"))
    assert caught.value.code == 9853
    written = contents(on_amqp)
    assert b"9853" in written
    out = capfd.readouterr()
    seen = caplog.text + out.out + out.err + repr(caught.value) + str(caught.value.__context__)
    assert planted not in seen
    assert planted.encode() not in written
