"""A cassette that a driver recorded, served to clients of three libraries: the clients are real, the broker is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from kafka import KafkaConsumer, KafkaProducer

from tests.wire.kafka.serving import RULES, TIME, ForeignTape, cassette, is_whole, record_by_driver, served
from x07py.drivers.base import Subscription
from x07py.msg import from_native
from x07py.rr import Mode
from x07py.wire.kafka.tape import WireTape
from x07py.wire.tape import LIBRARY_ERROR

COUNT = 30
MESSAGES: list[tuple[bytes, bytes, Any]] = [(b"value %d" % n, b"key-%d" % n, [("n", b"%d" % n)]) for n in range(COUNT)]
WANTED = [(n, key, value, headers, TIME + n) for n, (value, key, headers) in enumerate(MESSAGES)]


def polled(consumer: Consumer, count: int) -> list[Message]:
    """Return the next messages."""
    found = [consumer.poll(20) for _ in range(count)]
    return [one for one in found if one is not None]


def confluent(address: str) -> list[tuple[Any, ...]]:
    """Publish and consume with confluent-kafka; return what came."""
    outcomes: list[Any] = []
    producer = Producer({"bootstrap.servers": address, "linger.ms": 1})
    for n in range(COUNT):
        producer.produce(
            "orders",
            b"value %d" % n,
            b"key-%d" % n,
            headers=[("n", b"%d" % n)],
            on_delivery=lambda *done: outcomes.append(done),
        )
    assert producer.flush(20) == 0
    assert [(error, message.offset()) for error, message in outcomes] == [(None, n) for n in range(COUNT)]
    consumer = Consumer({"bootstrap.servers": address, "group.id": "workers", "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    found: list[tuple[Any, ...]] = []
    while len(found) < COUNT:
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        found.append((message.offset(), message.key(), message.value(), message.headers(), message.timestamp()[1]))
    consumer.close()
    return found


def kafka_python(address: str) -> list[tuple[Any, ...]]:
    """Publish and consume with kafka-python; return what came."""
    producer = KafkaProducer(bootstrap_servers=address)
    sent = [producer.send("orders", b"value %d" % n, b"key-%d" % n, headers=[("n", b"%d" % n)]) for n in range(COUNT)]
    assert [one.get(20).offset for one in sent] == list(range(COUNT))
    producer.close()
    consumer = KafkaConsumer("orders", bootstrap_servers=address, group_id="workers", auto_offset_reset="earliest")
    found: list[tuple[Any, ...]] = []
    for message in consumer:
        found.append((message.offset, message.key, message.value, message.headers, message.timestamp))
        if len(found) == COUNT:
            break
    consumer.close()
    return found


def aiokafka(address: str) -> list[tuple[Any, ...]]:
    """Publish and consume with aiokafka; return what came."""

    async def run() -> list[tuple[Any, ...]]:
        async with AIOKafkaProducer(bootstrap_servers=address) as producer:
            for n in range(COUNT):
                sent = await producer.send_and_wait(
                    "orders", b"value %d" % n, b"key-%d" % n, headers=[("n", b"%d" % n)]
                )
                assert sent.offset == n
        settings = {"bootstrap_servers": address, "group_id": "workers", "auto_offset_reset": "earliest"}
        async with AIOKafkaConsumer("orders", **settings) as consumer:
            messages = [await asyncio.wait_for(consumer.getone(), 20) for _ in range(COUNT)]
        return [(one.offset, one.key, one.value, list(one.headers), one.timestamp) for one in messages]

    return asyncio.run(run())


@pytest.mark.parametrize("client", [confluent, kafka_python, aiokafka])
def test_a_cassette_of_another_seam_is_served_to_every_client(
    tmp_path: Path, client: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    record_by_driver(tmp_path, "orders", COUNT)
    with served(tmp_path) as stand_in:
        assert client(str(stand_in.address)) == WANTED
        assert stand_in.session.unused() == []
    assert stand_in.errors == []


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_compression_is_read(tmp_path: Path, codec: str) -> None:
    record_by_driver(tmp_path, "orders", COUNT)
    with served(tmp_path) as stand_in:
        producer = Producer({"bootstrap.servers": str(stand_in.address), "linger.ms": 50, "compression.type": codec})
        for value, key, headers in MESSAGES:
            producer.produce("orders", value, key, headers=headers)
        assert producer.flush(20) == 0
        assert len(stand_in.session.unused()) == COUNT
    assert stand_in.errors == []


def test_what_was_not_recorded_is_refused_and_told_apart(tmp_path: Path) -> None:
    record_by_driver(tmp_path, "orders", 2)
    outcomes: list[Any] = []
    with served(tmp_path) as stand_in:
        producer = Producer({"bootstrap.servers": str(stand_in.address), "linger.ms": 0})
        for value in (b"value 0", b"another"):
            producer.produce(
                "orders",
                value,
                b"key-%d" % len(outcomes),
                headers=[("n", b"%d" % len(outcomes))],
                on_delivery=lambda *done: outcomes.append(done[0]),
            )
            producer.flush(20)
    assert outcomes[0] is None
    assert outcomes[1].name() == "TOPIC_AUTHORIZATION_FAILED"
    (error,) = stand_in.errors
    assert error.code == 2050
    assert "- value 1" in error.message
    assert "+ another" in error.message


def test_deliveries_wait_for_what_was_published_before_them(tmp_path: Path) -> None:
    record_by_driver(tmp_path, "orders", 3)
    with served(tmp_path) as stand_in:
        address = str(stand_in.address)
        consumer = Consumer({"bootstrap.servers": address, "group.id": "workers", "auto.offset.reset": "earliest"})
        consumer.subscribe(["orders"])
        assert consumer.poll(1.5) is None
        producer = Producer({"bootstrap.servers": address, "linger.ms": 0})
        for value, key, headers in MESSAGES[:3]:
            producer.produce("orders", value, key, headers=headers)
        producer.flush(20)
        assert [one.value() for one in polled(consumer, 3)] == [b"value 0", b"value 1", b"value 2"]
        consumer.close()


def test_partitions_interleave_as_recorded(tmp_path: Path) -> None:
    record_by_driver(tmp_path, "orders", 9, partitions=3)

    async def run(address: str) -> list[tuple[int, int]]:
        settings = {"bootstrap_servers": address, "group_id": "workers", "auto_offset_reset": "earliest"}
        async with AIOKafkaConsumer("orders", **settings) as consumer:
            found = [await asyncio.wait_for(consumer.getone(), 20) for _ in range(9)]
        return [(one.partition, one.offset) for one in found]

    with served(tmp_path) as stand_in:
        for number in range(9):
            stand_in.session.use(number)
        assert asyncio.run(run(str(stand_in.address))) == [(n % 3, n // 3) for n in range(9)]


def test_the_end_of_a_partition_waits_for_a_client_that_asks_late(tmp_path: Path) -> None:
    """A client may look up where a partition starts after it has begun to fetch the others."""
    with cassette(tmp_path, Mode.RECORD) as session:
        tape = ForeignTape(session, RULES)
        subscription = Subscription(("orders",), "workers", 1)
        tape.write_event("end", subscription.scope(), {"topic": "orders", "partition": 1, "offset": 0})
        for partition in range(2):
            meta = {"topic": "orders", "partition": partition, "offset": 0, "timestamp": TIME, "timestamp_type": 1}
            row = tape.delivery_row(subscription.request(), from_native("orders", None, b"value", []), meta)
            tape.write_deliveries(subscription.scope(), [row])

    def keep_away(consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.assign(places)
        consumer.pause([place for place in places if place.partition == 1])

    with served(tmp_path) as stand_in:
        settings = {"group.id": "workers", "auto.offset.reset": "earliest", "enable.partition.eof": True}
        consumer = Consumer({"bootstrap.servers": str(stand_in.address), **settings})
        consumer.subscribe(["orders"], on_assign=keep_away)
        while not consumer.assignment():
            assert consumer.poll(0.1) is None
        assert consumer.poll(0.5) is None
        consumer.resume([TopicPartition("orders", 1)])
        found = [(one.error() is not None, one.partition(), one.offset()) for one in polled(consumer, 3)]
        consumer.close()
    assert found == [(True, 1, 0), (False, 0, 0), (False, 1, 0)]


def test_a_member_that_its_group_has_lost_gets_what_came_until_it_had_joined_anew(tmp_path: Path) -> None:
    with cassette(tmp_path, Mode.RECORD) as session:
        tape = WireTape(session, RULES)
        subscription = Subscription(("orders",), "workers", 1)
        scope, place = subscription.scope(), "orders/0@workers"

        def assign(generation: int, committed: int) -> None:
            said = {"client": "any", "generation": generation, "partitions": {"orders": [0]}}
            tape.write_event("assigned", scope, said)
            tape.questions.note("committed", place, {}, {"committed_offset": committed, "metadata": ""})

        def deliver(*offsets: int) -> None:
            for offset in offsets:
                meta = {"topic": "orders", "partition": 0, "offset": offset, "timestamp": TIME, "timestamp_type": 1}
                row = tape.delivery_row(subscription.request(), from_native("orders", None, b"value", []), meta)
                tape.write_deliveries(scope, [row])

        def commit(offset: int, detail: Any = None, err: int = 0) -> None:
            request = {"group": "workers", "offsets": [["orders", 0, offset]]}
            tape.write_call("commit", scope, request, detail, err=err)

        assign(1, -1)
        deliver(0, 1)
        tape.write_event("lost", scope, {"error": 25})
        commit(2, {"$error": [25, "", False, False, False]}, LIBRARY_ERROR)
        deliver(*range(2, 50))
        tape.write_event("lost", scope, {"error": 25})
        commit(50)
        assign(3, 50)
        deliver(50, 51)
        commit(52)

    async def run(address: str) -> list[int]:
        settings = {"bootstrap_servers": address, "group_id": "workers", "auto_offset_reset": "earliest"}
        often, one_by_one = (
            {"heartbeat_interval_ms": 100, "auto_commit_interval_ms": 10},
            {"max_partition_fetch_bytes": 1},
        )
        async with AIOKafkaConsumer("orders", **settings, **often, **one_by_one) as consumer:
            return [(await asyncio.wait_for(consumer.getone(), 20)).offset for _ in range(52)]

    with served(tmp_path) as stand_in:
        assert asyncio.run(run(str(stand_in.address))) == list(range(52))
        is_whole(stand_in)


def test_a_client_that_stands_still_for_longer_than_a_replay_waits_has_not_waited(tmp_path: Path) -> None:
    with cassette(tmp_path, Mode.RECORD) as session:
        tape = WireTape(session, RULES)
        subscription = Subscription(("orders",), "workers", 1)
        for offset in range(2):
            said = {"client": "any", "generation": offset + 1, "partitions": {"orders": [0]}}
            tape.write_event("assigned", subscription.scope(), said)
            meta = {"topic": "orders", "partition": 0, "offset": offset, "timestamp": TIME, "timestamp_type": 1}
            row = tape.delivery_row(subscription.request(), from_native("orders", None, b"value", []), meta)
            tape.write_deliveries(subscription.scope(), [row])
            if not offset:
                tape.write_event("lost", subscription.scope(), {"error": 25})

    async def run(address: str) -> list[int]:
        settings = {"bootstrap_servers": address, "group_id": "workers", "auto_offset_reset": "earliest"}
        own = {"heartbeat_interval_ms": 100, "session_timeout_ms": 1000, "enable_auto_commit": False}
        async with AIOKafkaConsumer("orders", **settings, **own) as consumer:
            first = await asyncio.wait_for(consumer.getone(), 20)
            time.sleep(3)  # noqa: ASYNC251 - which holds the client up too
            return [first.offset, (await asyncio.wait_for(consumer.getone(), 20)).offset]

    with served(tmp_path, rules=RULES._replace(patience_s=2.5)) as stand_in:
        assert asyncio.run(run(str(stand_in.address))) == [0, 1]
        is_whole(stand_in)


def test_a_consumer_that_assigns_itself_partitions_and_goes_back(tmp_path: Path) -> None:
    record_by_driver(tmp_path, "orders", 4)
    with served(tmp_path) as stand_in:
        for number in range(4):
            stand_in.session.use(number)
        consumer = Consumer({"bootstrap.servers": str(stand_in.address), "group.id": "workers"})
        consumer.assign([TopicPartition("orders", 0, 0)])
        assert [one.offset() for one in polled(consumer, 4)] == [0, 1, 2, 3]
        consumer.seek(TopicPartition("orders", 0, 2))
        assert [one.offset() for one in polled(consumer, 2)] == [2, 3]
        consumer.close()


def test_a_topic_that_is_not_on_the_cassette_is_refused_by_name(tmp_path: Path) -> None:
    record_by_driver(tmp_path, "orders", 1)

    async def run(address: str) -> None:
        async with AIOKafkaProducer(bootstrap_servers=address) as producer:
            await producer.send_and_wait("others", b"v")

    with served(tmp_path) as stand_in, pytest.raises(TopicAuthorizationFailedError):
        asyncio.run(run(str(stand_in.address)))
    assert "'others'" in stand_in.errors[0].message
