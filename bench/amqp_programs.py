"""The same small RabbitMQ programs on x07py, raw aio-pika, kombu and FastStream; as ``bench.kafka_programs``."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from contextlib import suppress
from typing import Any

from bench.messages import AT_A_TIME, body, paced, paced_tasks, publish_times

URL = f"amqp://guest:guest@{os.environ.get('X07_AMQP_LOCAL_DEV_V1', '')}/"


async def aio_pika_raw(queue: str, count: int) -> float:
    """Consume with a callback, decode and acknowledge each message."""
    import aio_pika

    done, started, all_done = 0, 0.0, asyncio.Event()

    async def take(message: Any) -> None:
        nonlocal done, started
        started = started or time.perf_counter()
        json.loads(message.body)
        await message.ack()
        done += 1
        if done >= count:
            all_done.set()

    connection = await aio_pika.connect(URL)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=AT_A_TIME)
    source = await channel.declare_queue(queue, durable=True)
    await source.consume(take)
    await all_done.wait()
    seconds = time.perf_counter() - started
    await connection.close()
    return seconds


async def aio_pika_publish(queue: str, count: int) -> float:
    """Publish with confirms, 200 in flight."""
    import aio_pika

    value = body()
    connection = await aio_pika.connect(URL)
    channel = await connection.channel(publisher_confirms=True)
    await channel.declare_queue(queue, durable=True)
    started = time.perf_counter()
    for first in range(0, count, 200):
        messages = [aio_pika.Message(value, delivery_mode=2) for _ in range(first, min(first + 200, count))]
        await asyncio.gather(*[channel.default_exchange.publish(one, queue) for one in messages])
    seconds = time.perf_counter() - started
    await connection.close()
    return seconds


async def aio_pika_latency(queue: str, count: int) -> list[float]:
    """Publish one message at a time with confirms and consume with a callback."""
    import aio_pika

    found: list[float] = []
    all_done = asyncio.Event()

    async def take(message: Any) -> None:
        found.append(time.perf_counter() - float(message.body))
        await message.ack()
        if len(found) >= count:
            all_done.set()

    connection = await aio_pika.connect(URL)
    channel = await connection.channel(publisher_confirms=True)
    source = await channel.declare_queue(queue, durable=True)
    await source.consume(take)
    async for _ in paced_tasks(count):
        message = aio_pika.Message(b"%.9f" % time.perf_counter(), delivery_mode=2)
        await channel.default_exchange.publish(message, queue)
    await all_done.wait()
    await connection.close()
    return found


def kombu(queue: str, count: int) -> float:
    """Consume with a callback, decode and acknowledge each message."""
    from kombu import Connection, Consumer, Queue

    done, started = 0, 0.0

    def take(_: Any, message: Any) -> None:
        nonlocal done, started
        started = started or time.perf_counter()
        json.loads(message.body)
        message.ack()
        done += 1

    with Connection(URL + "/") as connection:
        consumer = Consumer(connection, [Queue(queue)], callbacks=[take], prefetch_count=AT_A_TIME, accept=None)
        with consumer:
            while done < count:
                connection.drain_events(timeout=30)
        return time.perf_counter() - started


def kombu_publish(queue: str, count: int) -> float:
    """Publish and wait for the confirmation of each message."""
    from kombu import Connection, Producer

    value = body()
    with Connection(URL + "/", transport_options={"confirm_publish": True}) as connection:
        producer = Producer(connection.channel())
        started = time.perf_counter()
        for _ in range(count):
            producer.publish(value, routing_key=queue, delivery_mode=2, content_type="application/json")
        return time.perf_counter() - started


def kombu_latency(queue: str, count: int) -> list[float]:
    """Publish one message at a time with confirms, and consume them in a thread with a connection of its own."""
    from kombu import Connection, Consumer, Producer, Queue

    found: list[float] = []

    def take(_: Any, message: Any) -> None:
        found.append(time.perf_counter() - float(message.body))
        message.ack()

    def consume() -> None:
        with Connection(URL + "/") as connection, Consumer(connection, [Queue(queue)], callbacks=[take], accept=None):
            while len(found) < count:
                connection.drain_events(timeout=30)

    with Connection(URL + "/", transport_options={"confirm_publish": True}) as connection:
        channel = connection.channel()
        Queue(queue)(channel).declare()
        thread = threading.Thread(target=consume)
        thread.start()
        producer = Producer(channel)
        for _ in paced(count):
            value = b"%.9f" % time.perf_counter()
            producer.publish(value, routing_key=queue, delivery_mode=2, content_encoding="binary")
        thread.join()
    return found


async def faststream(queue: str, count: int) -> float:
    """A subscriber that gets a decoded dictionary and acknowledges each message."""
    from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

    broker = RabbitBroker(URL, logger=None, default_channel=Channel(prefetch_count=AT_A_TIME))
    done, started, all_done = 0, 0.0, asyncio.Event()

    @broker.subscriber(RabbitQueue(queue, durable=True), no_reply=True)
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


async def faststream_publish(queue: str, count: int) -> float:
    """Publish with confirms and await each message."""
    from faststream.rabbit import RabbitBroker

    value = body()
    async with RabbitBroker(URL, logger=None) as broker:
        started = time.perf_counter()
        for _ in range(count):
            await broker.publish(value, queue, persist=True)
        return time.perf_counter() - started


async def x07py_driver(queue: str, count: int) -> float:
    """Consume, decode, acknowledge each batch."""
    from x07py import open_driver

    done, started = 0, 0.0
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume([queue]):
            started = started or time.perf_counter()
            for delivery in batch:
                json.loads(delivery.envelope.value)
            await driver.ack(batch)
            done += len(batch)
            if done >= count:
                return time.perf_counter() - started
    raise AssertionError(done)


async def x07py_pump(queue: str, count: int) -> float:
    """A pump whose handler decodes and produces nothing."""
    from x07py import Envelope, PumpOptions, open_driver, pump

    started = 0.0

    def handler(envelope: Envelope) -> tuple[Envelope, ...]:
        nonlocal started
        started = started or time.perf_counter()
        json.loads(envelope.value)
        return ()

    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await pump(driver, handler, topics=[queue], options=PumpOptions(limit=count))
        return time.perf_counter() - started


async def x07py_publish(queue: str, count: int) -> float:
    """Publish in batches with confirms; making the envelopes counts."""
    from x07py import Envelope, open_driver

    value = body()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await driver.control("apply_topology", {"topology": {"queues": [{"name": queue}]}})
        started = time.perf_counter()
        for first in range(0, count, 1000):
            numbers = range(first, min(first + 1000, count))
            await driver.publish_many([Envelope(queue, b"k%d" % (n % 64), value) for n in numbers])
        return time.perf_counter() - started


async def x07py_latency(queue: str, count: int) -> list[float]:
    """Publish one message at a time and consume them in a task."""
    from x07py import open_driver

    found: list[float] = []
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await driver.control("apply_topology", {"topology": {"queues": [{"name": queue}]}})

        async def consume() -> None:
            async for batch in driver.consume([queue]):
                now = time.perf_counter()
                found.extend(now - float(one.envelope.value) for one in batch)
                await driver.ack(batch)
                if len(found) >= count:
                    return

        consuming = asyncio.create_task(consume())
        await publish_times(driver, queue, count)
        await consuming
    return found


async def x07py_pump_latency(queue: str, count: int) -> list[float]:
    """Publish one message at a time with a driver of its own; measured when a pump's handler is called."""
    from x07py import Envelope, PumpOptions, open_driver, pump

    found: list[float] = []

    def handler(envelope: Envelope) -> tuple[Envelope, ...]:
        found.append(time.perf_counter() - float(envelope.value))
        return ()

    async with (
        open_driver("amqp", profile="local_dev_v1") as publishing,
        open_driver("amqp", profile="local_dev_v1") as driver,
    ):
        await publishing.control("apply_topology", {"topology": {"queues": [{"name": queue}]}})
        pumping = asyncio.create_task(pump(driver, handler, topics=[queue], options=PumpOptions(limit=count)))
        await publish_times(publishing, queue, count)
        await pumping
    return found


async def faststream_latency(queue: str, count: int) -> list[float]:
    """Publish with confirms and await one message at a time; measured in the subscriber."""
    from faststream.rabbit import RabbitBroker, RabbitQueue

    broker = RabbitBroker(URL, logger=None)
    found: list[float] = []
    all_done = asyncio.Event()

    @broker.subscriber(RabbitQueue(queue, durable=True), no_reply=True)
    async def take(sent: float) -> None:
        found.append(time.perf_counter() - sent)
        if len(found) >= count:
            all_done.set()

    await broker.start()
    async for _ in paced_tasks(count):
        await broker.publish(time.perf_counter(), queue, persist=True)
    await all_done.wait()
    with suppress(Exception):
        await broker.stop()
    return found
