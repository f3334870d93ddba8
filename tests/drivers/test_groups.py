"""Consumer groups on a live Kafka, and what ends or holds up a loop on both brokers."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from tests.drivers.test_conformance import prepare, take, values
from tests.drivers.test_failures import AWAY, CONFIRM, limit, published
from tests.pumping.test_pump import kind
from tests.support.proxy import Proxy
from x07py import Delivery, Envelope, open_driver
from x07py.drivers import Driver
from x07py.drivers.kafka import KafkaBackend
from x07py.drivers.kafka_contract import read_profile
from x07py.drivers.kafka_plugin import addressed
from x07py.errors import DriverError, EnvelopeError

__all__ = ["kind"]
pytestmark = pytest.mark.live


def place() -> str:
    return f"g-{uuid.uuid4().hex[:10]}"


def tuned(**config: Any) -> Driver:
    """Return a driver of the project's Kafka profile with librdkafka settings of the test."""
    backend = KafkaBackend(addressed(read_profile(Path(), "local_dev_v1")), config)
    return Driver(backend, max_message_bytes=1048576, max_items=100)


def spread(topic: str, count: int) -> list[Envelope]:
    return [Envelope(topic, b"k", b"%d" % n, {"x07-partition": str(n % 4)}) for n in range(count)]


async def test_closing_the_driver_ends_a_loop_quietly(kind: str) -> None:
    name = place()
    async with open_driver(kind, profile="local_dev_v1") as driver:
        await prepare(driver, name)
        await driver.publish(Envelope(name, b"k", b"1"))
        got = asyncio.Event()

        async def loop() -> list[Delivery]:
            found: list[Delivery] = []
            async for batch in driver.consume([name], group=name if kind == "kafka" else ""):
                found += batch
                got.set()
            return found

        looping = asyncio.create_task(loop())
        await asyncio.wait_for(got.wait(), 120)
        await driver.close()
        assert values(await asyncio.wait_for(looping, 60)) == [1]


async def test_a_message_goes_to_the_partition_that_it_names(on_kafka: object) -> None:
    topic = place()
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        acks = await driver.publish_many(spread(topic, 8))
        assert [ack.meta["partition"] for ack in acks] == [0, 1, 2, 3, 0, 1, 2, 3]
        found = await take(driver, topic, 8)
        assert {(int(one.envelope.value) % 4, *one.envelope.headers) for one in found} == {(n,) for n in range(4)}
        for wrong in ("", "-1", "one", "1e1"):
            with pytest.raises(EnvelopeError) as caught:
                await driver.publish(Envelope(topic, headers={"x07-partition": wrong}))
            assert caught.value.code == 9592
        with pytest.raises(DriverError) as refused:
            await driver.publish(Envelope(topic, headers={"x07-partition": "99"}))
        assert refused.value.code == 9763


async def test_a_rebalance_commits_what_is_done_and_gives_up_the_rest(on_kafka: object) -> None:
    topic = place()
    done: set[int] = set()
    seen: list[int] = []
    again: list[int] = []
    taken: list[int] = []
    first_has_all, all_again = asyncio.Event(), asyncio.Event()

    def check() -> None:
        if len({*taken, *again}) == 20:
            all_again.set()

    async def first() -> None:
        """Acknowledge every other message, commit nothing, and go on asking for batches."""
        async for batch in one.consume([topic], group=topic):
            fresh = [delivery for delivery in batch if int(delivery.envelope.value) not in seen]
            seen.extend(values(fresh))
            again.extend(values([delivery for delivery in batch if delivery not in fresh]))
            settled = [delivery for delivery in fresh if int(delivery.envelope.value) < 20]
            await one.ack(settled)
            done.update(values(settled))
            check()
            if len(seen) == 40:
                first_has_all.set()

    async def second() -> None:
        async for batch in two.consume([topic], group=topic):
            taken.extend(values(batch))
            check()

    async with open_driver("kafka", profile="local_dev_v1") as one, open_driver("kafka", profile="local_dev_v1") as two:
        await one.publish_many(spread(topic, 40))
        loops = [asyncio.create_task(first())]
        await asyncio.wait_for(first_has_all.wait(), 120)
        loops.append(asyncio.create_task(second()))
        await asyncio.wait_for(all_again.wait(), 120)
        await one.close()
        await two.close()
        await asyncio.wait_for(asyncio.gather(*loops), 60)
    assert done == set(range(20))
    assert not done & {*taken, *again}
    assert {*taken, *again} == set(range(20, 40))


async def test_a_member_that_asks_too_late_loses_its_partitions_and_no_message(
    on_kafka: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("x07py.drivers.kafka_consumer._SESSION_TIMEOUT_MS", 6000)
    topic = place()
    slow = tuned(**{"max.poll.interval.ms": 6000})
    async with slow, open_driver("kafka", profile="local_dev_v1") as other:
        await slow.publish_many(spread(topic, 40))
        batches = slow.consume([topic], group=topic)
        late = await anext(batches)
        async with asyncio.timeout(180):
            found = await take(other, topic, 40)
            assert {*values(found)} == set(range(40))
            await slow.ack(late)
            rejoined = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(1)
            await slow.publish_many(spread(topic, 4))
            more = await rejoined
            assert (await slow.control("commit", {}))["offsets"] == {}
            assert {*values(more)} <= set(range(4))
            await batches.aclose()  # type: ignore[attr-defined]


async def test_a_commit_that_is_not_waited_for_goes_out_with_the_next_batch(
    on_kafka: object, caplog: pytest.LogCaptureFixture
) -> None:
    topic = place()
    async with open_driver("kafka", profile="local_dev_v1") as asking, tuned() as driver:
        await driver.publish_many([Envelope(topic, b"k", b"%d" % n, {"x07-partition": "0"}) for n in range(3)])

        async def until_behind(messages: int) -> None:
            for _ in range(2000):
                if (await asking.lag([topic], group=topic))[f"{topic}/0"] == messages:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError(f"never {messages} behind")

        batches = driver.consume([topic], group=topic, max_items=1)
        await driver.ack(await anext(batches))
        await driver.commit(wait=False)
        second = await anext(batches)
        await until_behind(2)

        backend = driver._backend
        assert isinstance(backend, KafkaBackend)
        [member] = backend._members
        await driver.ack(second)
        await driver.commit(wait=False)
        third = await anext(batches)
        member.commits.answered(confluent_kafka.KafkaError(27), [confluent_kafka.TopicPartition(topic, 0, 2)])
        assert "the next commit covers it" in caplog.text
        assert [(part.partition, part.offset) for part in member.commits.ready()] == [(0, 2)]
        await driver.ack(third)
        await driver.commit()
        await until_behind(0)


async def test_a_new_group_may_start_at_the_end(on_kafka: object) -> None:
    topic = place()
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish_many(spread(topic, 8))
        batches = driver.consume([topic], group=topic, start="latest")
        first = asyncio.ensure_future(anext(batches))
        number = 100
        async with asyncio.timeout(120):
            while not first.done():
                await driver.publish_many([Envelope(topic, b"k", b"%d" % number)])
                number += 1
                await asyncio.wait({first}, timeout=0.2)
            assert min(values(await first)) >= 100


async def test_a_full_queue_of_the_client_holds_up_and_loses_nothing(on_kafka: object) -> None:
    topic = place()
    async with tuned(**{"queue.buffering.max.messages": 50}) as driver:
        acks = await driver.publish_many([Envelope(topic, b"same", b"%d" % n) for n in range(2000)])
        offsets = [ack.meta["offset"] for ack in acks]
        assert offsets == list(range(2000))


async def test_one_driver_reads_a_topic_for_one_group(on_kafka: object) -> None:
    topic = place()
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(Envelope(topic, b"k", b"1"))
        batches = driver.consume([topic], group="a")
        await anext(batches)
        with pytest.raises(DriverError) as caught:
            await anext(driver.consume([topic], group="b"))
        assert caught.value.code == 9764
        await batches.aclose()  # type: ignore[attr-defined]


async def test_a_network_that_stops_forwarding_is_ridden_out(kind: str, proxied: Proxy) -> None:
    name, count = place(), 200
    async with proxied as proxy, open_driver(kind, profile="local_dev_v1") as driver:
        await prepare(driver, name)
        await driver.publish(Envelope(name, b"k", b"0"))
        consuming = asyncio.create_task(take(driver, name, count))

        async def publish() -> None:
            for number in range(1, count):
                if number == count // 2:
                    proxy.stall()
                    asyncio.get_running_loop().call_later(3, proxy.flow)
                await driver.publish(Envelope(name, b"k", b"%d" % number))

        publishing = asyncio.create_task(publish())
        async with asyncio.timeout(180):
            await publishing
            assert values(await consuming) == list(range(count))


async def test_connections_that_are_reset_within_a_message_lose_nothing(kind: str, proxied: Proxy) -> None:
    """What was on its way is published again: Kafka recognises it, RabbitMQ may hold it twice."""
    name, count, half = place(), 60, 8000
    seen: list[int] = []
    async with proxied as proxy, open_driver(kind, profile="local_dev_v1") as driver:
        await prepare(driver, name)
        await driver.publish(Envelope(name, b"k", b"0"))

        async def publish() -> None:
            for number in range(1, count):
                if number % 15 == 7:
                    proxy.cut_after(half)
                await driver.publish(Envelope(name, b"k", b"%d" % number, {"pad": "x" * 2 * half}))

        publishing = asyncio.create_task(publish())
        async with asyncio.timeout(180):
            async for batch in driver.consume([name], group=name if kind == "kafka" else ""):
                seen += values(batch)
                await driver.ack(batch)
                await driver.commit()
                if len({*seen}) == count:
                    break
            await publishing
    assert proxy.cuts == 4
    assert kind == "amqp" or seen == list(range(count))


async def test_a_broker_that_stays_away(kind: str, proxied: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to a publisher after 1 s here, instead of 30, and to a consumer after 3 s instead of 60."""
    name = place()
    async with proxied as proxy:
        async with open_driver(kind, profile="local_dev_v1") as driver:
            await prepare(driver, name)
            await driver.publish(Envelope(name, b"k", b"0"))
        limit(monkeypatch, CONFIRM[kind], 1)
        async with open_driver(kind, profile="local_dev_v1") as driver:
            await published(driver, name, 1)
            batches = driver.consume([name], group=name if kind == "kafka" else "")
            await driver.ack(await anext(batches))
            await driver.commit()
            proxy.refusing = True
            proxy.cut()
            codes = []
            for call in (driver.publish(Envelope(name, b"k", b"2")), anext(batches)):
                with pytest.raises(DriverError) as caught:
                    await asyncio.wait_for(call, 120)
                codes.append(caught.value.code)
                limit(monkeypatch, AWAY[kind], 3)
    assert codes == {"kafka": [9752, 9760], "amqp": [9852, 9851]}[kind]
