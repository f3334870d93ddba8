"""What a real cluster tells an administrator, recorded and replayed: each kind of result that a cassette may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

from x07py.brokers.process import RunningBroker
from x07py.testing.cassette import use_cassette
from x07py.testing.kafka_values import dump

pytestmark = pytest.mark.live


def ask(bootstrap: str, topic: str) -> list[Any]:
    """Return the answers to every question of an administrator that can be recorded."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result()
    with Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}) as consumer:
        consumer.subscribe([topic])
        producer = Producer({"bootstrap.servers": bootstrap})
        producer.produce(topic, b"1", partition=0)
        producer.flush(30)
        message = None
        while message is None:
            message = consumer.poll(1)
        consumer.commit(message=message, asynchronous=False)
        partition, config = TopicPartition(topic, 0), ConfigResource("TOPIC", topic)
        asked = [
            admin.list_topics(topic, timeout=30),
            admin.describe_cluster(include_authorized_operations=True).result(),
            admin.describe_topics(TopicCollection([topic]), include_authorized_operations=True)[topic].result(),
            admin.describe_configs([config])[config].result(),
            admin.describe_consumer_groups([topic], include_authorized_operations=True)[topic].result(),
            admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(topic)])[topic].result(),
            admin.list_offsets({partition: OffsetSpec.latest()})[partition].result(),
            admin.list_offsets({partition: OffsetSpec.earliest()})[partition].result(),
        ]
        listed = admin.list_consumer_groups().result()
    return [dump(found) for found in (*asked, listed)]


def test_an_administrators_questions_replay(project: Path, live_kafka: RunningBroker) -> None:
    topic = f"asked-{uuid4().hex[:8]}"
    with use_cassette("admin.x07rr.bin"):
        recorded = ask(live_kafka.address, topic)
    with use_cassette("admin.x07rr.bin", mode="none"):
        assert ask("127.0.0.1:1", topic) == recorded
    assert '"$uuid"' in repr(recorded).replace("'", '"')


def details(bootstrap: str, topic: str) -> list[Any]:
    """Return what is easily lost of a delivery report, of a partition's error and of a message that is one."""
    seen: list[Any] = []

    def told(error: Any, message: Message) -> None:
        seen.append((error, message.latency(), message.timestamp(), message.leader_epoch(), len(message)))

    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, b"1", partition=0, on_delivery=told)
    producer.flush(60)
    settings = {"group.id": topic, "enable.partition.eof": True, "auto.offset.reset": "earliest"}
    with Consumer({"bootstrap.servers": bootstrap, **settings}) as consumer:
        times = [TopicPartition(topic, 0, 1), TopicPartition("no-such-topic", 0, 1)]
        seen += [(str(one), one.error and one.error.name()) for one in consumer.offsets_for_times(times, timeout=60)]
        consumer.assign([TopicPartition(topic, 0, 0)])
        for message in (consumer.poll(60), consumer.poll(60)):
            assert message
            seen.append((message.value(), message.offset(), message.timestamp(), len(message), message.latency()))
    return seen


def test_details_of_reports_partitions_and_errors_replay(project: Path, live_kafka: RunningBroker) -> None:
    topic = f"details-{uuid4().hex[:8]}"
    with use_cassette("details.x07rr.bin"):
        recorded = details(live_kafka.address, topic)
    assert recorded[0][1] > 0
    assert recorded[2][1] == "UNKNOWN_TOPIC_OR_PART"
    with use_cassette("details.x07rr.bin", mode="none"):
        assert details("127.0.0.1:1", topic) == recorded
