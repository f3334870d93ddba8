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

from x07py.drivers.base import COMMIT_INTERVAL_MS, KAFKA, Ack, Delivery
from x07py.drivers.kafka_config import Health, Settings, client, settings_of
from x07py.drivers.kafka_consumer import Member
from x07py.drivers.kafka_producer import Publisher
from x07py.drivers.kafka_registry import SchemaRegistry
from x07py.drivers.kafka_settings import for_consumers
from x07py.drivers.kafka_transaction import Transaction
from x07py.errors import DriverError, LagUnknownError, SeekError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from confluent_kafka import Consumer, TopicPartition

    from x07py.drivers.base import Json, Subscription
    from x07py.drivers.kafka_commits import Ranges
    from x07py.drivers.kafka_contract import KafkaProfile
    from x07py.drivers.kafka_tokens import Token
    from x07py.msg import Envelope

_ASK_TIMEOUT_S = 10.0
_COORDINATOR_TIMEOUT_S = 30.0
"""A fresh Kafka has no coordinator before it has made its topic of offsets, which takes a slow machine seconds."""
_COORDINATOR_PAUSE_S = 0.1


class KafkaBackend:
    """One producer and any number of consumers on one Kafka profile.

    Args:
        profile: the broker profile.
        config: librdkafka settings of this instance on top of the profile's.
        token: gives the tokens for ``oauthbearer_v1``.
    """

    dialect = KAFKA

    def __init__(
        self, profile: KafkaProfile, config: Mapping[str, Any] | None = None, token: Token | None = None
    ) -> None:
        self.profile: str = profile.id
        self._settings = profile
        self._config = Settings({**settings_of(profile, token), **(config or {})})
        self._health = Health(profile)
        self._threads = ThreadPoolExecutor(thread_name_prefix="x07-kafka")
        self._publisher = Publisher(self._config, profile, self._health)
        self._transaction = Transaction(self._config, self._health)
        self._registry = SchemaRegistry(profile)
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
            DriverError: 9754 without a group, 9764 if another group has a topic of it; as `Member.fetch`.
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
            raise DriverError(9754, "a Kafka consumer needs a group", hint="pass group= to consume")
        if isinstance(subscription.start, int):
            message = f"a Kafka group cannot start at the offset {subscription.start} of every partition"
            raise UnsupportedError(9622, message, hint="start at earliest or latest, and seek in a partition")
        for other in self._members:
            asked = other.subscription
            both = set(asked.sources) & set(subscription.sources)
            if both and asked.group != subscription.group:
                raise DriverError(
                    9764,
                    f"the groups {asked.group!r} and {subscription.group!r} consume {min(both)!r} with one driver",
                    where=self._health.where,
                    hint="open a driver for each group: acknowledgements do not name one",
                )
        member = Member(self._config, self._settings, self._health, subscription)
        if self._transaction.open:
            member.commits.begin()
        self._members.append(member)
        return member

    async def _leave(self, member: Member) -> None:
        async with self._in_use:
            if member in self._members:
                self._members.remove(member)
                await self._in_thread(member.leave)

    def consuming(self) -> bool:
        """Tell whether a consumer is in its group, also if no partition is left for it."""
        return any(member.assigned and not member.left for member in self._members)

    async def control(self, op: str, request: Json) -> Json:
        """Carry out an operation by its name; the dialect lists them."""
        self.dialect.refuse_unknown(op)
        if op == "ack" or (op == "nack" and not request["requeue"]):
            for member in self._members:
                member.commits.done(request["ranges"])
            return {}
        if op == "commit" and not request.get("wait", True):
            for member in self._members:
                member.commits.soon(request.get("interval_ms", COMMIT_INTERVAL_MS) / 1000)
            return {}
        calls: dict[str, Callable[[], Json]] = {
            "nack": lambda: self._rewind(request["ranges"]),
            "commit": self._commit,
            "seek": lambda: self._seek(request["topic"], request["partition"], request["offset"]),
            "pause": lambda: self._hold(request["topics"], hold=True),
            "resume": lambda: self._hold(request["topics"], hold=False),
            "begin_transaction": lambda: self._begin_transaction(request["id"]),
            "commit_transaction": self._commit_transaction,
            "abort_transaction": self._abort_transaction,
        }
        if op in calls:
            async with self._in_use:
                return await self._in_thread(calls[op])
        apart: dict[str, Callable[[], Json]] = {
            "lag": lambda: self._lag(request["group"], request["topics"]),
            "init_transactions": lambda: self._transaction.init(request["id"]),
            "schema_ids": lambda: self._registry.schema_ids(request),
            "schema": lambda: self._registry.schema(request),
            "subject": lambda: self._registry.subject(request),
        }
        return await self._in_thread(apart[op])

    def _commit(self) -> Json:
        committed: dict[str, int] = {}
        for member in list(self._members):
            committed |= {} if member.left else member.commits.commit()
        return {"offsets": dict(sorted(committed.items()))}

    def _begin_transaction(self, name: str) -> Json:
        answer = self._transaction.begin(name)
        for member in self._members:
            member.commits.begin()
        return answer

    def _abort_transaction(self) -> Json:
        """Give the transaction up; whatever becomes of that, what was acknowledged in it is not done any more."""
        try:
            return self._transaction.abort()
        finally:
            for member in self._members:
                member.commits.end(committed=False)

    def _commit_transaction(self) -> Json:
        """Commit what was produced and what is done of every member's partitions, together or not at all."""
        sent = [(member, member.commits.ready(with_transaction=True)) for member in self._members]
        for member, offsets in sent:
            if offsets:
                self._transaction.send_offsets(offsets, member.consumer)
        self._transaction.commit()
        for member, offsets in sent:
            member.commits.stored(offsets)
            member.commits.end(committed=True)
        parts = [part for _, offsets in sent for part in offsets]
        return {"offsets": dict(sorted((f"{part.topic}/{part.partition}", part.offset) for part in parts))}

    def _seek(self, topic: str, partition: int, offset: int | str) -> Json:
        """Go on delivering from an offset of a partition, or from its ``earliest`` or ``latest``."""
        from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException

        number = {"earliest": OFFSET_BEGINNING, "latest": OFFSET_END}.get(str(offset), offset)
        for member in self._members:
            try:
                if isinstance(number, int) and (topic, partition) in member.commits.assigned():
                    member.seek(topic, partition, number)
                    return {}
            except KafkaException as error:
                raise self._misplaced(topic, partition, error.args[0].str()) from None
        raise self._misplaced(topic, partition, "no consumer of this driver has the partition now")

    def _misplaced(self, topic: str, partition: int, reason: str) -> DriverError:
        return SeekError(9761, f"cannot go there: {reason}", where=f"{topic}/{partition}", hint="x07 explain 9761")

    def _rewind(self, ranges: Ranges) -> Json:
        """Deliver again from the first refused message of each partition."""
        from confluent_kafka import KafkaException

        for topic, partitions in ranges.items():
            for partition, spans in partitions.items():
                for member in self._members:
                    try:
                        member.rewind(topic, int(partition), min(span[0] for span in spans))
                    except KafkaException as error:
                        raise self._misplaced(topic, int(partition), error.args[0].str()) from None
        return {}

    def _hold(self, topics: list[str], *, hold: bool) -> Json:
        """Pause or resume what is assigned of some topics."""
        return {"partitions": sorted(one for member in self._members for one in member.hold(topics, hold=hold))}

    def _lag(self, group: str, topics: list[str]) -> Json:
        """Ask the broker with a client that does not join the group."""
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        settings = {name: value for name, value in for_consumers(self._config).items() if name != "group.instance.id"}
        asking = client(Consumer, {**settings, "group.id": group, "enable.auto.commit": False}, self._health.where)
        try:
            known = asking.list_topics(timeout=_ASK_TIMEOUT_S).topics
            parts = [TopicPartition(name, number) for name in topics for number in known[name].partitions]
            lag: dict[str, int] = {}
            for part in _committed(asking, parts):
                first, after_last = asking.get_watermark_offsets(part, timeout=_ASK_TIMEOUT_S)
                lag[f"{part.topic}/{part.partition}"] = after_last - max(part.offset, first)
        except (KafkaException, KeyError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else f"there is no topic {error}"
            raise LagUnknownError(
                9757,
                f"cannot ask for the lag: {reason}",
                where=f"profile {self.profile!r}, group {group!r}",
                hint="do the topics exist, is the broker up, and may this user read the group?",
            ) from None
        finally:
            asking.close()
        return {"lag": lag}

    async def keep_alive(self) -> bool:
        """Commit what is due, and keep the groups from taking members out that are at work for long."""
        for member in list(self._members):
            await self._in_thread(member.keep)
        return True

    async def _in_thread(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    async def close(self) -> None:
        """Leave the groups, which ends the loops that consume, and wait for what is still to be sent."""
        for member in list(self._members):
            await self._leave(member)
        await self._in_thread(self._transaction.close)
        await self._in_thread(self._publisher.close)
        await self._in_thread(self._registry.close)
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
