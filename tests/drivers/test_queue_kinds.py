"""RabbitMQ's streams, queues with one active consumer, and exchanges that are bound to exchanges."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path

import pytest

from tests.support.live import rabbitmqctl
from tests.support.project import EXAMPLE, x07_here
from x07py import Delivery, Driver, Envelope, open_driver
from x07py.errors import UnsupportedError
from x07py.explore.standing import simulated_brokers

STREAM = {"x-queue-type": "stream"}


async def made(driver: Driver, count: int) -> str:
    name = f"s-{uuid.uuid4().hex[:10]}"
    await driver.control("apply_topology", {"topology": {"queues": [{"name": name, "arguments": STREAM}]}})
    await driver.publish_many([Envelope(name, b"k", b"%d" % n) for n in range(count)])
    return name


async def read(driver: Driver, name: str, start: str | int, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(120):
        async for batch in driver.consume([name], start=start):  # type: ignore[arg-type]
            await driver.ack(batch)
            found += batch
            if len(found) >= count:
                break
    return found


@pytest.mark.live
async def test_a_stream_is_read_from_its_beginning_from_an_offset_and_from_now(on_amqp: Path) -> None:
    del on_amqp
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        name = await made(driver, 6)
        first = await read(driver, name, "earliest", 6)
        assert [(one.envelope.value, one.meta["stream_offset"]) for one in first] == [(b"%d" % n, n) for n in range(6)]
        assert [one.envelope.value for one in await read(driver, name, 4, 2)] == [b"4", b"5"]
        reading = asyncio.create_task(read(driver, name, "latest", 1))
        async with asyncio.timeout(120):
            while not reading.done():
                await driver.publish(Envelope(name, b"k", b"new"))
                await asyncio.sleep(0.2)
        assert (await reading)[0].envelope.value == b"new"


@pytest.mark.live
async def test_a_stream_takes_nothing_back_and_the_connection_stays(on_amqp: Path) -> None:
    del on_amqp
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        name = await made(driver, 3)
        async for batch in driver.consume([name], start="earliest", max_items=1):
            with pytest.raises(UnsupportedError, match="takes nothing back"):
                await driver.nack(batch)
            break
        assert len(await read(driver, name, "earliest", 3)) == 3
        with pytest.raises(UnsupportedError, match="one stream"):
            await anext(driver.consume([name, name + "-other"], start="earliest"))


@pytest.mark.live
async def test_after_a_lost_connection_a_stream_goes_on_where_it_was_acknowledged(
    on_amqp: Path, amqp_root: Path
) -> None:
    del on_amqp
    seen: list[int] = []
    async with open_driver("amqp", profile="local_dev_v1") as driver, asyncio.timeout(180):
        name = await made(driver, 10)
        async for batch in driver.consume([name], start="earliest", max_items=2):
            seen += [one.meta["stream_offset"] for one in batch]
            if len(seen) == 6:
                await asyncio.to_thread(rabbitmqctl, amqp_root, "close_all_connections", "test")
            else:
                await driver.ack(batch)
            if 9 in seen:
                break
    assert seen == [*range(6), *range(4, 10)]


@pytest.mark.live
async def test_an_exchange_is_bound_to_an_exchange(on_amqp: Path) -> None:
    del on_amqp
    name = f"e-{uuid.uuid4().hex[:10]}"
    topology = {
        "exchanges": [{"name": f"{name}-outer", "type": "topic"}, {"name": f"{name}-inner", "type": "fanout"}],
        "queues": [{"name": name}],
        "bindings": [
            {"exchange": f"{name}-outer", "to_exchange": f"{name}-inner", "routing_key": "a.*"},
            {"exchange": f"{name}-inner", "queue": name, "routing_key": ""},
        ],
    }
    async with open_driver("amqp", profile="local_dev_v1") as driver, asyncio.timeout(120):
        plan = (await driver.control("apply_topology", {"topology": topology}))["plan"]
        assert plan[3]["name"] == f"{name}-outer -> {name}-inner"
        await driver.publish(Envelope("a.b", b"", b"1", {"x07-exchange": f"{name}-outer"}))
        batch = await anext(driver.consume([name]))
    assert [one.envelope.value for one in batch] == [b"1"]


def test_a_binding_to_an_exchange_is_checked_against_the_contracts(project: Path) -> None:
    path = project / "arch/msg/amqp/topology/app_v1.topology.json"
    given = json.loads(path.read_text())
    given["schema_version"] = "x07py.arch.msg.amqp.topology@0.1.0"
    given["bindings"].append({"exchange": "x07", "to_exchange": "nowhere", "routing_key": "#"})
    path.write_text(json.dumps(given))
    assert (EXAMPLE / "arch/manifest.x07arch.json").exists()
    told = x07_here("arch", "check", cwd=project).stdout
    assert "a binding names exchange 'nowhere', which the topology does not declare" in told
    given["exchanges"].append({"name": "nowhere", "type": "fanout"})
    path.write_text(json.dumps(given))
    assert "E_ARCH_MSG_AMQP" not in x07_here("arch", "check", cwd=project).stdout


async def single_active_consumer() -> list[list[bytes]]:
    """Return what the first consumer of a queue gets, and the second one, before and after the first has gone."""
    name = f"q-{uuid.uuid4().hex[:10]}"
    queue = {"name": name, "arguments": {"x-single-active-consumer": True}}
    taken: list[list[bytes]] = [[], []]
    came = asyncio.Event()

    async def consume(driver: Driver, number: int) -> None:
        async for batch in driver.consume([name]):
            await driver.ack(batch)
            taken[number] += [one.envelope.value for one in batch]
            came.set()

    async def send(driver: Driver, value: bytes) -> None:
        came.clear()
        await driver.publish(Envelope(name, b"", value))
        await came.wait()

    async with open_driver("amqp", profile="local_dev_v1") as sender, asyncio.timeout(120):
        await sender.control("apply_topology", {"topology": {"queues": [queue]}})
        async with (
            open_driver("amqp", profile="local_dev_v1") as older,
            open_driver("amqp", profile="local_dev_v1") as newer,
        ):
            first = asyncio.create_task(consume(older, 0))
            await send(sender, b"0")
            second = asyncio.create_task(consume(newer, 1))
            await asyncio.sleep(1)
            for number in range(1, 5):
                await send(sender, b"%d" % number)
            await older.close()
            await first
            await send(sender, b"5")
            await newer.close()
            await second
    return taken


@pytest.mark.live
async def test_a_single_active_consumer_has_all_until_it_goes(on_amqp: Path) -> None:
    del on_amqp
    expected = [[b"0", b"1", b"2", b"3", b"4"], [b"5"]]
    assert await single_active_consumer() == expected
    with simulated_brokers():
        assert await single_active_consumer() == expected
