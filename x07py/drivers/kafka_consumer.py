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
from x07py.drivers.kafka_advice import advice
from x07py.drivers.kafka_commits import Commits
from x07py.drivers.kafka_config import client
from x07py.drivers.kafka_settings import for_consumers
from x07py.errors import ConsumerEndedError, DriverError, NotFoundError
from x07py.msg import Envelope, from_native

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Consumer

    from x07py.drivers.base import Subscription
    from x07py.drivers.kafka_config import Health
    from x07py.drivers.kafka_contract import KafkaProfile
    from x07py.drivers.offsets import Partition

log: logging.Logger = logging.getLogger("x07py.drivers.kafka")

_SESSION_TIMEOUT_MS = 10_000
_METADATA_MS = 5_000
"""How often a consumer asks what topics there are, which takes a stuck one along: where a broker that comes back has
answered without itself, librdkafka (2.16) may lose what a join waits for, and would ask again after five minutes."""
_MAX_POLL_INTERVAL_MS = 300_000
"""librdkafka's own limit between two requests for messages; a third of it passes before `Member.keep` asks for some."""
_SLICE_S = 0.2
_LAST_S = 5.0
"""How long a broker may take to answer before the last commit, which would wait for it much longer."""
_SEEK_S = 10.0
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
    """A consumer of its own, with the offsets that it commits; its methods wait, and belong into a thread.

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
        self.left: bool = False
        self.assigned: bool = False
        """Whether the group has told what it is to consume, which may be nothing."""
        self._wait_s = profile.max_poll_wait_ms / 1000
        self._profile, self._health = profile, health
        self._fetching = threading.Lock()
        self._gone: set[Partition] = set()
        self._held: set[Partition] = set()
        self._aside: set[Partition] = set()
        self._ahead: list[Any] = []
        self._handed_at = 0.0
        self._patience_s = int(config.get("max.poll.interval.ms", _MAX_POLL_INTERVAL_MS)) / 3000
        self.commits: Commits = Commits(f"profile {profile.id!r}, group {subscription.group!r}")
        usual = {"session.timeout.ms": _SESSION_TIMEOUT_MS, "topic.metadata.refresh.interval.ms": _METADATA_MS}
        settings = {**usual, **for_consumers(config)}
        if settings.get("group.protocol") == "consumer":
            del settings["session.timeout.ms"]  # which the broker decides there
        self.consumer: Consumer = client(
            Consumer,
            {
                **settings,
                "error_cb": health.note,
                "on_commit": self.commits.answered,
                "group.id": subscription.group,
                "enable.auto.commit": False,
                "auto.offset.reset": str(subscription.start),
                "isolation.level": "read_committed",
                "fetch.message.max.bytes": max(profile.max_message_bytes, 1000),
            },
            health.where,
        )
        self.consumer.subscribe(
            list(subscription.sources), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        self.commits.consumer = self.consumer

    def fetch(self) -> list[Delivery]:
        """Wait for one message and take what else is there; asked for many, librdkafka would wait for all of them.

        Raises:
            DriverError: 9753, 9755, 9758, 9760.
        """
        with self._fetching:
            self._take_back()
            messages = self._first()
            if not messages:
                return []
            self._gone.clear()
            more = self.consumer.consume(self.subscription.max_items - 1, 0) if self.subscription.max_items > 1 else []
            if self._gone:
                messages = [one for one in messages if (one.topic(), one.partition()) not in self._gone]
            batch = self._deliveries(messages + more)
            self._health.answered()
            self._handed_at = time.monotonic()
            return batch

    def _first(self) -> list[Any]:
        """Wait for one message, in slices, so that `leave` need not wait for long."""
        deadline = time.monotonic() + self._wait_s
        while not self.left:
            self.commits.send()
            messages: list[Any] = self._ahead or self.consumer.consume(1, min(self._wait_s, _SLICE_S))
            self._ahead = []
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
            envelope = Envelope(topic, key, value) if plain else from_native(topic, key, value, headers)
            batch.append(_KafkaDelivery(envelope, (topic, partition, offset), group, message.timestamp))
            place = (topic, partition)
            run = runs.get(place)
            if run is None:
                runs[place] = [offset]
            else:
                run.append(offset)
        self.commits.delivered(runs)
        return batch

    def _note(self, error: Any, topic: str | None) -> None:
        """Take an event that comes instead of a message: the group went on without us, or the broker refuses."""
        if error.name() == "_MAX_POLL_EXCEEDED":
            log.warning("%s; its messages come again", error.str())
            return
        message = f"cannot consume: {error.str()}"
        where = f"profile {self._profile.id!r}, group {self.subscription.group!r}"
        where += f", topic {topic!r}" if topic else ""
        if error.name() in {"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC"}:
            raise NotFoundError(9753, message, where=where, hint=advice(error, 9753))
        raise ConsumerEndedError(9755, message, where=where, hint=advice(error, 9755))

    def _assigned(self, _: Consumer, parts: list[Any]) -> None:
        self.assigned = True
        log.info("assigned: %s", ", ".join(f"{part.topic}/{part.partition}" for part in parts))

    def _revoked(self, consumer: Consumer, parts: list[Any]) -> None:
        """Commit what is done of partitions that go to another consumer, and forget the rest of them."""
        from confluent_kafka import KafkaException

        mine = {(part.topic, part.partition) for part in parts}
        offsets = self.commits.ready(mine)
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
        self._ahead = [one for one in self._ahead if (one.topic(), one.partition()) not in places]
        self.commits.forget(places)

    def keep(self) -> None:
        """Commit what is due and stay a member while the program is at work on what it was given; wait for no message.

        Whoever asks for no messages for long is taken out of the group. So they are asked for, with everything paused;
        what comes nevertheless, of partitions that were just assigned, is kept for the next `fetch`.
        """
        if not self._fetching.acquire(blocking=False):
            return  # it is asking for messages
        try:
            if self.left:
                return
            if self.commits.due():
                self._commit_aside()
            if time.monotonic() - self._handed_at > self._patience_s:
                free = [part for part in self.consumer.assignment() if (part.topic, part.partition) not in self._held]
                self.consumer.pause(free)
                self._aside |= {(part.topic, part.partition) for part in free}
                self._ahead += self.consumer.consume(1, 0)
        finally:
            self._fetching.release()

    def _commit_aside(self) -> None:
        try:
            self.commits.commit()
        except DriverError as error:
            log.warning("%s", error)

    def _take_back(self) -> None:
        """Have messages of the partitions that `keep` has paused delivered again."""
        if self._aside:
            parts = [part for part in self.consumer.assignment() if (part.topic, part.partition) in self._aside]
            self.consumer.resume([part for part in parts if (part.topic, part.partition) not in self._held])
            self._aside.clear()

    def rewind(self, topic: str, partition: int, offset: int) -> None:
        """Deliver again from an offset, unless the partition was revoked meanwhile: then it is delivered anyhow."""
        from confluent_kafka import TopicPartition

        with self._fetching:
            if (topic, partition) in self.commits.assigned() and self.commits.rewind(topic, partition, offset):
                self.consumer.seek(TopicPartition(topic, partition, offset))

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Go on delivering from an offset; raises what the client raises.

        The end is where it is now: librdkafka would ask for it later, and pass what is sent meanwhile.
        """
        from confluent_kafka import OFFSET_END, TopicPartition

        if offset == OFFSET_END:
            part = TopicPartition(topic, partition)
            offset = self.consumer.get_watermark_offsets(part, timeout=_SEEK_S, cached=False)[1]
        with self._fetching:
            self.consumer.seek(TopicPartition(topic, partition, offset))
            self._ahead = [one for one in self._ahead if (one.topic(), one.partition()) != (topic, partition)]
            self.commits.forget({(topic, partition)})

    def hold(self, topics: list[str], *, hold: bool) -> list[str]:
        """Pause or resume what is assigned of some topics, and return it as ``topic/partition``."""
        parts = [part for part in self.consumer.assignment() if part.topic in topics]
        (self.consumer.pause if hold else self.consumer.resume)(parts)
        places = {(part.topic, part.partition) for part in parts}
        self._held = self._held | places if hold else self._held - places
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
        with self._fetching, self.commits.committing:
            ready = self.commits.ready()
            reason = self._health.away(self.consumer, self.subscription.sources[0], _LAST_S) if ready else ""
            if reason:
                log.warning("cannot commit at the end: %s; messages come again", reason)
                self._forget(self.commits.assigned())
            self.consumer.close()


@lru_cache(maxsize=1024)
def _json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
