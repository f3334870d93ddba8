"""The same small Kafka programs on x07py, raw confluent-kafka and FastStream, for ``bench.drivers``.

Each takes a topic and a number of messages, and returns seconds from the first message to the last; those that measure
latency return the seconds of each message.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bench.messages import AT_A_TIME, FASTSTREAM_SHARE, body, paced, paced_tasks, publish_times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py import Envelope

ADDRESS = os.environ.get("X07_KAFKA_LOCAL_DEV_V1", "")
PUBLISHED_AT_A_TIME = 10_000


def _consumer(topic: str) -> Any:
    from confluent_kafka import Consumer

    settings = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": ADDRESS, "group.id": uuid.uuid4().hex, **settings})
    consumer.subscribe([topic])
    return consumer


def _producer() -> Any:
    from confluent_kafka import Producer

    return Producer({"bootstrap.servers": ADDRESS, "enable.idempotence": True, "linger.ms": 5})


def raw_poll(topic: str, count: int) -> float:
    """Poll one message at a time, decode it, commit nothing."""
    consumer, done, started = _consumer(topic), 0, 0.0
    while done < count:
        message = consumer.poll(1.0)
        if message is not None:
            started = started or time.perf_counter()
            json.loads(message.value())
            done += 1
    seconds = time.perf_counter() - started
    consumer.close()
    return seconds


def raw_batches(topic: str, count: int, *, wait: bool = True) -> float:
    """Take up to 500 messages, decode them, commit synchronously."""
    consumer, done, started = _consumer(topic), 0, 0.0
    while done < count:
        messages = consumer.consume(AT_A_TIME, 1.0)
        if messages:
            started = started or time.perf_counter()
            for message in messages:
                json.loads(message.value())
            done += len(messages)
            consumer.commit(asynchronous=not wait and done < count)
    seconds = time.perf_counter() - started
    consumer.close()
    return seconds


def raw_batches_unwaited(topic: str, count: int) -> float:
    """The same, with commits that nobody waits for, but the last."""
    return raw_batches(topic, count, wait=False)


def raw_publish(topic: str, count: int) -> float:
    """Produce with a callback for each message, and flush."""
    producer, value, confirmed = _producer(), body(), 0

    def report(error: object, _: Any) -> None:
        nonlocal confirmed
        assert error is None
        confirmed += 1

    producer.produce(topic, value, on_delivery=report)
    producer.flush()
    started = time.perf_counter()
    for number in range(count):
        while True:
            try:
                producer.produce(topic, value, b"k%d" % (number % 64), on_delivery=report)
                break
            except BufferError:
                producer.poll(0.05)
        if number % AT_A_TIME == 0:
            producer.poll(0)
    producer.flush()
    assert confirmed == count + 1
    return time.perf_counter() - started


def raw_publish_batches(topic: str, count: int) -> float:
    """The same, flushed every 10,000 messages, as `x07py_publish_batches` waits for each."""
    producer, value, confirmed = _producer(), body(), 0

    def report(error: object, _: Any) -> None:
        nonlocal confirmed
        assert error is None
        confirmed += 1

    producer.produce(topic, value, on_delivery=report)
    producer.flush()
    started = time.perf_counter()
    for first in range(0, count, PUBLISHED_AT_A_TIME):
        for number in range(first, min(first + PUBLISHED_AT_A_TIME, count)):
            producer.produce(topic, value, b"k%d" % (number % 64), on_delivery=report)
            if number % AT_A_TIME == 0:
                producer.poll(0)
        producer.flush()
    assert confirmed == count + 1
    return time.perf_counter() - started


def raw_latency(topic: str, count: int) -> list[float]:
    """Produce and flush one message at a time, poll them in a thread."""
    producer = _producer()
    found: list[Any] = []
    producer.produce(topic, b"0")
    producer.flush()
    consumer, warm = _consumer(topic), threading.Event()

    def poll() -> None:
        while len(found) < count + 1:
            message = consumer.poll(1.0)
            if message is not None:
                found.append(time.perf_counter() - float(message.value()))
                warm.set()
        consumer.close()

    thread = threading.Thread(target=poll)
    thread.start()
    warm.wait()
    for _ in paced(count):
        producer.produce(topic, b"%.9f" % time.perf_counter())
        producer.flush()
    thread.join()
    return found[1:]


async def x07py_driver(topic: str, count: int, *, wait: bool = True) -> float:
    """Consume, decode, acknowledge and commit each batch."""
    from x07py import open_driver

    done, started = 0, 0.0
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume([topic], group=uuid.uuid4().hex):
            started = started or time.perf_counter()
            for delivery in batch:
                json.loads(delivery.envelope.value)
            await driver.ack(batch)
            done += len(batch)
            await driver.commit(wait=wait or done >= count)
            if done >= count:
                return time.perf_counter() - started
    raise AssertionError(done)


async def x07py_driver_unwaited(topic: str, count: int) -> float:
    """The same, with commits that nobody waits for, but the last."""
    return await x07py_driver(topic, count, wait=False)


async def x07py_recorded(topic: str, count: int) -> float:
    """The same, recorded."""
    from x07py.rr import session

    with session(cassette=f"{uuid.uuid4().hex}.x07rr.bin", mode="record"):
        return await x07py_driver(topic, count)


async def x07py_pump(topic: str, count: int) -> float:
    """A pump whose handler decodes and produces nothing; committed to the last message."""
    from x07py import PumpOptions, open_driver, pump

    started = 0.0

    def handler(envelope: Envelope) -> tuple[Envelope, ...]:
        nonlocal started
        started = started or time.perf_counter()
        json.loads(envelope.value)
        return ()

    async with open_driver("kafka", profile="local_dev_v1") as driver:
        options = PumpOptions(limit=count)
        report = await pump(driver, handler, topics=[topic], group=uuid.uuid4().hex, options=options)
        assert report.consumed >= count
        return time.perf_counter() - started


async def x07py_publish_batches(topic: str, count: int) -> float:
    """Publish in batches and wait for each to be confirmed; making the envelopes counts."""
    from x07py import Envelope, open_driver

    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(Envelope(topic, b"", body()))
        started = time.perf_counter()
        for batch in _batches(topic, count):
            await driver.publish_many(batch)
        return time.perf_counter() - started


async def x07py_publish(topic: str, count: int) -> float:
    """The same, but the next batch is made and handed over while the last one is confirmed."""
    from x07py import Envelope, open_driver

    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(Envelope(topic, b"", body()))
        started = time.perf_counter()
        last = None
        for batch in _batches(topic, count):
            handed_over = asyncio.create_task(driver.publish_many(batch))
            if last is not None:
                await last
            last = handed_over
        if last is not None:
            await last
        return time.perf_counter() - started


def _batches(topic: str, count: int) -> Iterator[list[Envelope]]:
    from x07py import Envelope

    value = body()
    for first in range(0, count, PUBLISHED_AT_A_TIME):
        numbers = range(first, min(first + PUBLISHED_AT_A_TIME, count))
        yield [Envelope(topic, b"k%d" % (n % 64), value) for n in numbers]


async def x07py_latency(topic: str, count: int) -> list[float]:
    """Publish one message at a time and consume them in a task."""
    from x07py import Envelope, open_driver

    found: list[float] = []
    warm = asyncio.Event()
    async with open_driver("kafka", profile="local_dev_v1") as driver:

        async def consume() -> None:
            async for batch in driver.consume([topic], group=uuid.uuid4().hex):
                now = time.perf_counter()
                found.extend(now - float(one.envelope.value) for one in batch)
                warm.set()
                if len(found) > count:
                    return

        await driver.publish(Envelope(topic, b"", b"0"))
        consuming = asyncio.create_task(consume())
        await warm.wait()
        await publish_times(driver, topic, count)
        await consuming
    return found[1:]


async def x07py_pump_latency(topic: str, count: int) -> list[float]:
    """Publish one message at a time with a driver of its own; measured when a pump's handler is called."""
    from x07py import Envelope, PumpOptions, open_driver, pump

    found: list[float] = []
    warm = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handler(envelope: Envelope) -> tuple[Envelope, ...]:
        found.append(time.perf_counter() - float(envelope.value))
        loop.call_soon_threadsafe(warm.set)
        return ()

    async with (
        open_driver("kafka", profile="local_dev_v1") as publishing,
        open_driver("kafka", profile="local_dev_v1") as driver,
    ):
        await publishing.publish(Envelope(topic, b"", b"0"))
        options = PumpOptions(limit=count + 1)
        pumping = asyncio.create_task(pump(driver, handler, topics=[topic], group=uuid.uuid4().hex, options=options))
        await warm.wait()
        await publish_times(publishing, topic, count)
        await pumping
    return found[1:]


async def faststream(topic: str, count: int) -> float:
    """A subscriber that gets a decoded dictionary."""
    from faststream.confluent import KafkaBroker

    broker = KafkaBroker(ADDRESS, logger=None)
    done, started, all_done = 0, 0.0, asyncio.Event()

    @broker.subscriber(topic, group_id=uuid.uuid4().hex, auto_offset_reset="earliest", no_reply=True)
    async def take(_: dict) -> None:  # type: ignore[type-arg]
        nonlocal done, started
        started = started or time.perf_counter()
        done += 1
        if done >= count:
            all_done.set()

    await broker.start()
    await all_done.wait()
    seconds = time.perf_counter() - started
    with suppress(Exception):
        await broker.stop()
    return seconds


async def faststream_publish(topic: str, count: int) -> float:
    """Publish and await each message; the seconds are those of a share of them, times that share."""
    from faststream.confluent import KafkaBroker

    value = body()
    async with KafkaBroker(ADDRESS, logger=None) as broker:
        await broker.publish(value, topic)
        started = time.perf_counter()
        for number in range(count // FASTSTREAM_SHARE):
            await broker.publish(value, topic, key=b"k%d" % (number % 64))
        return (time.perf_counter() - started) * FASTSTREAM_SHARE


async def faststream_latency(topic: str, count: int) -> list[float]:
    """Publish and await one message at a time; measured in the subscriber."""
    from faststream.confluent import KafkaBroker

    broker = KafkaBroker(ADDRESS, logger=None)
    found: list[float] = []
    warm, all_done = asyncio.Event(), asyncio.Event()

    @broker.subscriber(topic, group_id=uuid.uuid4().hex, auto_offset_reset="earliest", no_reply=True)
    async def take(sent: float) -> None:
        found.append(time.perf_counter() - sent)
        warm.set()
        if len(found) > count:
            all_done.set()

    await broker.connect()
    await broker.publish(0.0, topic)
    await broker.start()
    await warm.wait()
    async for _ in paced_tasks(count):
        await broker.publish(time.perf_counter(), topic)
    await all_done.wait()
    with suppress(Exception):
        await broker.stop()
    return found[1:]
