"""The transactional producer of a Kafka driver: what is produced and what is committed become visible together."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

from x07py.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Consumer, Producer

    from x07py.drivers.base import Json
    from x07py.drivers.kafka_config import Health

_TIMEOUT_S = 30.0
_TRANSACTION_TIMEOUT_MS = 60_000


class Transaction:
    """At most one transaction at a time. After `abort` or `commit` the next one may begin.

    Args:
        config: librdkafka settings of the profile.
        health: takes the client's events.
    """

    def __init__(self, config: dict[str, Any], health: Health) -> None:
        self._config, self._health = config, health
        self._producer: Producer | None = None
        self.open = False

    @property
    def producer(self) -> Producer:
        """The producer; `init` has made it."""
        assert self._producer is not None  # noqa: S101
        return self._producer

    def init(self, name: str) -> Json:
        """Fence off the predecessor of this name and end what it left open; after the first time, do nothing.

        It has to come before consuming: offsets in a transaction that is left open keep the group from starting.

        Args:
            name: the transactional id; empty for one that nobody else has.

        Raises:
            KafkaError: 9758, 9759, 9760, 9762.
        """
        if self._producer is None:
            from confluent_kafka import Producer

            own = name or f"x07-{os.getpid()}-{uuid.uuid4().hex}"
            producer = Producer(
                {
                    **self._config,
                    "error_cb": self._health.note,
                    "transactional.id": own,
                    "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
                    "linger.ms": 5,
                }
            )
            self._call(producer.init_transactions, _TIMEOUT_S)
            self._producer = producer
        return {}

    def begin(self, name: str) -> Json:
        """Begin a transaction, the first time with `init`; raises as `init`."""
        self.init(name)
        self._call(self.producer.begin_transaction)
        self.open = True
        return {}

    def send_offsets(self, offsets: list[Any], consumer: Consumer) -> None:
        """Make a consumer's offsets part of the transaction; raises as `commit`."""
        if offsets:
            self._call(
                self.producer.send_offsets_to_transaction, offsets, consumer.consumer_group_metadata(), _TIMEOUT_S
            )

    def commit(self) -> None:
        """Commit the transaction.

        Raises:
            KafkaError: 9759 if another instance of this name has taken over, 9762 if the transaction must be aborted.
        """
        self._call(self.producer.commit_transaction, _TIMEOUT_S)
        self.open = False

    def abort(self) -> Json:
        """Give the transaction up, if one is open; raises as `commit`."""
        if self.open:
            self._call(self.producer.abort_transaction, _TIMEOUT_S)
            self.open = False
        return {}

    def close(self) -> None:
        """Give up what is open; the broker does so by itself when it cannot be asked."""
        try:
            self.abort()
        except KafkaError:
            self.open = False
        self._producer = None

    def _call(self, call: Callable[..., Any], *args: Any) -> None:
        from confluent_kafka import KafkaException

        try:
            call(*args)
        except KafkaException as failure:
            error = failure.args[0]
            if self._producer is None:
                self._health.check(call.__self__)  # type: ignore[attr-defined]
            if error.fatal():
                self._producer, self.open = None, False
            raise KafkaError(
                9759 if error.fatal() else 9762,
                f"the transaction failed: {error.str()}",
                where=self._health.where,
                hint=f"x07 explain {9759 if error.fatal() else 9762}",
            ) from None
