"""The transactional producer of a Kafka driver: what is produced and what is committed become visible together.

librdkafka (2.16) can wait for ever in ``send_offsets_to_transaction``. It remembers the broker that coordinates the
group; a restarted broker that answers before it is part of its cluster gives a list of brokers without itself, and
librdkafka takes the remembered one out of service and goes on waiting for it. Two things are done about it: the
producer keeps the brokers that it knows when none answers, which makes this rarer; and a call that is not back in time
is left alone together with its producer, four threads and some memory, and a new producer fences it off.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from x07py.drivers.kafka_advice import advice
from x07py.drivers.kafka_config import RIDE_OUT_S, client, log
from x07py.drivers.kafka_settings import for_producers
from x07py.errors import DriverError, FencedError, TransactionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Consumer, Producer

    from x07py.drivers.base import Json
    from x07py.drivers.kafka_config import Health

_TIMEOUT_S, _SLICE_S = 30.0, 1.0
_OFFSETS_TIMEOUT_S, _OFFSETS_MARGIN_S = 10.0, 2.0
_TRANSACTION_TIMEOUT_MS = 90_000
_FENCED = {"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH", "TRANSACTION_COORDINATOR_FENCED"}
"""What is told to a producer that another one of its name has replaced."""


class Transaction:
    """At most one transaction at a time. After `abort` or `commit` the next one may begin.

    Args:
        config: librdkafka settings of the profile.
        health: takes the client's events.
    """

    def __init__(self, config: dict[str, Any], health: Health) -> None:
        self._config, self._health = config, health
        self._producer: Producer | None = None
        self._unique = f"x07-{os.getpid()}-{uuid.uuid4().hex}"
        self.open: bool = False
        self._may_be_committed = False
        self._ended_by = ""

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
            DriverError: 9758, 9759, 9760, 9762.
        """
        if self._producer is None:
            from confluent_kafka import Producer

            producer = client(
                Producer,
                {
                    "metadata.recovery.strategy": "none",
                    **for_producers(self._config),
                    "error_cb": self._health.note,
                    "transactional.id": name or self._unique,
                    "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
                    "linger.ms": 5,
                },
                self._health.where,
            )
            self._call(producer.init_transactions, _SLICE_S, patience_s=_TIMEOUT_S)
            self._producer = producer
        return {}

    def begin(self, name: str) -> Json:
        """Begin a transaction, the first time with `init`; raises as `init`."""
        self.init(name)
        self._call(self.producer.begin_transaction)
        self.open, self._may_be_committed = True, False
        return {}

    def send_offsets(self, offsets: list[Any], consumer: Consumer) -> None:
        """Make a consumer's offsets part of the transaction; raises as `commit`."""
        group = consumer.consumer_group_metadata()
        sent: Future[None] = Future()

        def send(producer: Producer) -> None:
            try:
                producer.send_offsets_to_transaction(offsets, group, _OFFSETS_TIMEOUT_S)
                sent.set_result(None)
            except BaseException as error:  # noqa: BLE001  (it is raised where the result is waited for)
                sent.set_exception(error)

        threading.Thread(target=send, args=(self.producer,), daemon=True, name="x07-kafka-offsets").start()
        try:
            self._call(sent.result, _OFFSETS_TIMEOUT_S + _OFFSETS_MARGIN_S)
        except TimeoutError:
            self._producer, self.open = None, False
            raise TransactionError(
                9762,
                "the client does not come back from adding offsets to the transaction; another producer takes over",
                where=self._health.where,
                hint="x07 explain 9762",
            ) from None

    def commit(self) -> None:
        """Commit the transaction; while the brokers are away, ask again, for nobody knows whether it is committed.

        Raises:
            DriverError: 9759 if another instance of this name has taken over, 9762 if the transaction must be aborted.
        """
        self._may_be_committed = True
        self._call(self.producer.commit_transaction, _TIMEOUT_S, patience_s=RIDE_OUT_S)
        self.open = False

    def abort(self) -> Json:
        """Give the transaction up, if one is open; raises as `commit`.

        A broker that was killed may know nothing of it any more, which the client takes for its own end. That is no
        error where no commit was asked for: the next producer of this name has the broker end what is open.
        """
        if self.open:
            try:
                self._call(self.producer.abort_transaction, _TIMEOUT_S, patience_s=RIDE_OUT_S)
            except FencedError as error:
                if self._may_be_committed or self._ended_by in _FENCED:
                    raise
                log.warning("%s; another producer takes over", error)
            self.open = False
        return {}

    def close(self) -> None:
        """Give up what is open; the broker does so by itself when it cannot be asked."""
        try:
            self.abort()
        except DriverError:
            self.open = False
        self._producer = None

    def _call(self, call: Callable[..., Any], *args: Any, patience_s: float = 0.0) -> None:
        """Make a call; again while the client says that it may be resumed and `patience_s` is not over."""
        from confluent_kafka import KafkaException

        deadline = time.monotonic() + patience_s
        try:
            while True:
                try:
                    call(*args)
                    return
                except KafkaException as failure:
                    self._look_after(call)
                    if not failure.args[0].retriable() or time.monotonic() > deadline:
                        raise
        except KafkaException as failure:
            error = failure.args[0]
            message = f"the transaction failed: {error.str()}"
            if error.fatal():
                self._producer, self.open, self._ended_by = None, False, error.name()
                raise FencedError(9759, message, where=self._health.where, hint=advice(error, 9759)) from None
            raise TransactionError(9762, message, where=self._health.where, hint=advice(error, 9762)) from None

    def _look_after(self, call: Callable[..., Any]) -> None:
        """Raise what keeps a producer that has not begun from the brokers; `call` is one of its methods."""
        if self._producer is None:
            producer: Producer = call.__self__  # type: ignore[attr-defined]
            producer.poll(0)
            self._health.check(producer)
