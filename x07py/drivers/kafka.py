"""The live Kafka backend, on confluent-kafka.

Every call into librdkafka that may wait runs in a thread, once a batch; awaiting a thread for each message costs
about 100 microseconds, more than everything else together. confluent-kafka's own AIOProducer and AIOConsumer do the
same for batches but poll one message a hop otherwise, and their consumer hides rebalances, which decide what may be
committed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from x07py.drivers.base import KAFKA, Ack, Delivery
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

_POLL_SLICE_S = 0.05
_DELIVERY_TIMEOUT_MS = 30_000
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
        self._config = {
            "bootstrap.servers": ",".join(profile.bootstrap),
            "logger": log,
            **(config or {}),
        }
        self._threads = ThreadPoolExecutor(thread_name_prefix="x07-kafka")
        self._producer: Producer | None = None
        self._consumers: list[Consumer] = []
        self._ledger = OffsetLedger()

    async def publish_many(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        """Publish in order; raises `KafkaError` 9751 to 9753 with the coordinates of the first message that failed."""
        acks: list[Ack] = await self._in_thread(self._publish, envelopes)
        return acks

    def _publish(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        producer = self._producer_ready()
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
        if failures or left:
            raise self._publish_error(envelopes, sorted(failures), left)
        return [ack for ack in acks if ack is not None]

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
                messages = await self._in_thread(
                    consumer.consume, subscription.max_items, self._settings.max_poll_wait_ms / 1000
                )
                batch = [self._delivery(message, subscription.group) for message in self._usable(messages)]
                if batch:
                    yield batch
        finally:
            self._consumers.remove(consumer)
            await asyncio.shield(self._in_thread(consumer.close))

    def _consumer(self, subscription: Subscription) -> Consumer:
        from confluent_kafka import Consumer

        consumer = Consumer(
            {
                **self._config,
                "group.id": subscription.group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "fetch.message.max.bytes": max(self._settings.max_message_bytes, 1000),
            }
        )
        consumer.subscribe(list(subscription.sources))
        self._consumers.append(consumer)
        return consumer

    def _usable(self, messages: list[Any]) -> list[Any]:
        for message in messages:
            error = message.error()
            if error is not None:
                code = 9753 if error.name() == "UNKNOWN_TOPIC_OR_PART" else 9755
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
        """Carry out ``ack``, ``nack``, ``commit``, or ``lag`` (of a group in topics: messages behind, by partition)."""
        if op == "ack":
            self._ledger.done(request["ranges"])
            return {}
        if op == "nack":
            if request["requeue"]:
                return await self._in_thread(self._rewind, request["ranges"])
            self._ledger.done(request["ranges"])
            return {}
        if op == "commit":
            return await self._in_thread(self._commit)
        if op == "lag":
            return await self._in_thread(self._lag, request["group"], request["topics"])
        raise DriverError(9622, f"Kafka has no operation {op!r}", hint="operations: ack, nack, commit, lag")

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
                self._ledger.rewind(topic, int(lane), first)
                for consumer in self._consumers:
                    if any(part.topic == topic and part.partition == int(lane) for part in consumer.assignment()):
                        consumer.seek(TopicPartition(topic, int(lane), first))
        return {}

    def _commit(self) -> Json:
        from confluent_kafka import KafkaException, TopicPartition

        ready = self._ledger.committable()
        for consumer in self._consumers:
            mine = {(part.topic, part.partition) for part in consumer.assignment()}
            offsets = [
                TopicPartition(topic, part, offset) for (topic, part), offset in ready.items() if (topic, part) in mine
            ]
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
            self._ledger.committed({(part.topic, part.partition): part.offset for part in offsets})
        return {"offsets": {f"{topic}/{part}": offset for (topic, part), offset in sorted(ready.items())}}

    async def _in_thread(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    async def close(self) -> None:
        """Leave the groups and wait for what is still to be sent."""
        for consumer in list(self._consumers):
            await self._in_thread(consumer.close)
        if self._producer is not None:
            await self._in_thread(self._producer.flush, _CLOSE_TIMEOUT_S)
        self._threads.shutdown(wait=False)


def _json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
