"""One member of a Kafka consumer group: what it was assigned, what it delivered, what of that may be committed.

Rebalances happen inside `fetch` alone, because librdkafka calls back from there. So what a batch holds belongs to this
member until the next batch is asked for.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from x07py.drivers.base import Delivery
from x07py.drivers.offsets import OffsetLedger
from x07py.errors import KafkaError
from x07py.msg import Envelope, from_kafka

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Consumer

    from x07py.contracts.messaging import KafkaProfile
    from x07py.drivers.base import Subscription
    from x07py.drivers.kafka_config import Health
    from x07py.drivers.offsets import Partition

log = logging.getLogger("x07py.drivers.kafka")

Ranges = dict[str, dict[str, list[list[int]]]]
_SESSION_TIMEOUT_MS = 10_000
_SLICE_S = 0.2
_LAST_S = 5.0
"""How long a broker may take to answer before the last commit, which would wait for it much longer."""
_LEAVE_S = 15.0
"""How long leaving a group may take, that commit included."""


class _KafkaDelivery(Delivery):
    """A delivery whose metadata is put together when somebody asks for it."""

    __slots__ = ("_group", "_place", "_timestamp")

    def __init__(
        self, envelope: Envelope, place: tuple[str, int, int], group: bytes, timestamp: Callable[[], tuple[int, int]]
    ) -> None:
        self._envelope = envelope
        self._place = self._coordinates = place
        self._group, self._timestamp = group, timestamp
        self._envelope_bytes = self._meta_json = b""
        self._meta = None

    @property
    def meta_json(self) -> bytes:
        """``meta`` as canonical JSON."""
        if not self._meta_json:
            topic, partition, offset = self._place
            self._meta_json = b'{"group":%b,"offset":%d,"partition":%d,"timestamp_ms":%d,"topic":%b}' % (
                self._group,
                offset,
                partition,
                self._timestamp()[1],
                _json(topic),
            )
        return self._meta_json


class Member:
    """A consumer of its own; its methods wait, except `done`, and belong into a thread.

    Args:
        config: librdkafka settings of the profile.
        profile: the broker profile.
        health: takes the client's events.
        subscription: topics, group, and most messages a batch.
    """

    def __init__(
        self, config: dict[str, Any], profile: KafkaProfile, health: Health, subscription: Subscription
    ) -> None:
        from confluent_kafka import Consumer

        self.subscription = subscription
        self.left = False
        self._wait_s = profile.max_poll_wait_ms / 1000
        self._profile, self._health = profile, health
        self._ledger = OffsetLedger()
        self._lock = threading.Lock()
        self._fetching, self._committing = threading.Lock(), threading.Lock()
        self._gone: set[Partition] = set()
        self._commit_asked = False
        self.consumer = Consumer(
            {
                **config,
                "error_cb": health.note,
                "on_commit": self._answered,
                "group.id": subscription.group,
                "enable.auto.commit": False,
                "session.timeout.ms": _SESSION_TIMEOUT_MS,
                "auto.offset.reset": subscription.start,
                "isolation.level": "read_committed",
                "fetch.message.max.bytes": max(profile.max_message_bytes, 1000),
            }
        )
        self.consumer.subscribe(
            list(subscription.sources), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def fetch(self) -> list[Delivery]:
        """Wait for one message and take what else is there; asked for many, librdkafka would wait for all of them.

        Raises:
            KafkaError: 9753, 9755, 9758, 9760.
        """
        with self._fetching:
            self._tell()
            messages = self._first()
            if not messages:
                return []
            self._gone.clear()
            more = self.consumer.consume(self.subscription.max_items - 1, 0) if self.subscription.max_items > 1 else []
            if self._gone:
                messages = [one for one in messages if (one.topic(), one.partition()) not in self._gone]
            batch = self._deliveries(messages + more)
            self._health.answered()
            return batch

    def _first(self) -> list[Any]:
        """Wait for one message, in slices, so that `leave` need not wait for long."""
        deadline = time.monotonic() + self._wait_s
        while not self.left:
            messages: list[Any] = self.consumer.consume(1, min(self._wait_s, _SLICE_S))
            if messages:
                return messages
            self._health.check(self.consumer, self.subscription.sources[0])
            if time.monotonic() >= deadline:
                break
        return []

    def _deliveries(self, messages: list[Any]) -> list[Delivery]:
        group = _json(self.subscription.group)
        batch: list[Delivery] = []
        runs: dict[Partition, list[int]] = {}
        for message in messages:
            error = message.error()
            if error is not None:
                self._note(error, message.topic())
                continue
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            key, value, headers = message.key(), message.value(), message.headers()
            plain = key is not None and value is not None and not headers
            envelope = Envelope(topic, key, value) if plain else from_kafka(topic, key, value, headers)
            batch.append(_KafkaDelivery(envelope, (topic, partition, offset), group, message.timestamp))
            place = (topic, partition)
            run = runs.get(place)
            if run is None:
                runs[place] = [offset]
            else:
                run.append(offset)
        with self._lock:
            for (topic, partition), offsets in runs.items():
                self._ledger.delivered(topic, partition, offsets)
        return batch

    def _note(self, error: Any, topic: str | None) -> None:
        """Take an event that comes instead of a message: the group went on without us, or the broker refuses."""
        if error.name() == "_MAX_POLL_EXCEEDED":
            log.warning("%s; its messages come again", error.str())
            return
        raise KafkaError(
            9753 if error.name() in {"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC"} else 9755,
            f"cannot consume: {error.str()}",
            where=f"profile {self._profile.id!r}, topic {topic!r}",
            hint="does the topic exist, and may this user read it?",
        )

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
        self._forget(mine)

    def _lost(self, _: Consumer, parts: list[Any]) -> None:
        """Forget partitions that another consumer has already: what is done of them can no longer be committed."""
        log.warning("lost: %s; messages come again", ", ".join(f"{part.topic}/{part.partition}" for part in parts))
        self._forget({(part.topic, part.partition) for part in parts})

    def _forget(self, places: set[Partition]) -> None:
        self._gone |= places
        with self._lock:
            for topic, number in places:
                self._ledger.drop(topic, number)

    def done(self, ranges: Ranges) -> None:
        """Note that messages are done with, of those that this member delivered."""
        with self._lock:
            self._ledger.done(ranges)

    def _offsets(self, mine: set[Partition]) -> list[Any]:
        from confluent_kafka import TopicPartition

        ready = self._ledger.committable()
        return [TopicPartition(topic, part, offset) for (topic, part), offset in ready.items() if (topic, part) in mine]

    def committable(self) -> list[Any]:
        """Return what is done and not committed, as partitions with the offset of the next message to deliver."""
        places = self.assigned()
        with self._lock:
            return self._offsets(places)

    def committed(self, offsets: list[Any]) -> None:
        """Note what the broker has stored."""
        with self._lock:
            self._ledger.committed({(part.topic, part.partition): part.offset for part in offsets})

    def commit(self) -> dict[str, int]:
        """Commit what is done and return the offsets by ``topic/partition``.

        Raises:
            KafkaError: 9756 if the broker refuses, as after a rebalance.
        """
        from confluent_kafka import KafkaException

        with self._committing:
            offsets = [] if self.left else self.committable()
            try:
                if offsets:
                    self.consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                raise KafkaError(
                    9756,
                    f"cannot commit: {error.args[0].str()}",
                    where=f"profile {self._profile.id!r}, group {self.subscription.group!r}",
                    hint="the messages will be delivered again; handle them idempotently",
                ) from None
            self.committed(offsets)
        return {f"{part.topic}/{part.partition}": part.offset for part in offsets}

    def commit_soon(self) -> None:
        """Have the next `fetch` commit what is done then; the client lets nobody commit while it waits for messages."""
        self._commit_asked = True

    def _tell(self) -> None:
        """Send the commit that was asked for, without waiting for the answer."""
        from confluent_kafka import KafkaException

        offsets = self.committable() if self._commit_asked else []
        self._commit_asked = False
        if offsets:
            try:
                self.consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                self._answered(error.args[0], offsets)
            else:
                self.committed(offsets)

    def _answered(self, error: Any, parts: list[Any]) -> None:
        """Take the answer to a commit that was not waited for; what was refused is committed with the next one."""
        refused = [part for part in parts if error or part.error]
        if refused:
            reason = error or refused[0].error
            log.warning("cannot commit: %s; the next commit covers it", reason.str())
            with self._lock:
                self._ledger.committed({(part.topic, part.partition): -1 for part in refused})

    def rewind(self, topic: str, partition: int, offset: int) -> None:
        """Deliver again from an offset, unless the partition was revoked meanwhile: then it is delivered anyhow."""
        from confluent_kafka import TopicPartition

        if (topic, partition) not in self.assigned():
            return
        with self._lock:
            if not self._ledger.rewind(topic, partition, offset):
                return
        self.consumer.seek(TopicPartition(topic, partition, offset))

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Go on delivering from an offset; raises what the client raises."""
        from confluent_kafka import TopicPartition

        self.consumer.seek(TopicPartition(topic, partition, offset))
        with self._lock:
            self._ledger.drop(topic, partition)

    def assigned(self) -> set[Partition]:
        """Return the partitions that this member has now."""
        return {(part.topic, part.partition) for part in self.consumer.assignment()}

    def hold(self, topics: list[str], *, hold: bool) -> list[str]:
        """Pause or resume what is assigned of some topics, and return it as ``topic/partition``."""
        parts = [part for part in self.consumer.assignment() if part.topic in topics]
        (self.consumer.pause if hold else self.consumer.resume)(parts)
        return [f"{part.topic}/{part.partition}" for part in parts]

    def leave(self) -> None:
        """Leave the group; the partitions are revoked on the way, so what is done is committed, if a broker answers.

        librdkafka waits for commits on their way as long as for a request, several times; that is left to a thread.
        """
        self.left = True
        leaving = threading.Thread(target=self._close, daemon=True, name="x07-kafka-leave")
        leaving.start()
        leaving.join(_LEAVE_S)
        if leaving.is_alive():
            log.warning("group %s is not left in time: no broker answers", self.subscription.group)

    def _close(self) -> None:
        with self._fetching, self._committing:
            reason = (
                self._health.away(self.consumer, self.subscription.sources[0], _LAST_S) if self.committable() else ""
            )
            if reason:
                log.warning("cannot commit at the end: %s; messages come again", reason)
                self._forget(self.assigned())
            self.consumer.close()


@lru_cache(maxsize=1024)
def _json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
