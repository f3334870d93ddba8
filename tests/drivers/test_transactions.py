"""What a transaction that is given up leaves behind on a live Kafka: nothing is done, nothing is passed over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.drivers.test_conformance import take, values
from tests.drivers.test_groups import place
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.drivers import Driver
from x07py.drivers.kafka_transaction import Transaction
from x07py.errors import TransactionError

pytestmark = pytest.mark.live


async def three(topic: str) -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish_many([Envelope(topic, b"same", b"%d" % n) for n in range(3)])


async def acked_and_aborted(driver: Driver, topic: str, batch: list[Any]) -> None:
    await driver.control("begin_transaction", {"id": topic})
    await driver.publish_many([Envelope(topic + "-out", one.envelope.key, one.envelope.value) for one in batch])
    await driver.ack(batch)
    await driver.control("abort_transaction", {})


@pytest.mark.parametrize("refused", [True, False])
async def test_what_an_aborted_transaction_acknowledged_comes_to_the_next_consumer(
    on_kafka: object, refused: bool
) -> None:
    topic = place()
    await three(topic)
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.control("init_transactions", {"id": topic})
        batches = driver.consume([topic], group=topic)
        batch = await anext(batches)
        await acked_and_aborted(driver, topic, batch)
        if refused:
            await driver.nack(batch)
        await driver.commit()
        await batches.aclose()  # type: ignore[attr-defined]
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        assert sum((await driver.lag([topic], group=topic)).values()) == 3
        assert values(await asyncio.wait_for(take(driver, topic, 3), 60)) == [0, 1, 2]


async def test_a_consumer_that_leaves_within_a_transaction_commits_nothing_of_it(on_kafka: object) -> None:
    topic = place()
    await three(topic)
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.control("init_transactions", {"id": topic})
        batches = driver.consume([topic], group=topic)
        batch = await anext(batches)
        await driver.control("begin_transaction", {"id": topic})
        await driver.ack(batch)
        await batches.aclose()  # type: ignore[attr-defined]
        assert sum((await driver.lag([topic], group=topic)).values()) == 3


async def test_a_batch_is_tried_again_in_the_next_transaction(on_kafka: object) -> None:
    topic = place()
    await three(topic)
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.control("init_transactions", {"id": topic})
        found: list[Any] = []
        async for batch in driver.consume([topic], group=topic):
            found += batch
            await acked_and_aborted(driver, topic, batch)
            await driver.control("begin_transaction", {"id": topic})
            await driver.ack(batch)
            await driver.control("commit_transaction", {})
            if len(found) == 3:
                break
        assert sum((await driver.lag([topic], group=topic)).values()) == 0


async def test_a_pump_that_is_stopped_when_its_transaction_fails_loses_nothing(
    on_kafka: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = place()
    await three(topic)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def refuse(_: Transaction) -> None:
        loop.call_soon_threadsafe(stop.set)
        raise TransactionError(9762, "refused by the test")

    def handler(envelope: Envelope) -> list[Envelope]:
        return [Envelope(topic + "-out", envelope.key, envelope.value)]

    options = PumpOptions(exactly_once=True, transactional_id=topic)
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "commit", refuse)
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            await pump(driver, handler, topics=[topic], group=topic, stop=stop, options=options)
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        assert sum((await driver.lag([topic], group=topic)).values()) == 3
        assert values(await asyncio.wait_for(take(driver, topic, 3), 60)) == [0, 1, 2]
