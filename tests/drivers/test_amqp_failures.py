"""RabbitMQ in trouble: cut, stalled and refused connections, alarms, settled tags, cancelled and closed consumers."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader, ProtocolHeader

from tests.drivers.test_amqp import consumers_of, declare, first_batches, unique
from tests.support.live import rabbitmqctl
from tests.support.proxy import Proxy
from x07py import Delivery, Envelope, open_driver
from x07py.brokers.process import RunningBroker
from x07py.drivers import amqp, amqp_link
from x07py.errors import DriverError

pytestmark = pytest.mark.live


async def test_what_is_settled_already_is_left_alone(on_amqp: Path) -> None:
    queue = unique()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue)
        await driver.publish_many([Envelope(queue, value=b"%d" % n) for n in range(6)])
        found: list[Delivery] = []
        batches = driver.consume([queue])
        async for batch in batches:
            found += batch
            if len(found) == 6:
                break
        await driver.ack(found[1:3])
        await driver.ack(found[1:3])
        await driver.nack(found[:4], requeue=False)
        await driver.ack(found)
        await driver.publish(Envelope(queue, value=b"6"))
        assert [one.envelope.value for one in await anext(batches)] == [b"6"]
        await batches.aclose()  # type: ignore[attr-defined]
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        assert [one.envelope.value for one in await first_batches(driver, queue, 1)] == [b"6"]


async def test_a_cancelled_start_leaves_no_consumer(on_amqp: Path, live_amqp: RunningBroker) -> None:
    queue = unique()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue)
        await driver.publish(Envelope(queue))
        for turns in range(72):
            batches = driver.consume([queue])
            consuming = asyncio.ensure_future(anext(batches))
            for _ in range(turns):
                await asyncio.sleep(0 if turns < 60 else 0.0002)
            consuming.cancel()
            await asyncio.wait({consuming})
            if not consuming.cancelled():
                await driver.nack(consuming.result())
            await batches.aclose()  # type: ignore[attr-defined]
        for _ in range(600):
            left = await consumers_of(live_amqp.address, queue)
            if not left:
                break
            await asyncio.sleep(0.1)
        assert left == 0
        assert len(await asyncio.wait_for(first_batches(driver, queue, 1), 120)) == 1


async def test_closing_ends_consumers_and_lets_none_begin(on_amqp: Path, live_amqp: RunningBroker) -> None:
    queue = unique()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue)
        consuming = asyncio.create_task(first_batches(driver, queue, 1))
        late = driver.consume([queue])
        while not await consumers_of(live_amqp.address, queue):
            assert not consuming.done(), consuming.exception()
        await driver.close()
        assert await asyncio.wait_for(consuming, 60) == []
        assert await anext(late, None) is None
        with pytest.raises(DriverError) as caught:
            driver.consume([queue])
        assert caught.value.code == 9621
    assert await consumers_of(live_amqp.address, queue) == 0


async def test_cut_connections_lose_nothing(
    on_amqp: Path, live_amqp: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ridden out within the time that reconnecting takes; published until both sides have connected eight times."""
    queue, seen, total = unique(), set[int](), 0
    async with Proxy(live_amqp.address) as proxy:
        monkeypatch.setenv("X07_AMQP_LOCAL_DEV_V1", proxy.address)
        async with open_driver("amqp", profile="local_dev_v1") as driver:

            async def publish() -> None:
                nonlocal total
                number = 0
                while not total:
                    await asyncio.sleep(0.005)
                    total = number + 1 if proxy.connections >= 8 else 0
                    await driver.publish(Envelope(queue, value=b"%d" % number))
                    number += 1

            await declare(driver, queue)
            publishing = asyncio.create_task(publish())
            async with asyncio.timeout(180):
                async for batch in driver.consume([queue]):
                    seen |= {int(one.envelope.value) for one in batch}
                    await driver.ack(batch)
                    if not total:
                        proxy.cut()
                    elif seen == {*range(total)}:
                        break
                await publishing


async def test_a_broker_that_ends_every_connection_is_no_broker(
    on_amqp: Path, live_amqp: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp_link, "START_S", 1.0)
    async with Proxy(live_amqp.address) as proxy:
        proxy.refusing = True
        monkeypatch.setenv("X07_AMQP_LOCAL_DEV_V1", proxy.address)
        async with open_driver("amqp", profile="local_dev_v1") as driver:
            for call in (driver.publish(Envelope("t")), first_batches(driver, "t", 1), declare(driver, "t")):
                with pytest.raises(DriverError) as caught:
                    await asyncio.wait_for(call, 120)
                assert caught.value.code == 9851
    assert proxy.connections < 30


async def test_a_stalled_connection_is_given_up(
    on_amqp: Path, live_amqp: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With heartbeats of 1 s instead of 10 s, so within 8 s instead of 38 s; a consumer that is being left is left."""
    monkeypatch.setattr(amqp_link, "_HEARTBEAT_S", 1)
    queue, other = unique(), unique()
    async with Proxy(live_amqp.address) as proxy:
        monkeypatch.setenv("X07_AMQP_LOCAL_DEV_V1", proxy.address)
        async with open_driver("amqp", profile="local_dev_v1") as driver:
            await declare(driver, queue)
            await driver.publish(Envelope(queue, value=b"0"))
            batches = driver.consume([queue])
            await driver.ack(await anext(batches))
            await declare(driver, other)
            await driver.publish(Envelope(other))
            left = driver.consume([other])
            await anext(left)
            before = proxy.connections
            proxy.stall()
            leaving = asyncio.create_task(left.aclose())  # type: ignore[attr-defined]
            publishing = asyncio.create_task(driver.publish(Envelope(queue, value=b"1")))
            consuming = asyncio.ensure_future(anext(batches))
            async with asyncio.timeout(120):
                await proxy.connected(before + 2)
                proxy.flow()
                await publishing
                await leaving
                found = {one.envelope.value for one in await consuming}
            assert found <= {b"0", b"1"}
            await batches.aclose()  # type: ignore[attr-defined]


async def test_a_topology_over_a_connection_that_dies(
    on_amqp: Path, live_amqp: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(live_amqp.address) as proxy:
        monkeypatch.setenv("X07_AMQP_LOCAL_DEV_V1", proxy.address)
        async with open_driver("amqp", profile="local_dev_v1") as driver:
            await declare(driver, unique())
            proxy.stall()
            with monkeypatch.context() as patch:
                patch.setattr(amqp, "CONFIRM_S", 1.0)
                with pytest.raises(DriverError, match="no reply") as caught:
                    await declare(driver, unique())
            assert caught.value.code == 9851
            proxy.cut()
            proxy.flow()
            await declare(driver, unique())


async def test_an_alarm_stops_publishers_and_no_acks(
    on_amqp: Path, amqp_root: Path, live_amqp: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishing fails within CONFIRM_S, 30 s, here 2 s; acks and consumers go on meanwhile; then all works again."""
    queue = unique()
    alarm, full, usual = "set_vm_memory_high_watermark", "0.00001", "0.4"
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue)
        await driver.publish_many([Envelope(queue, value=b"%d" % n) for n in range(3)])
        batches = driver.consume([queue])
        await asyncio.to_thread(rabbitmqctl, amqp_root, alarm, full)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(amqp, "CONFIRM_S", 2.0)
                with pytest.raises(DriverError) as caught:
                    await driver.publish(Envelope(queue, value=b"3"))
            assert caught.value.code == 9852
            found = await asyncio.wait_for(anext(batches), 60)
            await driver.ack(found)
        finally:
            await asyncio.to_thread(rabbitmqctl, amqp_root, alarm, usual)
        await batches.aclose()  # type: ignore[attr-defined]
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await driver.publish(Envelope(queue, value=b"4"))
        rest = {int(one.envelope.value) for one in await first_batches(driver, queue, 1)}
    assert rest.isdisjoint({int(one.envelope.value) for one in found})


def publish_raw(address: str, queue: str, *, routing_key: bytes) -> None:
    """Publish to a fanout exchange of the queue with a routing key that is no UTF-8, which client libraries refuse."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as link:

        def call(command: frame.FrameTypes, channel: int = 1) -> None:
            link.sendall(frame.marshal(command, channel))
            link.recv(65536)

        link.sendall(ProtocolHeader().marshal())
        link.recv(65536)
        call(commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US"), 0)
        link.sendall(frame.marshal(commands.Connection.TuneOk(2047, 131072, 0), 0))
        call(commands.Connection.Open("/"), 0)
        call(commands.Channel.Open())
        call(commands.Exchange.Declare(exchange=queue, exchange_type="fanout", auto_delete=True))
        call(commands.Queue.Bind(queue=queue, exchange=queue))
        publish = frame.marshal(commands.Basic.Publish(exchange=queue, routing_key="Q" * len(routing_key)), 1)
        link.sendall(publish.replace(b"Q" * len(routing_key), routing_key))
        link.sendall(frame.marshal(ContentHeader(0, 1, commands.Basic.Properties()), 1))
        link.sendall(frame.marshal(ContentBody(b"x"), 1))
        call(commands.Connection.Close(200, "", 0, 0), 0)


async def test_a_message_that_cannot_be_read_is_an_error_and_no_endless_loop(
    on_amqp: Path, live_amqp: RunningBroker
) -> None:
    queue = unique()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue)
        await asyncio.to_thread(publish_raw, live_amqp.address, queue, routing_key=b"\xff\xfe\xff\xfe")
        with pytest.raises(DriverError) as caught:
            await asyncio.wait_for(first_batches(driver, queue, 1), 60)
        assert caught.value.code == 9863
        await driver.publish(Envelope(queue))
