"""Groups of several members: recorded on Apache Kafka, replayed to the same members with the same assignments."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka import TopicPartition as Place
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.support.campaign import CAMPAIGN
from tests.wire.kafka.gate import Gate
from tests.wire.kafka.serving import is_whole, new_topic, served
from x07py.wire.kafka import apis
from x07py.wire.stand_in import Address

pytestmark = pytest.mark.live
PARTITIONS = 4
Log = dict[str, list[object]]


@pytest.fixture
def topic(broker: Address) -> str:
    """A topic of four partitions."""
    return new_topic(broker, PARTITIONS)


class Member:
    """A consumer of confluent-kafka that commits each message and notes what happens to it."""

    def __init__(self, address: str, topic: str, name: str, log: Log, settings: dict[str, Any]) -> None:
        self.name, self.parts = name, set[int]()
        self.events = log.setdefault(name, [])
        self.seen = 0
        self._cooperates = settings.get("partition.assignment.strategy") == "cooperative-sticky"
        own = {"group.id": topic, "client.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False}
        if settings.pop("static", False):
            own["group.instance.id"] = f"static-{name}"
        own |= {"heartbeat.interval.ms": 100, "session.timeout.ms": 6000, "fetch.wait.max.ms": 50}
        self.consumer = Consumer({"bootstrap.servers": address, **own, **settings})
        self.consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked)

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        found = {one.partition for one in places}
        self.events.append(("assigned", sorted(found)))
        self.parts = self.parts | found if self._cooperates else found
        (consumer.incremental_assign if self._cooperates else consumer.assign)(places)

    def _revoked(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self.events.append(("revoked", sorted(one.partition for one in places)))
        self.parts -= {one.partition for one in places}
        if self._cooperates:
            consumer.incremental_unassign(places)
        else:
            consumer.unassign()

    def poll(self) -> None:
        """Take a message, if there is one."""
        message = self.consumer.poll(0.02)
        if message is not None:
            assert message.error() is None, message.error()
            self.seen += 1
            self.events.append((message.partition(), message.offset(), message.value()))
            self.consumer.commit(message=message, asynchronous=False)


def until(condition: Callable[[], bool], *members: Member) -> None:
    """Let members poll until a condition holds."""
    ends = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < ends
        for member in members:
            member.poll()


def confluent(address: str, topic: str, **settings: Any) -> Log:
    """A member is alone, a second one joins, and leaves again; something is published before each and at the end."""
    log: Log = {}
    producer = Producer({"bootstrap.servers": address})

    def publish(value: bytes) -> None:
        for partition in range(PARTITIONS):
            producer.produce(topic, value, b"key-%d" % partition, partition=partition)
        assert producer.flush(20) == 0

    first = Member(address, topic, "first", log, dict(settings))
    publish(b"one")
    until(lambda: first.seen == PARTITIONS, first)
    second = Member(address, topic, "second", log, dict(settings))
    until(lambda: len(first.parts) == len(second.parts) == 2, first, second)
    publish(b"two")
    until(lambda: first.seen + second.seen == 2 * PARTITIONS, first, second)
    second.consumer.close()
    until(lambda: len(first.parts) == PARTITIONS, first)
    publish(b"three")
    until(lambda: first.seen + second.seen == 3 * PARTITIONS, first)
    first.consumer.close()
    return log


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what a consumer of aiokafka is assigned."""

    def __init__(self, events: list[object]) -> None:
        self._events = events

    async def on_partitions_revoked(self, revoked: set[Place]) -> None:
        self._events.append(("revoked", sorted(one.partition for one in revoked)))

    async def on_partitions_assigned(self, assigned: set[Place]) -> None:
        self._events.append(("assigned", sorted(one.partition for one in assigned)))


async def consume(address: str, topic: str, events: list[object]) -> None:
    """Take messages and commit each until cancelled."""
    settings: dict[str, Any] = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "fetch_max_wait_ms": 50}
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=topic, heartbeat_interval_ms=100, **settings)
    consumer.subscribe([topic], listener=Listener(events))
    async with consumer:
        async for message in consumer:
            events.append((message.partition, message.offset, message.value))
            await consumer.commit({Place(topic, message.partition): message.offset + 1})


def aiokafka(address: str, topic: str) -> Log:
    """The same with asyncio; its members call themselves alike."""
    log: Log = {"first": [], "second": []}

    def have(count: int) -> bool:
        return sum(isinstance(one, tuple) and len(one) == 3 for events in log.values() for one in events) == count

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(40):
            while not condition():  # noqa: ASYNC110 - several tasks fulfil it
                await asyncio.sleep(0.01)

    async def run() -> None:
        async with AIOKafkaProducer(bootstrap_servers=address) as producer:

            async def publish(value: bytes) -> None:
                for number in range(PARTITIONS):
                    await producer.send_and_wait(topic, value, b"key-%d" % number, partition=number)

            first = asyncio.create_task(consume(address, topic, log["first"]))
            await publish(b"one")
            await wait(lambda: have(PARTITIONS))
            second = asyncio.create_task(consume(address, topic, log["second"]))
            await wait(lambda: len(log["second"]) == 2)
            await publish(b"two")
            await wait(lambda: have(2 * PARTITIONS))
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
            await wait(lambda: ("assigned", [0, 1, 2, 3]) in log["first"][2:])
            await publish(b"three")
            await wait(lambda: have(3 * PARTITIONS))
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)

    asyncio.run(run())
    return log


COOPERATIVE = {"partition.assignment.strategy": "cooperative-sticky"}
MEMBERS: dict[str, Callable[[str, str], Log]] = {
    "aiokafka": aiokafka,
    "confluent cooperative": partial(confluent, **COOPERATIVE),
}
if CAMPAIGN:
    MEMBERS |= {"confluent eager": confluent, "confluent static": partial(confluent, static=True, **COOPERATIVE)}


@pytest.mark.parametrize("members", MEMBERS.values(), ids=MEMBERS)
def test_members_that_come_and_go_get_what_they_got(
    tmp_path: Path, broker: Address, topic: str, members: Callable[[str, str], Log]
) -> None:
    with served(tmp_path, upstream=broker) as between:
        live = members(str(between.address), topic)
    assert between.errors == []
    with served(tmp_path) as stand_in:
        assert members(str(stand_in.address), topic) == live
        is_whole(stand_in)


def by_confluent(address: str, topic: str, came: Callable[[], None]) -> list[int]:
    """Publish and take a message, and after another assignment one more; return what came.

    Args:
        address: of the broker.
        topic: where to; the group is called like it.
        came: called when the first message has come.
    """
    producer = Producer({"bootstrap.servers": address})
    assignments: list[object] = []
    own = {"group.id": topic, "auto.offset.reset": "earliest", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    consumer = Consumer({"bootstrap.servers": address, **own})
    consumer.subscribe([topic], on_assign=lambda _, places: assignments.append(places))
    found: list[int] = []
    for count in (1, 2):
        producer.produce(topic, b"%d" % count, partition=0)
        assert producer.flush(20) == 0
        ends = time.monotonic() + 40
        while len(found) < count or len(assignments) < 2:
            assert time.monotonic() < ends
            message = consumer.poll(0.1)
            if message is not None and message.error() is None and int(message.value() or b"") not in found:
                found.append(int(message.value() or b""))  # what was not committed comes again
                came()
    consumer.close()
    return found


async def _by_aiokafka(address: str, topic: str, came: Callable[[], None]) -> list[int]:
    events: list[object] = []
    own: dict[str, Any] = {"group_id": topic, "auto_offset_reset": "earliest", "session_timeout_ms": 6000}
    consumer = AIOKafkaConsumer(bootstrap_servers=address, heartbeat_interval_ms=500, **own)
    consumer.subscribe([topic], listener=Listener(events))
    found: list[int] = []
    async with AIOKafkaProducer(bootstrap_servers=address) as producer, consumer, asyncio.timeout(60):
        for count in (1, 2):
            await producer.send_and_wait(topic, b"%d" % count, partition=0)
            found.append(int((await consumer.getone()).value or b""))
            came()
            while count == 1 and len(events) < 4:  # noqa: ASYNC110 - the client's own task fulfils it
                await asyncio.sleep(0.1)
    return found


def by_aiokafka(address: str, topic: str, came: Callable[[], None]) -> list[int]:
    """The same with aiokafka."""
    return asyncio.run(_by_aiokafka(address, topic, came))


def session_ends(client: socket.socket, _: socket.socket) -> None:
    """Let nothing pass until the member's session has ended, or the client leaves by itself."""
    ends = time.monotonic() + 7.5  # the shortest session that Apache Kafka allows has 6 s
    while (rest := ends - time.monotonic()) > 0:
        if select.select([client], [], [], rest)[0] and not client.recv(65536):
            return


@pytest.mark.parametrize("run", [by_confluent, by_aiokafka])
def test_a_member_that_lost_its_connection_and_its_membership_is_one_consumer(
    tmp_path: Path, broker: Address, topic: str, run: Callable[[str, str, Callable[[], None]], list[int]]
) -> None:
    with served(tmp_path, upstream=broker) as stand_in:
        gate = Gate(stand_in.address, 0, session_ends, struct.pack(">h", apis.HEARTBEAT))
        stand_in.advertised = gate.address
        trips = iter((1,))
        assert run(str(gate.address), topic, lambda: setattr(gate, "trips", next(trips, gate.trips))) == [1, 2]
        gate.close()
        assert not gate.trips
    with served(tmp_path) as stand_in:
        buckets = stand_in.session.ledger.index.buckets
        consumers = {bucket.scope for bucket in buckets if bucket.op.endswith((b"assigned_v1", b"poll_env_v1"))}
        assert consumers == {f"{topic}@{topic}".encode()}
        assert run(str(stand_in.address), topic, lambda: None) == [1, 2]
        is_whole(stand_in)


PROCESSES = """
import asyncio, multiprocessing, sys
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

address, topic = sys.argv[1:]

async def work(name, said):
    settings = {"auto_offset_reset": "earliest", "heartbeat_interval_ms": 100, "client_id": name}
    async with AIOKafkaConsumer(topic, bootstrap_servers=address, group_id=topic, **settings) as consumer:
        while len(consumer.assignment()) != 2:
            await asyncio.sleep(0.01)
        said.put((name, "ready"))
        for _ in range(2):
            message = await consumer.getone()
            said.put((name, message.partition, message.offset, message.value))
        said.put((name, "done"))
        while len(consumer.assignment()) != int(name == "b") * 4:
            await asyncio.sleep(0.01)
            if name == "a":
                return
        said.put((name, "alone"))

def run(name, said):
    asyncio.run(work(name, said))

async def publish():
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        for number in range(4):
            await producer.send_and_wait(topic, b"value", b"key-%d" % number, partition=number)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    said, heard = context.Queue(), []
    members = [context.Process(target=run, args=(name, said)) for name in "ab"]
    for member in members:
        member.start()
    while sum(one[1] == "ready" for one in heard) < 2:
        heard.append(said.get(timeout=60))
    asyncio.run(publish())
    while ("b", "alone") not in heard:
        heard.append(said.get(timeout=60))
    for member in members:
        member.join(60)
    print(*sorted(heard, key=str), sep="\\n")
"""


@pytest.mark.skipif(not CAMPAIGN, reason="starts six interpreters: make rows")
def test_members_in_processes_of_their_own(project: Path, broker: Address, topic: str) -> None:
    (project / "processes.py").write_text(PROCESSES)
    x07 = str(Path(sys.executable).parent / "x07")
    command = [x07, "rr", "exec", "--cassette", "p.x07rr.bin", "--", sys.executable, "processes.py", str(broker), topic]
    outputs = []
    for around in ([], ["unshare", "-rn"]):
        done = subprocess.run([*around, *command], cwd=project, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0].count("b'value'") == PARTITIONS
    assert outputs[0] == outputs[1]
