"""What a publish to Kafka is answered with: for each message its own place, however many share a call."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from x07py import Envelope, open_driver
from x07py.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.brokers.process import RunningBroker
    from x07py.drivers.base import Ack

PARTITIONS = 4
LIMIT_S = 60


def make_topics(address: str, *partitions: int) -> list[str]:
    """Return new topics with these numbers of partitions."""
    admin = AdminClient({"bootstrap.servers": address})
    names = [f"acks-{uuid.uuid4().hex[:8]}" for _ in partitions]
    made = admin.create_topics([NewTopic(name, count, 1) for name, count in zip(names, partitions, strict=True)])
    for future in made.values():
        future.result(LIMIT_S)
    return names


def stored(address: str, topic: str, partitions: int) -> dict[tuple[int, int], tuple[bytes, bytes]]:
    """Return key and value of every message of a topic by partition and offset, as the client itself reads them."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": uuid.uuid4().hex, "enable.partition.eof": False})
    parts = [TopicPartition(topic, number, 0) for number in range(partitions)]
    ends = [consumer.get_watermark_offsets(part, timeout=LIMIT_S)[1] for part in parts]
    consumer.assign(parts)
    found: dict[tuple[int, int], tuple[bytes, bytes]] = {}
    for _ in range(LIMIT_S):
        for message in consumer.consume(1000, 1.0) if len(found) < sum(ends) else ():
            place = message.partition() or 0, message.offset() or 0
            found[place] = message.key() or b"", message.value() or b""
    consumer.close()
    assert len(found) == sum(ends)
    return found


def places(acks: Sequence[Ack]) -> list[tuple[int, int]]:
    """Return partition and offset of each."""
    return [(ack.meta["partition"], ack.meta["offset"]) for ack in acks]


@pytest.mark.usefixtures("on_kafka")
def test_each_ack_says_where_its_own_message_stands(live_kafka: RunningBroker) -> None:
    many, other = make_topics(live_kafka.address, PARTITIONS, 1)
    unlike = [Envelope(many, b"k%d" % (n % 50), b"%d" % n) for n in range(1500)]
    alike = [Envelope(many, b"", b"same") for _ in range(300)]
    headed = [Envelope(many, b"k%d" % (n % 50), b"%d" % n, {"n": str(n)}) for n in range(100)]
    elsewhere = [Envelope(other, b"k", b"%d" % n) for n in range(100)]
    placed = [Envelope(many, b"", b"at %d" % n, {"x07-partition": str(n % PARTITIONS)}) for n in range(40)]
    batch = [one for row in zip(unlike[:100], headed, elsewhere, alike[:100], strict=True) for one in row]
    batch += placed + alike[100:200] + unlike[100:]
    batch += [one for row in zip(unlike[:100], alike[200:], strict=True) for one in row]  # every other without a key

    async def publish() -> list[Ack]:
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            first, second = await asyncio.gather(driver.publish_many(batch), driver.publish_many(batch))
            assert len(first) == len(batch)
            assert first[3:5] == list(first)[3:5]
            return [*first, *second]

    acks = asyncio.run(publish())
    said = dict(
        zip(((one.topic, place) for one, place in zip(batch * 2, places(acks), strict=True)), batch * 2, strict=True)
    )
    assert len(said) == len(batch) * 2, "two acks name one place"
    for topic, partitions in ((many, PARTITIONS), (other, 1)):
        for place, (key, value) in stored(live_kafka.address, topic, partitions).items():
            assert (said[topic, place].key, said[topic, place].value) == (key, value)
    assert [place[0] for place in places(acks)[400:440]] == [n % PARTITIONS for n in range(40)]


@pytest.mark.usefixtures("on_kafka")
def test_a_batch_tells_how_many_of_it_were_refused_and_which_was_the_first(live_kafka: RunningBroker) -> None:
    (topic,) = make_topics(live_kafka.address, PARTITIONS)
    good = [Envelope(topic, b"good", b"%d" % n) for n in range(20)]
    bad = [Envelope(topic, b"bad%d" % n, b"", {"x07-partition": "77"}) for n in range(3)]

    async def publish() -> None:
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            await driver.publish_many([*good[:10], *bad, *good[10:]])

    with pytest.raises(DriverError) as caught:
        asyncio.run(publish())
    assert caught.value.code == 9763
    assert "3 of 23 messages were refused" in str(caught.value)
    assert "bad0" in str(caught.value)
    assert len(stored(live_kafka.address, topic, PARTITIONS)) == 20


@pytest.mark.usefixtures("on_kafka")
def test_acks_are_equal_if_they_say_the_same(live_kafka: RunningBroker) -> None:
    (topic,) = make_topics(live_kafka.address, 1)

    async def publish() -> tuple[Sequence[Ack], Sequence[Ack]]:
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            return (
                await driver.publish_many([Envelope(topic, b"", b"1"), Envelope(topic, b"", b"2")]),
                await driver.publish_many([Envelope(topic, b"", b"1"), Envelope(topic, b"", b"2")]),
            )

    first, second = asyncio.run(publish())
    assert first == list(first)
    assert first != second
    assert [ack.meta_json for ack in second] == [b'{"offset":2,"partition":0}', b'{"offset":3,"partition":0}']
    assert second[-1] in second
    assert repr(first) == repr(list(first))
