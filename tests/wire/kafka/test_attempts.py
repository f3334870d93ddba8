"""What a client sends again because its connection was lost is published once, as its program did it."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka import KafkaProducer
from kafka.errors import KafkaError

from tests.support.campaign import CAMPAIGN
from tests.support.kafka_tools import tool
from tests.wire.kafka.gate import PRODUCE, Cut, Gate, frame
from tests.wire.kafka.serving import Served, is_whole, new_topic, publishes, record_by_driver, served
from x07py.brokers.process import RunningBroker
from x07py.wire.kafka import apis
from x07py.wire.stand_in import Address


def answer_is_there(_: socket.socket, there: socket.socket) -> None:
    """Wait for an answer, which nobody reads."""
    select.select([there], [], [])


def answer_is_kept(_: socket.socket, there: socket.socket) -> None:
    """Read an answer, and keep it, as a proxy does that is restarted."""
    frame(there)


UNREAD = [answer_is_there, answer_is_kept]


@contextmanager
def losing(stand_in: Served, trips: int, cut: Cut, key: bytes = PRODUCE) -> Iterator[None]:
    """Let clients come to a stand-in by a gate."""
    gate = Gate(stand_in.address, trips, cut, key)
    stand_in.advertised = gate.address
    yield
    assert not gate.trips
    gate.close()


@contextmanager
def lost_before_the_answer(broker: RunningBroker, root: Path) -> Iterator[Served]:
    """A recording whose first publish is stored, and lost with its connection before anything of that comes back."""
    host, _, port = broker.address.rpartition(":")
    stored = threading.Event()

    def keep(client: socket.socket, there: socket.socket) -> None:
        answer_is_there(client, there)
        stored.set()
        client.recv(1)  # until the recording has given up

    behind = Gate(Address(host, int(port)), 1, keep)
    with served(root, upstream=behind.address) as between, losing(between, 1, lambda *_: assert_set(stored)):
        yield between
    behind.close()


def assert_set(event: threading.Event) -> None:
    """Wait for an event."""
    assert event.wait(30)


def publish_and_read(stand_in: Served, topic: str, *, idempotent: bool, stored: int) -> list[Any]:
    """A program that publishes one record and reads as often as the broker has stored it."""
    out: list[Any] = []
    address = str(stand_in.advertised or stand_in.address)
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": idempotent})
    headers: dict[str, str | bytes | None] = {"n": b"0"}
    producer.produce(topic, b"value 0", b"key-0", headers=headers, on_delivery=lambda *said: out.append(said))
    assert producer.flush(30) == 0
    out = [(error, message.offset(), message.value()) for error, message in out]
    consumer = Consumer({"bootstrap.servers": address, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    for _ in range(stored):
        message = consumer.poll(30)
        assert message is not None
        out.append((message.offset(), message.value()))
    consumer.close()
    return out


@pytest.mark.parametrize("trips", [1, 2])
def test_a_replay_takes_a_record_once_however_often_it_comes(tmp_path: Path, trips: int) -> None:
    record_by_driver(tmp_path, "orders", 1)
    with served(tmp_path) as stand_in, losing(stand_in, trips, answer_is_there):
        found = publish_and_read(stand_in, "orders", idempotent=False, stored=1)
        assert found == [(None, 0, b"value 0"), (0, b"value 0")]
        is_whole(stand_in)


@pytest.mark.live
@pytest.mark.parametrize("idempotent", [True, False])
def test_a_recording_holds_a_record_once_that_was_sent_twice(
    tmp_path: Path, live_kafka: RunningBroker, idempotent: bool
) -> None:
    topic, stored = f"twice-{uuid.uuid4().hex[:8]}", 1 if idempotent else 2
    with lost_before_the_answer(live_kafka, tmp_path) as between:
        live = publish_and_read(between, topic, idempotent=idempotent, stored=stored)
    assert live[0] == (None, stored - 1, b"value 0")
    assert between.errors == []
    with served(tmp_path) as stand_in:
        assert len(publishes(stand_in)) == 1
        assert publish_and_read(stand_in, topic, idempotent=idempotent, stored=stored) == live
        is_whole(stand_in)


@contextmanager
def left_unread(broker: RunningBroker, root: Path, cut: Cut, key: bytes = PRODUCE) -> Iterator[Served]:
    """A recording whose first publish, or another request, is carried out, and whose client never reads that."""
    host, _, port = broker.address.rpartition(":")
    with served(root, upstream=Address(host, int(port))) as between, losing(between, 1, cut, key):
        yield between


@pytest.mark.live
@pytest.mark.parametrize("cut", UNREAD)
def test_a_confirmation_that_was_not_read_comes_again(tmp_path: Path, live_kafka: RunningBroker, cut: Cut) -> None:
    topic = f"unread-{uuid.uuid4().hex[:8]}"
    with left_unread(live_kafka, tmp_path, cut) as between:
        live = publish_and_read(between, topic, idempotent=True, stored=1)
    assert between.errors == []
    with served(tmp_path) as stand_in:
        assert len(publishes(stand_in)) == 1
        assert publish_and_read(stand_in, topic, idempotent=True, stored=1) == live
        is_whole(stand_in)


@pytest.mark.live
def test_a_record_that_the_broker_holds_twice_for_no_fault_of_its_program(
    tmp_path: Path, live_kafka: RunningBroker
) -> None:
    with left_unread(live_kafka, tmp_path, answer_is_there) as between:
        producer = Producer({"bootstrap.servers": str(between.advertised)})
        producer.produce(f"unread-{uuid.uuid4().hex[:8]}", b"value", b"key")
        while not between.errors:
            producer.poll(0.1)
        producer.purge(in_flight=True)
    assert "sent it again; the broker holds it twice, at 0 and 1" in between.errors[0].message
    assert between.errors[0].code == 9641


@pytest.mark.live
def test_a_record_that_was_given_up_is_lost_again(tmp_path: Path, live_kafka: RunningBroker) -> None:
    topic = f"given-up-{uuid.uuid4().hex[:8]}"

    def program(stand_in: Served) -> list[Any]:
        out: list[Any] = []
        address = str(stand_in.advertised or stand_in.address)
        producer = KafkaProducer(bootstrap_servers=address, retries=0, enable_idempotence=False)
        for value in (b"one", b"two"):
            try:
                out.append(producer.send(topic, value, b"key").get(30).offset)
            except KafkaError as error:
                out.append(type(error).__name__)
        producer.close()
        return out

    with lost_before_the_answer(live_kafka, tmp_path) as between:
        live = program(between)
    assert isinstance(live[0], str)
    assert live[1] == 1
    with served(tmp_path) as stand_in:
        assert [b'"lost":true' in meta for meta in publishes(stand_in)] == [True, False]
        assert program(stand_in) == live
        is_whole(stand_in)


class Slow(Gate):
    """Passes the answer to a publish on when its client has left, and a moment later."""

    gone = threading.Event()

    def _pass_on(self, client: socket.socket, there: socket.socket) -> None:
        with client, there, suppress(OSError):
            while request := frame(client):
                there.sendall(request)
                answer = frame(there)
                if request[4:6] == PRODUCE:
                    assert_set(self.gone)
                    time.sleep(0.2)
                client.sendall(answer)


@pytest.mark.live
def test_what_a_client_did_not_wait_for_is_written_as_the_broker_said_it(
    tmp_path: Path, live_kafka: RunningBroker
) -> None:
    host, _, port = live_kafka.address.rpartition(":")
    behind, topic = Slow(Address(host, int(port)), 0, answer_is_there), f"left-{uuid.uuid4().hex[:8]}"
    sent = threading.Event()

    def leave(client: socket.socket, there: socket.socket) -> None:
        sent.set()

    with served(tmp_path, upstream=behind.address) as between, losing(between, 1, leave):
        producer = Producer({"bootstrap.servers": str(between.advertised), "retries": 0})
        producer.produce(topic, b"value 0", b"key-0")
        while not sent.is_set():
            producer.poll(0.01)
        behind.gone.set()
        producer.flush(20)
    behind.close()
    with served(tmp_path) as stand_in:
        (said,) = publishes(stand_in)
        assert b'"offset":0,' in said
        assert b"lost" not in said


def transaction(stand_in: Served, topic: str) -> None:
    """A program that publishes in a transaction."""
    address = str(stand_in.advertised or stand_in.address)
    producer = Producer({"bootstrap.servers": address, "transactional.id": topic, "retry.backoff.ms": 10})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic, b"value", b"key")
    producer.commit_transaction(60)


def operations(stand_in: Served, name: bytes) -> int:
    """Return how many entries of an operation a cassette holds that is replayed."""
    ledger = stand_in.session.ledger
    return sum(ledger.bucket(n).op.endswith(name) for n in range(len(ledger)))


def answer_is_kept_a_while(_: socket.socket, there: socket.socket) -> None:
    """Keep an answer until the broker is done: librdkafka waits for ever if its second request meets the first."""
    frame(there)
    time.sleep(0.5)


@pytest.mark.live
def test_a_step_of_a_transaction_is_written_once(tmp_path: Path, live_kafka: RunningBroker) -> None:
    topic = f"steps-{uuid.uuid4().hex[:8]}"
    with left_unread(live_kafka, tmp_path, answer_is_kept_a_while, struct.pack(">h", apis.END_TXN)) as between:
        transaction(between, topic)
    assert between.errors == []
    with served(tmp_path) as stand_in:
        assert operations(stand_in, b"commit_transaction_v1") == 1
        transaction(stand_in, topic)
        is_whole(stand_in)


def consume_and_commit(stand_in: Served, topic: str) -> None:
    """A program that consumes in a transaction."""
    address = str(stand_in.advertised or stand_in.address)
    producer = Producer({"bootstrap.servers": address, "transactional.id": topic, "retry.backoff.ms": 10})
    producer.init_transactions(60)
    consumer = Consumer({"bootstrap.servers": address, "group.id": topic})
    producer.begin_transaction()
    producer.produce(topic, b"value", b"key")
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 0)], consumer.consumer_group_metadata(), 60)
    producer.commit_transaction(60)
    consumer.close()


STEPS = (apis.INIT_PRODUCER_ID, apis.TXN_OFFSET_COMMIT, apis.ADD_PARTITIONS_TO_TXN, apis.ADD_OFFSETS_TO_TXN)


@pytest.mark.live
@pytest.mark.parametrize("key", STEPS if CAMPAIGN else STEPS[:1])
def test_a_request_of_a_transaction_whose_answer_a_proxy_kept_is_made_once(
    tmp_path: Path, live_kafka: RunningBroker, key: int
) -> None:
    topic = f"kept-{uuid.uuid4().hex[:8]}"
    with left_unread(live_kafka, tmp_path, answer_is_kept_a_while, struct.pack(">h", key)) as between:
        consume_and_commit(between, topic)
    assert between.errors == []
    with served(tmp_path) as stand_in:
        for name in (b"init_transactions_v1", b"send_offsets_to_transaction_v1", b"commit_transaction_v1"):
            assert operations(stand_in, name) == 1
        consume_and_commit(stand_in, topic)
        is_whole(stand_in)


TOPICS, CONFIGS = "org.apache.kafka.tools.TopicCommand", "kafka.admin.ConfigCommand"
CHANGES = {
    "create": (19, TOPICS, "--create --topic {} --partitions 1", "already exists"),
    "delete": (20, TOPICS, "--delete --topic {}", "does not host"),
    "alter": (44, CONFIGS, "--alter --entity-type topics --entity-name {} --add-config retention.ms=7000", "Completed"),
}
"""What Kafka's tools are asked to do, and what they say of it if they have to send it twice."""


@pytest.mark.live
@pytest.mark.parametrize("change", CHANGES if CAMPAIGN else ["create"])
def test_a_change_whose_answer_a_proxy_kept_is_told_as_its_client_learned_it(
    tmp_path: Path, live_kafka: RunningBroker, change: str
) -> None:
    key, name, options, said = CHANGES[change]
    host, _, port = live_kafka.address.rpartition(":")
    topic = f"kept-{uuid.uuid4().hex[:8]}" if change == "create" else new_topic(Address(host, int(port)), 1)

    def run(stand_in: Served) -> str:
        address = str(stand_in.advertised or stand_in.address)
        command = [*tool(name), "--bootstrap-server", address, *options.format(topic).split()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + str(done.returncode)

    with left_unread(live_kafka, tmp_path, answer_is_kept, struct.pack(">h", key)) as between:
        live = run(between)
    assert between.errors == []
    assert said in live
    with served(tmp_path) as stand_in:
        assert run(stand_in) == live
        is_whole(stand_in)


@pytest.mark.live
def test_an_event_that_two_producers_publish_in_turn_is_published_twice(
    tmp_path: Path, live_kafka: RunningBroker
) -> None:
    topic, stamp = f"in-turn-{uuid.uuid4().hex[:8]}", int(time.time() * 1000)

    def program(stand_in: Served) -> list[int | None]:
        offsets: list[int | None] = []
        for _ in range(2):
            producer = Producer({"bootstrap.servers": str(stand_in.address)})
            producer.produce(
                topic, b"value", b"key", timestamp=stamp, on_delivery=lambda _, said: offsets.append(said.offset())
            )
            assert producer.flush(30) == 0
            del producer
        return offsets

    host, _, port = live_kafka.address.rpartition(":")
    with served(tmp_path, upstream=Address(host, int(port))) as between:
        live = program(between)
    assert between.errors == []
    assert live == [0, 1]
    with served(tmp_path) as stand_in:
        assert len(publishes(stand_in)) == 2
        assert program(stand_in) == live
        is_whole(stand_in)
