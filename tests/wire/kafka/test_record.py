"""Recording between real clients and Apache Kafka, and replaying what came of it to the same client and to others."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from kafka import KafkaConsumer, KafkaProducer

from tests.wire.kafka.gate import Gate, frame
from tests.wire.kafka.serving import is_whole, new_topic, publishes, served
from x07py.wire.kafka import apis
from x07py.wire.kafka.frames import Request, answer, parse_request
from x07py.wire.stand_in import Address

pytestmark = pytest.mark.live
COUNT = 20


def confluent(address: str, topic: str, *, to_end: bool = True) -> list[object]:
    """A service that publishes, consumes in a group, commits and asks for offsets."""
    out: list[object] = []
    producer = Producer({"bootstrap.servers": address, "linger.ms": 5, "compression.type": "lz4"})
    for n in range(COUNT):
        producer.produce(
            topic, b"value %d" % n, b"key", on_delivery=lambda error, sent: out.append((error, sent.offset()))
        )
    assert producer.flush(20) == 0
    settings = {"group.id": topic, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": address, "enable.partition.eof": True, **settings})
    consumer.subscribe([topic], on_assign=lambda _, parts: out.append(sorted(one.partition for one in parts)))
    while to_end or len(out) <= 2 * COUNT:
        message = consumer.poll(20)
        assert message is not None
        if error := message.error():
            out.append(error.name())
            break
        out.append((message.partition(), message.offset(), message.value(), message.timestamp()))
    out.append([one.offset for one in consumer.commit(asynchronous=False)])
    out.append(consumer.get_watermark_offsets(TopicPartition(topic, 0)))
    consumer.close()
    return out


def kafka_python(address: str, topic: str) -> list[Any]:
    """The same without what kafka-python has no words for."""
    producer = KafkaProducer(bootstrap_servers=address, linger_ms=5)
    sent = [producer.send(topic, b"value %d" % n, b"key") for n in range(COUNT)]
    out: list[object] = [one.get(20).offset for one in sent]
    producer.close()
    settings = {"group_id": topic, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = KafkaConsumer(topic, bootstrap_servers=address, **settings)
    for message in consumer:
        out.append((message.partition, message.offset, message.value, message.timestamp))
        if len(out) == 2 * COUNT:
            break
    consumer.commit()
    consumer.close()
    return out


def aiokafka(address: str, topic: str) -> list[object]:
    """The same with asyncio."""

    async def run() -> list[object]:
        async with AIOKafkaProducer(bootstrap_servers=address) as producer:
            sent = [await producer.send(topic, b"value %d" % n, b"key") for n in range(COUNT)]
            out: list[object] = [(await one).offset for one in sent]
        settings = {"group_id": topic, "auto_offset_reset": "earliest", "enable_auto_commit": False}
        async with AIOKafkaConsumer(topic, bootstrap_servers=address, **settings) as consumer:
            for _ in range(COUNT):
                message = await asyncio.wait_for(consumer.getone(), 20)
                out.append((message.partition, message.offset, message.value, message.timestamp))
            await consumer.commit()
        return out

    return asyncio.run(run())


@pytest.fixture
def topic(broker: Address) -> str:
    """A topic of one partition."""
    return new_topic(broker, 1)


CLIENTS: list[Callable[[str, str], list[object]]] = [confluent, kafka_python, aiokafka]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_replays_what_it_recorded(
    tmp_path: Path, broker: Address, topic: str, client: Callable[[str, str], list[object]]
) -> None:
    with served(tmp_path, upstream=broker) as between:
        live = client(str(between.address), topic)
    with served(tmp_path) as stand_in:
        assert client(str(stand_in.address), topic) == live
        is_whole(stand_in)


def test_clients_replay_what_another_recorded(tmp_path: Path, broker: Address, topic: str) -> None:
    with served(tmp_path, upstream=broker) as between:
        live = kafka_python(str(between.address), topic)
    with served(tmp_path) as stand_in:
        assert aiokafka(str(stand_in.address), topic) == live
        is_whole(stand_in)
    with served(tmp_path) as stand_in:
        found = confluent(str(stand_in.address), topic, to_end=False)
        assert [one[1:3] for one in found if isinstance(one, tuple) and len(one) == 4] == [
            one[1:3] for one in live[COUNT:]
        ]
        is_whole(stand_in)


def test_administration_replays_as_questions_and_orders(tmp_path: Path, broker: Address) -> None:
    name = f"wire-{uuid.uuid4().hex[:8]}"

    def run(address: str) -> list[object]:
        admin = AdminClient({"bootstrap.servers": address})
        out: list[object] = []
        for _ in range(2):
            error = admin.create_topics([NewTopic(name, 3, 1, config={"retention.ms": "1000"})])[name].exception(20)
            out.append(error and error.args[0].name())
        out.append(sorted(admin.list_topics(name, 20).topics[name].partitions))
        found = admin.describe_configs([ConfigResource("TOPIC", name)])
        out.append(next(iter(found.values())).result(20)["retention.ms"].value)
        out.append(admin.delete_topics([name])[name].result(20))
        return out

    with served(tmp_path, upstream=broker) as between:
        live = run(str(between.address))
    assert live == [None, "TOPIC_ALREADY_EXISTS", [0, 1, 2], "1000", None]
    with served(tmp_path) as stand_in:
        assert run(str(stand_in.address)) == live
        is_whole(stand_in)


class MovedLeader(Gate):
    """Answers the first publish that another broker leads now, and where that is: where it is itself."""

    def _pass_on(self, client: socket.socket, there: socket.socket) -> None:
        with client, there, suppress(OSError):
            while data := frame(client):
                request = parse_request(data[4:])
                if request.key == apis.PRODUCE and self.trips:
                    self.trips -= 1
                    client.sendall(self._moved(request))
                else:
                    there.sendall(data)
                    client.sendall(frame(there))

    def _moved(self, request: Request) -> bytes:
        leader = {"leader_id": 1, "leader_epoch": 9}
        rows = [
            {
                "name": topic.name,
                "partition_responses": [
                    {"index": one.index, "error_code": 6, "base_offset": -1, "current_leader": leader}
                    for one in topic.partition_data
                ],
            }
            for topic in request.body().topic_data
        ]
        here = {"node_id": 1, "host": self.address.host, "port": self.address.port}
        return answer(request, {"responses": rows, "node_endpoints": [here]})


def test_no_client_is_led_past_the_recording_by_an_answer(tmp_path: Path, broker: Address, topic: str) -> None:
    gate = MovedLeader(broker, 1, lambda *_: None)
    with served(tmp_path, upstream=gate.address) as between:
        producer = Producer({"bootstrap.servers": str(between.address)})
        producer.produce(topic, b"value", b"key")
        assert producer.flush(20) == 0
        assert not gate.trips
    gate.close()
    with served(tmp_path) as stand_in:
        assert len(publishes(stand_in)) == 1


def test_a_transaction_loop_replays(tmp_path: Path, broker: Address, topic: str) -> None:
    def run(address: str) -> list[object]:
        producer = Producer({"bootstrap.servers": address, "transactional.id": topic})
        producer.init_transactions(20)
        for value, commits in ((b"kept", True), (b"dropped", False), (b"kept too", True)):
            producer.begin_transaction()
            producer.produce(topic, value, b"key")
            producer.flush(20)
            if commits:
                producer.commit_transaction(20)
            else:
                producer.abort_transaction(20)
        settings = {"group.id": f"{topic}-reader", "auto.offset.reset": "earliest", "enable.auto.commit": False}
        reader = Consumer({"bootstrap.servers": address, "isolation.level": "read_committed", **settings})
        reader.subscribe([topic])
        found: list[object] = [one.value() for one in (reader.poll(20), reader.poll(20)) if one is not None]
        producer.begin_transaction()
        producer.produce(topic, b"answer", b"key")
        producer.send_offsets_to_transaction(reader.position(reader.assignment()), reader.consumer_group_metadata(), 20)
        producer.commit_transaction(20)
        found.append(reader.committed([TopicPartition(topic, 0)], 20)[0].offset)
        reader.close()
        return found

    with served(tmp_path, upstream=broker) as between:
        live = run(str(between.address))
    assert live[:2] == [b"kept", b"kept too"]
    with served(tmp_path) as stand_in:
        assert run(str(stand_in.address)) == live
        is_whole(stand_in)
