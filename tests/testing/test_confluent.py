"""Unmodified code on confluent-kafka: recorded on a real protocol, replayed with the broker gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, SerializingProducer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.aio import AIOConsumer, AIOProducer

from x07py.brokers.embedded import EmbeddedKafka
from x07py.errors import DriverError, ReplayMismatchError, UsageError
from x07py.msg import Envelope
from x07py.testing.cassette import use_cassette

NOWHERE = "127.0.0.1:1"


def shop(bootstrap: str, topic: str, *, price: int = 7) -> list[tuple[Any, ...]]:
    """A program as people write it: produce, flush, consume, commit; returns all that it saw."""
    seen: list[tuple[Any, ...]] = []
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(5):
        producer.produce(
            topic,
            value=f"order {number} {price}",
            key=f"k{number % 2}".encode(),
            headers={"trace": f"t{number}"},
            on_delivery=lambda err, msg: seen.append((err, msg.topic(), msg.partition(), msg.offset(), msg.value())),
        )
        producer.poll(0)
    seen.append(("left", producer.flush(60)))
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe(
        [topic], on_assign=lambda _, parts: seen.append(("assigned", sorted(p.partition for p in parts)))
    )
    count = 0
    while count < 5:
        message = consumer.poll(1.0)
        if message is None:
            continue
        assert message.error() is None
        seen.append((message.key(), message.value(), message.headers(), message.offset(), message.timestamp()))
        consumer.commit(message=message, asynchronous=False)
        count += 1
    seen.append(("committed", [p.offset for p in consumer.committed([TopicPartition(topic, 0)], timeout=60)]))
    consumer.close()
    return seen


def test_a_program_sees_the_same_without_the_broker(project: Path, embedded: EmbeddedKafka) -> None:
    with use_cassette("shop.x07rr.bin"):
        recorded = shop(embedded.bootstrap, "shop")
    with use_cassette("shop.x07rr.bin"):
        assert shop(NOWHERE, "shop") == recorded
    with use_cassette("shop.x07rr.bin", mode="none"):
        assert shop(NOWHERE, "shop") == recorded
    assert len(recorded) == 13


def test_another_message_is_refused_with_the_difference(project: Path, embedded: EmbeddedKafka) -> None:
    with use_cassette("price.x07rr.bin"):
        shop(embedded.bootstrap, "price")
    with pytest.raises(ReplayMismatchError) as caught, use_cassette("price.x07rr.bin"):
        shop(NOWHERE, "price", price=8)
    assert caught.value.code == 2050
    assert "- order 0 7" in caught.value.message
    assert "+ order 0 8" in caught.value.message
    with use_cassette("price.x07rr.bin", match_on=("topic", "key", "headers")):
        shop(NOWHERE, "price", price=8)


def test_everything_is_as_before_outside_the_block(project: Path, embedded: EmbeddedKafka) -> None:
    before = (Producer, confluent_kafka.Consumer, SerializingProducer.__mro__, dict(vars(AdminClient)))
    with use_cassette("none.x07rr.bin", allow_empty=True):
        assert confluent_kafka.Producer is not before[0]
        assert issubclass(confluent_kafka.Producer, before[0])
    assert (confluent_kafka.Producer, confluent_kafka.Consumer, SerializingProducer.__mro__) == before[:3]
    assert dict(vars(AdminClient)) == before[3]
    assert not (project / ".x07_rr" / "none.x07rr.bin").exists()


def test_a_consumer_that_found_nothing_finds_nothing_again(project: Path, embedded: EmbeddedKafka) -> None:
    before = Producer({"bootstrap.servers": embedded.bootstrap})
    before.produce("nothing", b"before")
    before.flush()
    for mode, bootstrap in (("once", embedded.bootstrap), ("none", NOWHERE)):
        with use_cassette("nothing.x07rr.bin", mode=mode):
            consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "nothing"})
            consumer.subscribe(["nothing"])
            assert [consumer.poll(0.5) for _ in range(4)] == [None] * 4
            consumer.close()


async def async_shop(bootstrap: str, topic: str) -> list[Any]:
    producer = AIOProducer({"bootstrap.servers": bootstrap})
    reports = [await producer.produce(topic, value=f"v{number}".encode()) for number in range(3)]
    await producer.flush()
    seen = [(message.offset(), message.value()) for message in [await report for report in reports]]
    await producer.close()
    consumer = AIOConsumer({"bootstrap.servers": bootstrap, "group.id": "a", "auto.offset.reset": "earliest"})
    await consumer.subscribe([topic])
    values: list[Any] = []
    while len(values) < 3:
        values += [message.value() for message in await consumer.consume(2, timeout=1.0)]
    await consumer.close()
    return [sorted(seen), values]


async def test_the_asyncio_clients(project: Path, embedded: EmbeddedKafka) -> None:
    decorated = use_cassette("aio.x07rr.bin")(async_shop)
    recorded = await decorated(embedded.bootstrap, "aio")
    assert await decorated(NOWHERE, "aio") == recorded
    assert sorted(recorded[1]) == [b"v0", b"v1", b"v2"]


def serializing(bootstrap: str) -> tuple[Any, ...]:
    serializer = {"bootstrap.servers": bootstrap, "value.serializer": lambda value, _: str(value * 2).encode()}
    producer = SerializingProducer(serializer)
    seen: list[Any] = []
    producer.produce("doubled", value=21, on_delivery=lambda err, msg: seen.append((err, msg.value())))
    producer.flush(60)
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "s"})
    known = consumer.list_topics("doubled", timeout=60).topics["doubled"].partitions
    low_high = [
        consumer.get_watermark_offsets(TopicPartition("doubled", number), timeout=60) for number in sorted(known)
    ]
    consumer.close()
    return seen, low_high


def test_derived_classes_and_questions(project: Path, embedded: EmbeddedKafka) -> None:
    with use_cassette("derived.x07rr.bin"):
        recorded = serializing(embedded.bootstrap)
    with use_cassette("derived.x07rr.bin"):
        assert serializing(NOWHERE) == recorded
        assert serializing_questions_again(NOWHERE) == recorded[1]
    assert recorded[0] == [(None, b"42")]


def serializing_questions_again(bootstrap: str) -> Any:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "other"})
    return [consumer.get_watermark_offsets(TopicPartition("doubled", number), timeout=60) for number in range(4)]


def failing(bootstrap: str) -> list[Any]:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "f", "session.timeout.ms": 6000})
    consumer.subscribe(["f"])
    seen: list[Any] = []
    try:
        consumer.commit(offsets=[TopicPartition("f", 0, 5)], asynchronous=False)
        seen.append("committed")
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        seen.append((error.args[0].code(), error.args[0].str()))
    consumer.close()
    return seen


def test_errors_of_the_library_are_replayed(project: Path, embedded: EmbeddedKafka) -> None:
    with use_cassette("failing.x07rr.bin"):
        recorded = failing(embedded.bootstrap)
    with use_cassette("failing.x07rr.bin"):
        assert failing(NOWHERE) == recorded
    assert any(isinstance(one, tuple) for one in recorded)


def produce(bootstrap: str, *values: str, token: str = "t") -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap})
    for value in values:
        producer.produce("p", value=value, headers={"Authorization": token})
    producer.flush(60)


def test_new_episodes_records_what_is_missing(project: Path, embedded: EmbeddedKafka) -> None:
    with use_cassette("episodes.x07rr.bin"):
        produce(embedded.bootstrap, "a", "b")
    with use_cassette("episodes.x07rr.bin", mode="new_episodes"):
        produce(embedded.bootstrap, "a", "b", "c")
    with use_cassette("episodes.x07rr.bin", mode="none"):
        produce(NOWHERE, "a", "b", "c")
    with use_cassette("episodes.x07rr.bin", mode="all"):
        produce(embedded.bootstrap, "d")
    with use_cassette("episodes.x07rr.bin", mode="none"):
        produce(NOWHERE, "d")


def test_filters_apply_before_anything_is_written(project: Path, embedded: EmbeddedKafka) -> None:
    hide: dict[str, Any] = {
        "filter_headers": ["authorization"],
        "before_record": [lambda e: Envelope("p", b"", e.value, e.headers)],
    }
    with use_cassette("filter.x07rr.bin", **hide):
        produce(embedded.bootstrap, "a", token="hunter2")
    assert b"hunter2" not in (project / ".x07_rr" / "filter.x07rr.bin").read_bytes()
    with use_cassette("filter.x07rr.bin", **hide):
        produce(NOWHERE, "a", token="another")


def test_the_order_of_messages_counts_within_a_key_only(project: Path, embedded: EmbeddedKafka) -> None:
    def run(bootstrap: str, *messages: tuple[str, str]) -> None:
        producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap})
        for key, value in messages:
            producer.produce("ordered", key=key, value=value)
        producer.flush(60)

    with use_cassette("ordered.x07rr.bin"):
        run(embedded.bootstrap, ("a", "1"), ("b", "2"), ("a", "3"))
    with use_cassette("ordered.x07rr.bin"):
        run(NOWHERE, ("b", "2"), ("a", "1"), ("a", "3"))
    with pytest.raises(ReplayMismatchError, match="2050"), use_cassette("ordered.x07rr.bin"):
        run(NOWHERE, ("a", "3"), ("a", "1"), ("b", "2"))


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (lambda: produce(NOWHERE, "a", "b", "c"), 2009),
        (lambda: produce(NOWHERE, "a"), 2051),
        (lambda: poll_for_ever(NOWHERE), 2070),
        (lambda: AdminClient({"bootstrap.servers": NOWHERE}), None),
    ],
    ids=["more", "less", "waiting", "nothing"],
)
def test_what_was_not_recorded_is_refused(
    project: Path, embedded: EmbeddedKafka, run: Callable[[], object], code: int | None
) -> None:
    with use_cassette("refuse.x07rr.bin"):
        produce(embedded.bootstrap, "a", "b")
    with pytest.raises(ReplayMismatchError) as caught, use_cassette("refuse.x07rr.bin", patience_s=0.1):
        run()
    assert caught.value.code == (code or 2051)


def poll_for_ever(bootstrap: str) -> None:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "w"})
    consumer.subscribe(["w"])
    while True:
        consumer.poll(0.05)


def test_a_call_without_a_recorded_form_says_its_name(project: Path, embedded: EmbeddedKafka) -> None:
    with use_cassette("refused.x07rr.bin", allow_empty=True):
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": embedded.bootstrap})
        with pytest.raises(DriverError, match=r"9641.*AdminClient\.delete_records"):
            admin.delete_records([])


def test_administration(project: Path, embedded: EmbeddedKafka) -> None:
    def run(bootstrap: str) -> list[Any]:
        admin = AdminClient({"bootstrap.servers": bootstrap})
        topics = sorted(admin.list_topics("managed", timeout=60).topics)
        groups = admin.list_consumer_groups(request_timeout=60)
        try:
            return [topics, [group.group_id for group in groups.result().valid]]
        except KafkaException as error:
            return [topics, error.args[0].code()]

    with use_cassette("admin.x07rr.bin"):
        recorded = run(embedded.bootstrap)
    with use_cassette("admin.x07rr.bin"):
        assert run(NOWHERE) == recorded
    assert recorded[0] == ["managed"]


def test_every_call_of_the_library_is_covered() -> None:
    """A method that the drop-in does not have would reach the library, which in a replay has no connection."""
    from x07py.testing.kafka_admin import METHODS
    from x07py.testing.kafka_consumer import TapeConsumerBase
    from x07py.testing.kafka_producer import TapeProducerBase

    public = {name for name, value in vars(AdminClient).items() if name[0] != "_" and callable(value)}
    assert public <= METHODS.keys()
    for drop_in in (TapeProducerBase, TapeConsumerBase):
        own = drop_in.__bases__[0]
        missing = [name for name in dir(own) if not name.startswith("_") and name not in vars(drop_in)]
        assert missing == [], drop_in


@pytest.mark.parametrize(
    ("arguments", "code"),
    [({"mode": "onse"}, "X07_CASSETTE_MODE"), ({"match_on": ["body"]}, "X07_CASSETTE_MATCH")],
)
def test_arguments_that_cannot_be_meant(arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        use_cassette("x.x07rr.bin", **arguments)
    assert caught.value.code == code


def test_a_partition_or_time_that_was_not_recorded_is_refused(project: Path, embedded: EmbeddedKafka) -> None:
    def publish(partition: int, time: int) -> None:
        producer = Producer({"bootstrap.servers": embedded.bootstrap})
        producer.produce("places", b"v", b"k", partition, timestamp=time)
        producer.flush(60)

    with use_cassette("places.x07rr.bin"):
        publish(0, 1000)
    with use_cassette("places.x07rr.bin"):
        publish(0, 1000)
    for partition, time, words in ((1, 1000, "with partition 1"), (0, 5, "with timestamp 5"), (-1, 1000, "None")):
        with pytest.raises(ReplayMismatchError, match=words), use_cassette("places.x07rr.bin"):
            publish(partition, time)


def test_the_end_of_a_partition_says_so_in_its_value_and_a_revocation_may_commit(
    project: Path, embedded: EmbeddedKafka
) -> None:
    def run() -> list[Any]:
        producer = Producer({"bootstrap.servers": embedded.bootstrap})
        producer.produce("ends", b"v", b"k", 0)
        producer.flush(60)
        settings = {"group.id": "ends", "auto.offset.reset": "earliest", "enable.auto.commit": False}
        consumer = Consumer({"bootstrap.servers": embedded.bootstrap, "enable.partition.eof": True, **settings})
        seen: list[Any] = []
        consumer.subscribe(
            ["ends"],
            on_revoke=lambda used, _: seen.append(max(one.offset for one in used.commit(asynchronous=False))),
        )
        while len(seen) < 2:
            message = consumer.poll(60)
            assert message is not None
            error = message.error()
            if error and message.partition() == 0:
                seen.append((bool(message), error.name(), message.value()))
            elif not error:
                seen.append(message.value())
        consumer.close()
        admin = AdminClient({"bootstrap.servers": embedded.bootstrap})
        return [*seen, admin.poll(timeout=0)]

    with use_cassette("ends.x07rr.bin"):
        recorded = run()
    assert recorded[1][:2] == (True, "_PARTITION_EOF")
    assert recorded[2] == 1
    with use_cassette("ends.x07rr.bin"):
        assert run() == recorded
