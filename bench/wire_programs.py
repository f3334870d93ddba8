"""What `bench.wire` runs: ``CLIENT ADDRESS TOPIC COUNT``; publishes, consumes, and tells rates as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Told = tuple[float, float, float]
"""When the first message was confirmed, and seconds of publishing and consuming all others."""


def body(n: int) -> bytes:
    """Return a message of 100 bytes."""
    return b"%0100d" % n


def confluent_kafka(address: str, topic: str, count: int) -> Told:
    """Publish with delivery reports and consume in batches."""
    from confluent_kafka import Consumer, Producer

    done: list[object] = []
    producer = Producer({"bootstrap.servers": address, "queue.buffering.max.messages": 1_000_000})
    producer.produce(topic, b"first", b"k", on_delivery=lambda error, _: done.append(error))
    producer.flush(60)
    ready, started = time.time(), time.perf_counter()
    for n in range(count):
        producer.produce(topic, body(n), b"k%d" % (n % 64), on_delivery=lambda error, _: done.append(error))
        if n % 1000 == 0:
            producer.poll(0)
    producer.flush(600)
    published = time.perf_counter() - started
    assert done == [None] * (count + 1)
    consumer = Consumer({"bootstrap.servers": address, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    left = count + 1
    while not (first := consumer.consume(1, 1)):
        pass
    left -= len(first)
    started = time.perf_counter()
    while left:
        left -= len(consumer.consume(min(left, 1000), 5))
    consumed = time.perf_counter() - started
    consumer.close()
    return ready, published, consumed


def aiokafka(address: str, topic: str, count: int) -> Told:
    """The same with asyncio."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    async def run() -> Told:
        async with AIOKafkaProducer(bootstrap_servers=address, linger_ms=5) as producer:
            await producer.send_and_wait(topic, b"first", b"k")
            ready, started = time.time(), time.perf_counter()
            sent = [await producer.send(topic, body(n), b"k%d" % (n % 64)) for n in range(count)]
            await producer.flush()
            for one in sent:
                await one
            published = time.perf_counter() - started
        settings = {"group_id": topic, "auto_offset_reset": "earliest"}
        async with AIOKafkaConsumer(topic, bootstrap_servers=address, **settings) as consumer:
            await consumer.getone()
            left, started = count, time.perf_counter()
            while left > 0:
                left -= sum(map(len, (await consumer.getmany(timeout_ms=5000)).values()))
            return ready, published, time.perf_counter() - started

    return asyncio.run(run())


def pika(address: str, topic: str, count: int) -> Told:
    """Publish without confirms, and consume with acknowledgements, on a blocking connection."""
    from pika import BlockingConnection, URLParameters

    connection = BlockingConnection(URLParameters(f"amqp://guest:guest@{address}/%2F"))
    channel = connection.channel()
    channel.queue_declare(topic, exclusive=True)
    ready, started = time.time(), time.perf_counter()
    for n in range(count):
        channel.basic_publish("", topic, body(n))
    channel.queue_declare(topic, passive=True)
    published, started = time.perf_counter() - started, time.perf_counter()
    left = count
    for method, _, _ in channel.consume(topic):
        channel.basic_ack(method.delivery_tag)
        left -= 1
        if not left:
            break
    consumed = time.perf_counter() - started
    connection.close()
    return ready, published, consumed


def kombu(address: str, topic: str, count: int) -> Told:
    """A producer and a consumer with a callback."""
    from kombu import Connection, Consumer, Queue

    with Connection(f"amqp://guest:guest@{address}//") as connection:
        queue = Queue(topic, channel=connection.channel(), exclusive=True)
        queue.declare()
        producer = connection.Producer()
        ready, started = time.time(), time.perf_counter()
        for n in range(count):
            producer.publish(body(n), routing_key=topic, content_type="application/data", content_encoding="binary")
        queue.queue_declare(passive=True)
        published, started = time.perf_counter() - started, time.perf_counter()
        got: list[object] = []

        def take(_: object, message: object) -> None:
            message.ack()  # type: ignore[attr-defined]
            got.append(None)

        with Consumer(connection, [queue], callbacks=[take], accept=["application/data"]):
            while len(got) < count:
                connection.drain_events(timeout=60)
        return ready, published, time.perf_counter() - started


def main() -> None:
    """Run one program."""
    client, address, topic, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    programs: dict[str, Callable[[str, str, int], Told]] = {
        "confluent-kafka": confluent_kafka,
        "aiokafka": aiokafka,
        "pika": pika,
        "kombu": kombu,
    }
    ready, published, consumed = programs[client](address, topic, count)
    print(json.dumps({"ready_at": ready, "publish": count / published, "consume": count / consumed}))


if __name__ == "__main__":
    main()
