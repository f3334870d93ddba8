"""The idempotent producer of a Kafka driver: batches in, confirmations out, one thread hop for both."""

from __future__ import annotations

import re
import time
from collections import deque
from contextlib import suppress
from itertools import repeat
from operator import length_hint
from typing import TYPE_CHECKING, Any

from x07py.drivers.kafka_advice import advice
from x07py.drivers.kafka_config import client, log
from x07py.drivers.kafka_confirmations import PENDING, Acks, Batch
from x07py.drivers.kafka_settings import for_producers
from x07py.errors import ConfirmTimeoutError, DriverError, X07Error, error_of
from x07py.msg import columns, native_partition, plain_parts, to_native

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from confluent_kafka import Producer

    from x07py.drivers.base import Ack
    from x07py.drivers.kafka_config import Health
    from x07py.drivers.kafka_confirmations import Report
    from x07py.drivers.kafka_contract import KafkaProfile
    from x07py.msg import Columns, Envelope

    _Row = tuple[int, tuple[str, bytes, bytes] | None]

_SLICE_S = 0.05
_DELIVERY_TIMEOUT_MS = 30_000
_NEW_TOPIC_MS = 10_000
"""How long a topic that the broker does not know may still come into being."""
_CLOSE_TIMEOUT_S = 10.0
_ANY_PARTITION = -1
_POLL_EVERY = 500
"""How many messages are handed over between two looks at what was confirmed."""
_LEGAL_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}").fullmatch
_CODES = {
    "UNKNOWN_TOPIC_OR_PART": 9753,
    "_UNKNOWN_TOPIC": 9753,
    "_MSG_TIMED_OUT": 9752,
    "MSG_SIZE_TOO_LARGE": 9711,
    "TOPIC_EXCEPTION": 9763,
    "_UNKNOWN_PARTITION": 9763,
    "_FENCED": 9759,
    "INVALID_PRODUCER_EPOCH": 9759,
}


class Publisher:
    """A producer that is made when it is first needed; its methods wait and belong into a thread.

    Args:
        config: librdkafka settings of the profile.
        profile: the broker profile.
        health: takes the client's events.
    """

    def __init__(self, config: dict[str, Any], profile: KafkaProfile, health: Health) -> None:
        from confluent_kafka import KafkaException

        self._config, self._profile, self._health = config, profile, health
        self._refused = KafkaException
        self._producer: Producer | None = None
        self._is_fatal = False
        self._may_share = config.get("partitioner") != "random"  # keys decide where messages go, unless it is that

    def publish(self, envelopes: Sequence[Envelope], producer: Producer | None = None) -> Sequence[Ack]:
        """Publish in order and return when all is confirmed; wait while the client's queue is full.

        Args:
            envelopes: the messages.
            producer: the producer of a transaction that is open, to publish within it.

        Raises:
            DriverError: 9711, 9751 to 9753, 9759, 9763 with the coordinates of the first message that failed; 9758,
                9760.
        """
        producer = producer or self._ready()
        batch = Batch(envelopes)
        try:
            self._send(producer, batch)
            failures = batch.failures()
        except self._refused as failure:  # the client failed for good, which it tells whoever looks after it first
            failures = batch.failures(failure.args[0])
        if failures:
            if producer is self._producer:
                self._is_fatal |= any(_ends_all(error) for _, error in failures)
            raise self._error(envelopes, failures)
        self._health.answered()
        return Acks(batch)

    def _send(self, producer: Producer, batch: Batch) -> None:
        for first in range(0, len(batch.envelopes), _POLL_EVERY):
            some = batch.envelopes[first : first + _POLL_EVERY]
            alike = columns(some) if self._may_share else None
            if alike is not None:
                self._hand_over_alike(producer, batch, first, alike)
            else:
                self._hand_over(producer, batch, enumerate(plain_parts(some), first))
            producer.poll(0)  # takes confirmations while the client sends on
        deadline = time.monotonic() + _DELIVERY_TIMEOUT_MS / 1000 + _CLOSE_TIMEOUT_S
        while not batch.is_told() and time.monotonic() < deadline:
            producer.flush(_SLICE_S)
            self._check(producer)

    def _hand_over_alike(self, producer: Producer, batch: Batch, first: int, alike: Columns) -> None:
        """As `_hand_over`, with a loop of the interpreter's own, which is most of what the client's call itself costs.

        Its `produce_batch` takes longer than as many calls: it wants a dictionary for each message.
        """
        topic, values, keys = alike
        report, done = batch.of_topic(topic), 0
        while done < len(values):
            left = iter(values[done:])
            calls = map(producer.produce, repeat(topic), left, keys[done:], repeat(_ANY_PARTITION), repeat(report))
            try:
                deque(calls, maxlen=0)
                return
            except BufferError:
                done = len(values) - length_hint(left) - 1
                producer.poll(_SLICE_S)
                self._check(producer)
            except self._refused as failure:
                done = len(values) - length_hint(left)
                batch.refuse(first + done - 1, failure.args[0])

    def _hand_over(self, producer: Producer, batch: Batch, rows: Iterable[_Row]) -> None:
        """Give messages to the client in order, when its queue has room; note an error if it refuses one at once."""
        give, topic = producer.produce, None
        for number, parts in rows:
            while True:
                try:
                    if parts is None:
                        _give_with_headers(producer, batch.envelopes[number], batch.single(number))
                        break
                    name, value, key = parts
                    if name != topic:
                        topic, shared = name, batch.of_topic(name)
                    report = shared if key and self._may_share else batch.single(number)
                    give(name, value, key, _ANY_PARTITION, report)  # by position: words take another 0.3 microseconds
                    break
                except BufferError:
                    producer.poll(_SLICE_S)
                    self._check(producer)
                except self._refused as failure:
                    batch.refuse(number, failure.args[0])
                    break

    def _check(self, producer: Producer) -> None:
        try:
            self._health.check(producer)
        except DriverError:
            producer.purge(in_flight=False)  # what is told as an error is not sent later on
            raise

    def _error(self, envelopes: Sequence[Envelope], failures: list[tuple[int, Any]]) -> X07Error:
        refused = [failure for failure in failures if failure[1] is not PENDING]
        late = [error for _, error in refused if _CODES.get(error.name()) == 9752]
        if len(late) == len(refused):
            return ConfirmTimeoutError(
                9752,
                f"{len(failures)} of {len(envelopes)} messages were not confirmed in time",
                where=f"{self._health.where}, topic {envelopes[failures[0][0]].topic!r}",
                hint="is the broker up? x07 doctor tells which brokers answer",
            )
        number, error = refused[0]
        code = _CODES.get(error.name(), 9751)
        if code == 9753 and not _LEGAL_TOPIC(envelopes[number].topic):
            code = 9763
        return error_of(
            code,
            f"{len(refused)} of {len(envelopes)} messages were refused; the first: {error.str()}",
            where=f"profile {self._profile.id!r}, topic {envelopes[number].topic!r}, key {envelopes[number].key!r}",
            hint=f"{advice(error, code)}; nothing behind the first refused message is known to be stored",
        )

    def _ready(self) -> Producer:
        if self._is_fatal and self._producer is not None:
            log.warning("%s: the producer failed for good, and another one takes its place", self._health.where)
            self._producer.purge()
            self._producer, self._is_fatal = None, False
        if self._producer is None:
            from confluent_kafka import Producer

            self._producer = client(
                Producer,
                {
                    "linger.ms": 5,
                    **for_producers(self._config),
                    "error_cb": self._health.note,
                    "enable.idempotence": True,
                    "delivery.timeout.ms": _DELIVERY_TIMEOUT_MS,
                    "topic.metadata.propagation.max.ms": _NEW_TOPIC_MS,
                    "message.max.bytes": max(self._profile.max_message_bytes, 1000),
                },
                self._health.where,
            )
        return self._producer

    def close(self) -> None:
        """Wait for what is still to be sent, for ten seconds at most."""
        if self._producer is not None and not self._is_fatal:
            with suppress(self._refused):  # it failed for good, and nothing is left to be sent
                self._producer.flush(_CLOSE_TIMEOUT_S)


def _ends_all(error: Any) -> bool:
    """Tell whether an error is one after which a client takes no message any more."""
    return error is not PENDING and (error.fatal() or error.name() == "_FATAL")


def _give_with_headers(producer: Producer, envelope: Envelope, report: Report) -> None:
    key, value, headers = to_native(envelope)
    partition = native_partition(envelope)
    where = _ANY_PARTITION if partition is None else partition
    native: Any = headers  # confluent-kafka types headers as a list of text, and takes bytes
    producer.produce(envelope.topic, value, key, where, report, headers=native)
