"""The live Kafka backend, on confluent-kafka.

Every call into librdkafka that may wait runs in a thread, once a batch; awaiting a thread for each message costs
about 100 microseconds, more than everything else together. confluent-kafka's own AIOProducer and AIOConsumer do the
same for batches but poll one message a hop otherwise, and their consumer hides rebalances, which rule the commits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from x07py.drivers.base import KAFKA, Ack, Delivery
from x07py.drivers.kafka_config import Health, Settings, settings_of
from x07py.drivers.kafka_transaction import Transaction
from x07py.drivers.offsets import OffsetLedger
from x07py.errors import DriverError, KafkaError
from x07py.msg import from_kafka, to_kafka

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from confluent_kafka import Consumer, Producer

    from x07py.contracts.messaging import KafkaProfile
    from x07py.drivers.base import Json, Subscription
    from x07py.msg import Envelope

log = logging.getLogger("x07py.drivers.kafka")

_TRANSACTIONS = ("init_transactions", "begin_transaction", "commit_transaction", "abort_transaction")
OPERATIONS = ("ack", "nack", "commit", "lag", "seek", "pause", "resume", *_TRANSACTIONS)
_POLL_SLICE_S = 0.05
_DELIVERY_TIMEOUT_MS = 30_000
_SESSION_TIMEOUT_MS = 10_000
_CLOSE_TIMEOUT_S = 10.0


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
        self._producer: Producer | None = None
        self._transaction = Transaction(self._config, self._health)
        self._consumers: list[Consumer] = []
        self._ledger = OffsetLedger()
        self._lock = threading.Lock()

    async def publish_many(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        """Publish in order; raises `KafkaError` 9751 to 9753 with the coordinates of the first message that failed."""
        acks: list[Ack] = await self._in_thread(self._publish, envelopes)
        return acks

    def _publish(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        producer = self._transaction.producer if self._transaction.open else self._producer_ready()
        acks: list[Ack | None] = [None] * len(envelopes)
        failures: list[tuple[int, Any]] = []
        left = len(envelopes)

        def delivered(number: int) -> Callable[[Any, Any], None]:
            def report(error: Any, message: Any) -> None:
                nonlocal left
                left -= 1
                if error is not None:
                    failures.append((number, error))
                    return
                place = b'{"offset":%d,"partition":%d}' % (message.offset(), message.partition())
                acks[number] = Ack(b"OK", place)

            return report

        for number, envelope in enumerate(envelopes):
            key, value, headers = to_kafka(envelope)
            while True:
                try:
                    producer.produce(envelope.topic, value, key, headers=list(headers), on_delivery=delivered(number))
                    break
                except BufferError:
                    producer.poll(_POLL_SLICE_S)
        deadline = time.monotonic() + _DELIVERY_TIMEOUT_MS / 1000 + _CLOSE_TIMEOUT_S
        while left and time.monotonic() < deadline:
            producer.poll(_POLL_SLICE_S)
            self._check(producer)
        if failures or left:
            raise self._publish_error(envelopes, sorted(failures), left)
        self._health.answered()
        return [ack for ack in acks if ack is not None]

    def _check(self, producer: Producer) -> None:
        try:
            self._health.check(producer)
        except KafkaError:
            producer.purge(in_flight=False)  # what is told as an error is not sent later on
            raise

    def _publish_error(self, envelopes: Sequence[Envelope], failures: list[tuple[int, Any]], left: int) -> KafkaError:
        if not failures:
            return KafkaError(
                9752,
                f"{left} of {len(envelopes)} messages were not confirmed in time",
                where=f"profile {self.profile!r}",
                hint="is the broker up? x07 doctor tells which brokers answer",
            )
        number, error = failures[0]
        code = 9753 if error.name() in ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC") else 9751
        if error.name() == "MSG_SIZE_TOO_LARGE":
            code = 9711
        return KafkaError(
            code,
            f"{len(failures)} of {len(envelopes)} messages were refused; the first: {error.str()}",
            where=f"profile {self.profile!r}, topic {envelopes[number].topic!r}, key {envelopes[number].key!r}",
            hint="x07 explain tells what to do; nothing behind the first refused message is known to be stored",
        )

    def _producer_ready(self) -> Producer:
        if self._producer is None:
            from confluent_kafka import Producer

            self._producer = Producer(
                {
                    **self._config,
                    "error_cb": self._health.note,
                    "enable.idempotence": True,
                    "linger.ms": 5,
                    "delivery.timeout.ms": _DELIVERY_TIMEOUT_MS,
                    "message.max.bytes": max(self._settings.max_message_bytes, 1000),
                }
            )
        return self._producer

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Join the group and yield batches of what it is assigned."""
        if not subscription.group:
            raise KafkaError(9754, "a Kafka consumer needs a group", hint="pass group= to consume")
        consumer = self._consumer(subscription)
        try:
            while True:
                messages = await self._in_thread(self._fetch, consumer, subscription.max_items)
                batch = [self._delivery(message, subscription.group) for message in self._usable(messages)]
                if batch:
                    self._health.answered()
                    yield batch
                else:
                    await self._in_thread(self._health.check, consumer)
        finally:
            if consumer in self._consumers:
                await asyncio.shield(self._in_thread(self._leave, consumer))

    def _fetch(self, consumer: Consumer, most: int) -> list[Any]:
        """Wait for one message, then take what else is there; asked for many, librdkafka waits for all of them."""
        messages: list[Any] = consumer.consume(1, self._settings.max_poll_wait_ms / 1000)
        if messages and most > 1:
            messages += consumer.consume(most - 1, 0)
        return messages

    def _leave(self, consumer: Consumer) -> None:
        """Close a consumer; its partitions are revoked on the way, so what is done is committed."""
        if consumer in self._consumers:
            self._consumers.remove(consumer)
            consumer.close()

    def _consumer(self, subscription: Subscription) -> Consumer:
        from confluent_kafka import Consumer

        consumer = Consumer(
            {
                **self._config,
                "error_cb": self._health.note,
                "group.id": subscription.group,
                "enable.auto.commit": False,
                "session.timeout.ms": _SESSION_TIMEOUT_MS,
                "auto.offset.reset": subscription.start,
                "isolation.level": "read_committed",
                "fetch.message.max.bytes": max(self._settings.max_message_bytes, 1000),
            }
        )
        consumer.subscribe(
            list(subscription.sources), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        self._consumers.append(consumer)
        return consumer

    def _assigned(self, _: Consumer, parts: list[Any]) -> None:
        log.info("assigned: %s", ", ".join(f"{part.topic}/{part.partition}" for part in parts))

    def _revoked(self, consumer: Consumer, parts: list[Any]) -> None:
        """Commit what is done of partitions that go to another consumer, and forget the rest of them."""
        from confluent_kafka import KafkaException

        mine = {(part.topic, part.partition) for part in parts}
        with self._lock:
            offsets = self._offsets(mine)
            if offsets:
                try:
                    consumer.commit(offsets=offsets, asynchronous=False)
                except KafkaException as error:
                    log.warning("cannot commit before a rebalance: %s; messages come again", error.args[0].str())
            for topic, number in mine:
                self._ledger.drop(topic, number)

    def _lost(self, _: Consumer, parts: list[Any]) -> None:
        """Forget partitions that another consumer has already: what is done of them can no longer be committed."""
        with self._lock:
            for part in parts:
                self._ledger.drop(part.topic, part.partition)

    def _offsets(self, mine: set[tuple[str, int]]) -> list[Any]:
        from confluent_kafka import TopicPartition

        ready = self._ledger.committable()
        return [TopicPartition(topic, part, offset) for (topic, part), offset in ready.items() if (topic, part) in mine]

    def _usable(self, messages: list[Any]) -> list[Any]:
        for message in messages:
            error = message.error()
            if error is not None:
                code = 9753 if error.name() in {"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC"} else 9755
                raise KafkaError(
                    code,
                    f"cannot consume: {error.str()}",
                    where=f"profile {self.profile!r}, topic {message.topic()!r}",
                    hint="does the topic exist, and may this user read it?",
                )
        return messages

    def _delivery(self, message: Any, group: str) -> Delivery:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        envelope = from_kafka(topic, message.key(), message.value(), message.headers())
        meta = b'{"group":%b,"offset":%d,"partition":%d,"timestamp_ms":%d,"topic":%b}' % (
            _json(group),
            offset,
            partition,
            message.timestamp()[1],
            _json(topic),
        )
        self._ledger.delivered(topic, partition, offset)
        return Delivery.from_broker(envelope, meta, (topic, partition, offset))

    async def control(self, op: str, request: Json) -> Json:
        """Carry out an operation by its name; `OPERATIONS` lists them."""
        if op not in OPERATIONS:
            raise DriverError(9622, f"Kafka has no operation {op!r}", hint="operations: " + ", ".join(OPERATIONS))
        if op == "ack" or (op == "nack" and not request["requeue"]):
            with self._lock:
                self._ledger.done(request["ranges"])
            return {}
        calls: dict[str, Callable[[], Json]] = {
            "nack": lambda: self._rewind(request["ranges"]),
            "commit": self._commit,
            "lag": lambda: self._lag(request["group"], request["topics"]),
            "seek": lambda: self._seek(request["topic"], request["partition"], request["offset"]),
            "pause": lambda: self._hold(request["topics"], hold=True),
            "resume": lambda: self._hold(request["topics"], hold=False),
            "init_transactions": lambda: self._transaction.init(request["id"]),
            "begin_transaction": lambda: self._transaction.begin(request["id"]),
            "commit_transaction": self._commit_transaction,
            "abort_transaction": self._transaction.abort,
        }
        return await self._in_thread(calls[op])

    def _commit_transaction(self) -> Json:
        """Commit what was produced and what is done of every consumer's partitions, together or not at all."""
        offsets: dict[str, int] = {}
        for consumer in self._consumers:
            with self._lock:
                mine = self._offsets({(part.topic, part.partition) for part in consumer.assignment()})
            if mine:
                self._transaction.send_offsets(mine, consumer)
            offsets |= {f"{part.topic}/{part.partition}": part.offset for part in mine}
        self._transaction.commit()
        with self._lock:
            places = {place.rpartition("/"): offset for place, offset in offsets.items()}
            self._ledger.committed({(topic, int(part)): offset for (topic, _, part), offset in places.items()})
        return {"offsets": dict(sorted(offsets.items()))}

    def _seek(self, topic: str, partition: int, offset: int | str) -> Json:
        """Go on delivering from an offset of a partition, or from its ``earliest`` or ``latest``."""
        from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException, TopicPartition

        number = {"earliest": OFFSET_BEGINNING, "latest": OFFSET_END}.get(str(offset), offset)
        for consumer in self._consumers:
            try:
                if isinstance(number, int) and self._holds(consumer, topic, partition):
                    consumer.seek(TopicPartition(topic, partition, number))
                    with self._lock:
                        self._ledger.drop(topic, partition)
                    return {}
            except KafkaException as error:
                raise self._misplaced(topic, partition, error.args[0].str()) from None
        raise self._misplaced(topic, partition, "no consumer of this driver has the partition now")

    def _misplaced(self, topic: str, partition: int, reason: str) -> KafkaError:
        return KafkaError(9761, f"cannot go there: {reason}", where=f"{topic}/{partition}", hint="x07 explain 9761")

    def _hold(self, topics: list[str], *, hold: bool) -> Json:
        """Pause or resume what is assigned of some topics."""
        held: list[str] = []
        for consumer in self._consumers:
            parts = [part for part in consumer.assignment() if part.topic in topics]
            (consumer.pause if hold else consumer.resume)(parts)
            held += [f"{part.topic}/{part.partition}" for part in parts]
        return {"partitions": sorted(held)}

    @staticmethod
    def _holds(consumer: Consumer, topic: str, partition: int) -> bool:
        return any(part.topic == topic and part.partition == partition for part in consumer.assignment())

    def _lag(self, group: str, topics: list[str]) -> Json:
        """Ask the broker with a client that does not join the group."""
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        client = Consumer({**self._config, "group.id": group, "enable.auto.commit": False})
        try:
            known = client.list_topics(timeout=_CLOSE_TIMEOUT_S).topics
            parts = [TopicPartition(name, number) for name in topics for number in known[name].partitions]
            lag: dict[str, int] = {}
            for part in client.committed(parts, timeout=_CLOSE_TIMEOUT_S):
                first, after_last = client.get_watermark_offsets(part, timeout=_CLOSE_TIMEOUT_S)
                lag[f"{part.topic}/{part.partition}"] = after_last - max(part.offset, first)
        except (KafkaException, KeyError) as error:
            raise KafkaError(
                9757,
                f"cannot ask for the lag: {error}",
                where=f"profile {self.profile!r}, group {group!r}",
                hint="do the topics exist, and is the broker up?",
            ) from None
        finally:
            client.close()
        return {"lag": lag}

    def _rewind(self, ranges: dict[str, dict[str, list[list[int]]]]) -> Json:
        """Deliver again from the first refused message of each partition."""
        from confluent_kafka import TopicPartition

        for topic, lanes in ranges.items():
            for lane, spans in lanes.items():
                first = min(span[0] for span in spans)
                with self._lock:
                    self._ledger.rewind(topic, int(lane), first)
                for consumer in self._consumers:
                    if self._holds(consumer, topic, int(lane)):
                        consumer.seek(TopicPartition(topic, int(lane), first))
        return {}

    def _commit(self) -> Json:
        from confluent_kafka import KafkaException

        committed: dict[str, int] = {}
        for consumer in self._consumers:
            with self._lock:
                offsets = self._offsets({(part.topic, part.partition) for part in consumer.assignment()})
            if not offsets:
                continue
            try:
                consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                raise KafkaError(
                    9756,
                    f"cannot commit: {error.args[0].str()}",
                    where=f"profile {self.profile!r}",
                    hint="the messages will be delivered again; handle them idempotently",
                ) from None
            with self._lock:
                self._ledger.committed({(part.topic, part.partition): part.offset for part in offsets})
            committed |= {f"{part.topic}/{part.partition}": part.offset for part in offsets}
        return {"offsets": dict(sorted(committed.items()))}

    async def _in_thread(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    async def close(self) -> None:
        """Leave the groups and wait for what is still to be sent."""
        for consumer in list(self._consumers):
            await self._in_thread(self._leave, consumer)
        await self._in_thread(self._transaction.close)
        if self._producer is not None:
            await self._in_thread(self._producer.flush, _CLOSE_TIMEOUT_S)
        self._threads.shutdown(wait=False)


def _json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
