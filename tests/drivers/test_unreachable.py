"""Addresses without a broker: connections refused, swallowed, accepted and never answered; and what is logged of it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.drivers.test_conformance import take
from x07py import Envelope, open_driver
from x07py.brokers.native import free_port
from x07py.drivers import Driver
from x07py.drivers.client_log import Seldom, client_log
from x07py.errors import DriverError

CODES = {"kafka": 9760, "amqp": 9851}
FIRST = {"kafka": ("publish", "consume", "begin_transaction"), "amqp": ("publish", "consume", "apply_topology")}


@contextmanager
def refusing() -> Iterator[int]:
    """A port that nothing listens on."""
    yield free_port()


@contextmanager
def silent() -> Iterator[int]:
    """A port whose connections come about and on which nobody ever says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def swallowing() -> Iterator[int]:
    """A port whose packets are dropped, as those to a host that is not there: its queue of connections is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            link = stack.enter_context(socket.socket())
            link.setblocking(False)
            link.connect_ex(server.getsockname())
        yield server.getsockname()[1]


async def fails(kind: str, call: str) -> DriverError:
    """Return how the first call of a driver fails."""
    async with open_driver(kind, profile="local_dev_v1") as driver:
        with pytest.raises(DriverError) as caught:
            await asyncio.wait_for(_calls(driver, call), 120)
    return caught.value


async def _calls(driver: Driver, call: str) -> None:
    if call == "publish":
        await driver.publish(Envelope("t", b"k", b"v"))
    elif call == "consume":
        await take(driver, "t", 1)
    else:
        await driver.control(call, {"id": "x", "topology": {"queues": [{"name": "t"}]}})


@pytest.mark.parametrize("kind", CODES)
async def test_no_broker_at_the_start(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Told after 1 s here, instead of 5 s where connections are refused and 10 s where nothing comes back."""
    for name in ("kafka_config.START_S", "kafka_config.SILENT_S", "amqp_link.START_S", "amqp_link._ATTEMPT_S"):
        monkeypatch.setattr(f"x07py.drivers.{name}", 1.0)
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"X07_SECRET_RABBIT_{name}", "guest")
    client = client_log({"kafka": "x07py.drivers.kafka.client", "amqp": "aiormq.connection"}[kind])
    monkeypatch.setattr(client, "filters", [Seldom()])
    calls = []
    with refusing() as refused, silent() as stalled, swallowing() as hole:
        for port in (refused, stalled, hole):
            monkeypatch.setenv(f"X07_{kind.upper()}_LOCAL_DEV_V1", f"127.0.0.1:{port}")
            calls += [asyncio.create_task(fails(kind, call)) for call in FIRST[kind]]
            await asyncio.sleep(0)  # the drivers are opened, and have read the address
        errors = await asyncio.gather(*calls)
    assert [error.code for error in errors] == [CODES[kind]] * 9
    assert all("1 s" in error.message and error.hint for error in errors)
    said = [(one.levelno, one.getMessage()) for one in caplog.records if one.name == client.name]
    assert [level for level, text in said if str(refused) in text] == [logging.WARNING]
    assert capfd.readouterr().err == ""


def test_what_a_client_library_repeats_is_said_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr("x07py.drivers.client_log.time.monotonic", lambda: now)
    log = client_log("tests.client")
    assert client_log("tests.client") is log
    for number in range(100):
        place = f"rdkafka#producer-{number}"
        log.error("%s [%s] %s", "FAIL", place, f"[thrd:b]: b: Connect failed (after {number}ms in state CONNECT)")
        log.error("%s [%s] %s", "FAIL", place, "[thrd:c]: c: Connect failed (after 0ms in state CONNECT)")
        now += 1
    said = [record.getMessage() for record in caplog.records if record.name == "tests.client"]
    assert [line.partition("[thrd:")[2][:1] for line in said] == ["b", "c", "b", "c"]
    assert "59 more times since" in said[2]
    log.info("an event of its own")
    log.info("another")
    for number in range(1000):
        log.info("one that is never the same: %s", hex(number))
    assert len(log.filters[0]._seen) <= 256  # type: ignore[union-attr]
