"""The live Kafka backend, on confluent-kafka.

Every call into librdkafka that may wait runs in a thread, once a batch; awaiting a thread for each message costs
about 100 microseconds, more than everything else together. confluent-kafka's own AIOProducer and AIOConsumer do the
same for batches but poll one message a hop otherwise, and their consumer hides rebalances, which decide what may be
committed.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from x07py.drivers.base import KAFKA, Ack, Delivery
from x07py.drivers.kafka_config import Health, Settings, settings_of
from x07py.drivers.kafka_consumer import Member
from x07py.drivers.kafka_producer import Publisher
from x07py.drivers.kafka_transaction import Transaction
from x07py.errors import DriverError, KafkaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from confluent_kafka import Consumer, TopicPartition

    from x07py.contracts.messaging import KafkaProfile
    from x07py.drivers.base import Json, Subscription
    from x07py.drivers.kafka_consumer import Ranges
    from x07py.msg import Envelope

_TRANSACTIONS = ("init_transactions", "begin_transaction", "commit_transaction", "abort_transaction")
OPERATIONS = ("ack", "nack", "commit", "lag", "seek", "pause", "resume", *_TRANSACTIONS)
_ASK_TIMEOUT_S = 10.0
_COORDINATOR_TIMEOUT_S = 30.0
"""A fresh Kafka has no coordinator before it has made its topic of offsets, which takes a slow machine seconds."""
_COORDINATOR_PAUSE_S = 0.1


class KafkaBackend:
    """One producer and any number of consumers on one Kafka profile.

    Args:
        profile: the broker profile.
        config: librdkafka settings on top of the profile's (security, tests).
    """

    dialect = KAFKA

    def __init__(self, profile: KafkaProfile, config: dict[str, Any] | None = None) -> None:
        self.profile = profile.id
        self._settings = profile
        self._config = Settings(settings_of(profile) | (config or {}))
        self._health = Health(profile)
        self._threads = ThreadPoolExecutor(thread_name_prefix="x07-kafka")
        self._publisher = Publisher(self._config, profile, self._health)
        self._transaction = Transaction(self._config, self._health)
        self._members: list[Member] = []
        self._in_use = asyncio.Lock()

    async def publish_many(self, envelopes: Sequence[Envelope]) -> Sequence[Ack]:
        """Publish in order, within the transaction if one is open; raises as `Publisher.publish`."""
        producer = self._transaction.producer if self._transaction.open else None
        acks: Sequence[Ack] = await self._in_thread(self._publisher.publish, envelopes, producer)
        return acks

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Join the group and yield batches of what it is assigned, until the loop is left or the driver is closed.

        Raises:
            KafkaError: 9754 without a group, 9764 if another group has a topic of it; as `Member.fetch`.
        """
        member = self._join(subscription)
        try:
            while not member.left:
                batch = await self._in_thread(member.fetch)
                if batch:
                    yield batch
        finally:
            await asyncio.shield(self._leave(member))

    def _join(self, subscription: Subscription) -> Member:
        if not subscription.group:
            raise KafkaError(9754, "a Kafka consumer needs a group", hint="pass group= to consume")
        for other in self._members:
            asked = other.subscription
            both = set(asked.sources) & set(subscription.sources)
            if both and asked.group != subscription.group:
                raise KafkaError(
                    9764,
                    f"the groups {asked.group!r} and {subscription.group!r} consume {min(both)!r} with one driver",
                    where=self._health.where,
                    hint="open a driver for each group: acknowledgements do not name one",
                )
        member = Member(self._config, self._settings, self._health, subscription)
        self._members.append(member)
        return member

    async def _leave(self, member: Member) -> None:
        async with self._in_use:
            if member in self._members:
                self._members.remove(member)
                await self._in_thread(member.leave)

    async def control(self, op: str, request: Json) -> Json:
        """Carry out an operation by its name; `OPERATIONS` lists them."""
        if op not in OPERATIONS:
            raise DriverError(9622, f"Kafka has no operation {op!r}", hint="operations: " + ", ".join(OPERATIONS))
        if op == "ack" or (op == "nack" and not request["requeue"]):
            for member in self._members:
                member.done(request["ranges"])
            return {}
        if op == "commit" and not request.get("wait", True):
            for member in self._members:
                member.commit_soon()
            return {}
        calls: dict[str, Callable[[], Json]] = {
            "nack": lambda: self._rewind(request["ranges"]),
            "commit": self._commit,
            "seek": lambda: self._seek(request["topic"], request["partition"], request["offset"]),
            "pause": lambda: self._hold(request["topics"], hold=True),
            "resume": lambda: self._hold(request["topics"], hold=False),
            "commit_transaction": self._commit_transaction,
        }
        if op in calls:
            async with self._in_use:
                return await self._in_thread(calls[op])
        apart: dict[str, Callable[[], Json]] = {
            "lag": lambda: self._lag(request["group"], request["topics"]),
            "init_transactions": lambda: self._transaction.init(request["id"]),
            "begin_transaction": lambda: self._transaction.begin(request["id"]),
            "abort_transaction": self._transaction.abort,
        }
        return await self._in_thread(apart[op])

    def _commit(self) -> Json:
        committed: dict[str, int] = {}
        for member in list(self._members):
            committed |= member.commit()
        return {"offsets": dict(sorted(committed.items()))}

    def _commit_transaction(self) -> Json:
        """Commit what was produced and what is done of every member's partitions, together or not at all."""
        sent = [(member, member.committable()) for member in self._members]
        for member, offsets in sent:
            if offsets:
                self._transaction.send_offsets(offsets, member.consumer)
        self._transaction.commit()
        for member, offsets in sent:
            member.committed(offsets)
        parts = [part for _, offsets in sent for part in offsets]
        return {"offsets": dict(sorted((f"{part.topic}/{part.partition}", part.offset) for part in parts))}

    def _seek(self, topic: str, partition: int, offset: int | str) -> Json:
        """Go on delivering from an offset of a partition, or from its ``earliest`` or ``latest``."""
        from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException

        number = {"earliest": OFFSET_BEGINNING, "latest": OFFSET_END}.get(str(offset), offset)
        for member in self._members:
            try:
                if isinstance(number, int) and (topic, partition) in member.assigned():
                    member.seek(topic, partition, number)
                    return {}
            except KafkaException as error:
                raise self._misplaced(topic, partition, error.args[0].str()) from None
        raise self._misplaced(topic, partition, "no consumer of this driver has the partition now")

    def _misplaced(self, topic: str, partition: int, reason: str) -> KafkaError:
        return KafkaError(9761, f"cannot go there: {reason}", where=f"{topic}/{partition}", hint="x07 explain 9761")

    def _rewind(self, ranges: Ranges) -> Json:
        """Deliver again from the first refused message of each partition."""
        from confluent_kafka import KafkaException

        for topic, lanes in ranges.items():
            for lane, spans in lanes.items():
                for member in self._members:
                    try:
                        member.rewind(topic, int(lane), min(span[0] for span in spans))
                    except KafkaException as error:
                        raise self._misplaced(topic, int(lane), error.args[0].str()) from None
        return {}

    def _hold(self, topics: list[str], *, hold: bool) -> Json:
        """Pause or resume what is assigned of some topics."""
        return {"partitions": sorted(one for member in self._members for one in member.hold(topics, hold=hold))}

    def _lag(self, group: str, topics: list[str]) -> Json:
        """Ask the broker with a client that does not join the group."""
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        client = Consumer({**self._config, "group.id": group, "enable.auto.commit": False})
        try:
            known = client.list_topics(timeout=_ASK_TIMEOUT_S).topics
            parts = [TopicPartition(name, number) for name in topics for number in known[name].partitions]
            lag: dict[str, int] = {}
            for part in _committed(client, parts):
                first, after_last = client.get_watermark_offsets(part, timeout=_ASK_TIMEOUT_S)
                lag[f"{part.topic}/{part.partition}"] = after_last - max(part.offset, first)
        except (KafkaException, KeyError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else f"there is no topic {error}"
            raise KafkaError(
                9757,
                f"cannot ask for the lag: {reason}",
                where=f"profile {self.profile!r}, group {group!r}",
                hint="do the topics exist, and is the broker up?",
            ) from None
        finally:
            client.close()
        return {"lag": lag}

    async def _in_thread(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    async def close(self) -> None:
        """Leave the groups, which ends the loops that consume, and wait for what is still to be sent."""
        for member in list(self._members):
            await self._leave(member)
        await self._in_thread(self._transaction.close)
        await self._in_thread(self._publisher.close)
        self._threads.shutdown(wait=False)


def _committed(client: Consumer, parts: list[TopicPartition]) -> list[TopicPartition]:
    """Ask for committed offsets until the group has a coordinator."""
    from confluent_kafka import KafkaError as Told
    from confluent_kafka import KafkaException

    passing = (Told.NOT_COORDINATOR, Told.COORDINATOR_NOT_AVAILABLE, Told.COORDINATOR_LOAD_IN_PROGRESS)
    deadline = time.monotonic() + _COORDINATOR_TIMEOUT_S
    while True:
        try:
            return client.committed(parts, timeout=_COORDINATOR_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in passing or time.monotonic() > deadline:
                raise
            time.sleep(_COORDINATOR_PAUSE_S)
