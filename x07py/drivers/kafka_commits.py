"""What a member of a Kafka group commits, and when: at most once an interval, and one commit on its way.

A broker answers some hundred commits a second on a connection, and heartbeats wait behind those that it has not
answered: a member that commits every batch of a steady load loses its partitions.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from x07py.drivers.offsets import OffsetLedger
from x07py.errors import CommitFailedError, GroupLostError

if TYPE_CHECKING:
    from confluent_kafka import Consumer

    from x07py.drivers.offsets import Partition

log: logging.Logger = logging.getLogger("x07py.drivers.kafka")

Ranges = dict[str, dict[str, list[list[int]]]]
_GROUP_LOST = {
    "_ASSIGNMENT_LOST",
    "_FENCED",
    "FENCED_INSTANCE_ID",
    "ILLEGAL_GENERATION",
    "REBALANCE_IN_PROGRESS",
    "UNKNOWN_MEMBER_ID",
}
"""What Kafka answers to a member that its group has given up."""


class Commits:
    """The offsets of one member. All but `commit` return at once.

    Args:
        where: profile and group, for errors.
    """

    def __init__(self, where: str) -> None:
        self.consumer: Consumer | None = None
        """The member's client; its callback for answered commits is `answered`."""
        self._where = where
        self._ledger = OffsetLedger()
        self._lock = threading.Lock()
        self.committing: threading.Lock = threading.Lock()
        self._asked = self._on_its_way = False
        self._interval_s = self._last = 0.0

    def assigned(self) -> set[Partition]:
        """Return the partitions that the member has now."""
        parts = self.consumer.assignment() if self.consumer is not None else []
        return {(part.topic, part.partition) for part in parts}

    def delivered(self, runs: dict[Partition, list[int]]) -> None:
        """Note the offsets that were handed over, by partition, in their order."""
        with self._lock:
            for (topic, partition), offsets in runs.items():
                self._ledger.delivered(topic, partition, offsets)

    def done(self, ranges: Ranges) -> None:
        """Note that messages are done with, of those that this member delivered."""
        with self._lock:
            self._ledger.done(ranges)

    def rewind(self, topic: str, partition: int, offset: int) -> bool:
        """Take back what was delivered from an offset on; False if that comes again anyhow."""
        with self._lock:
            return self._ledger.rewind(topic, partition, offset)

    def forget(self, places: set[Partition]) -> None:
        """Forget partitions that belong to another member now, or that are read from another offset."""
        with self._lock:
            for topic, number in places:
                self._ledger.drop(topic, number)

    def begin(self) -> None:
        """Note that a transaction begins: what is done in it is committed with it, and with nothing else."""
        with self._lock:
            self._ledger.begin()

    def end(self, *, committed: bool) -> None:
        """Note that the transaction is over; what was done in one that is not committed is not done any more."""
        with self._lock:
            self._ledger.end(committed=committed)

    def ready(self, places: set[Partition] | None = None, *, with_transaction: bool = False) -> list[Any]:
        """Return what is done and not committed, as partitions with the offset of the next message to deliver.

        Args:
            places: of these partitions; those that the member has now if None.
            with_transaction: with what is done in the open transaction; that is for its own commit alone.
        """
        from confluent_kafka import TopicPartition

        wanted = self.assigned() if places is None else places
        with self._lock:
            found = self._ledger.committable(with_transaction=with_transaction)
        return [TopicPartition(*place, offset) for place, offset in found.items() if place in wanted]

    def stored(self, offsets: list[Any]) -> None:
        """Note what the broker has stored."""
        with self._lock:
            self._ledger.committed({(part.topic, part.partition): part.offset for part in offsets})

    def commit(self) -> dict[str, int]:
        """Commit what is done, wait for the answer, and return the offsets by ``topic/partition``.

        Raises:
            GroupLostError: 9765 after a rebalance.
            CommitFailedError: 9756 if the broker refuses.
        """
        from confluent_kafka import KafkaException

        with self.committing:
            offsets = self.ready()
            self._asked, self._last = False, time.monotonic()
            try:
                if offsets and self.consumer is not None:
                    self.consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                message = f"cannot commit: {error.args[0].str()}"
                if error.args[0].name() in _GROUP_LOST:
                    hint = "its partitions are another consumer's now, which gets these messages too"
                    raise GroupLostError(9765, message, where=self._where, hint=hint) from None
                hint = "the messages will be delivered again; handle them idempotently"
                raise CommitFailedError(9756, message, where=self._where, hint=hint) from None
            self.stored(offsets)
        return {f"{part.topic}/{part.partition}": part.offset for part in offsets}

    def soon(self, interval_s: float) -> None:
        """Have what is done committed when a commit is due: `interval_s` seconds after the last one."""
        self._asked, self._interval_s = True, interval_s

    def due(self) -> bool:
        """Tell whether a commit was asked for and the last one is long enough ago."""
        return self._asked and time.monotonic() - self._last >= self._interval_s

    def send(self) -> None:
        """Send the commit that is due, if none is on its way, without waiting for the answer.

        The client lets nobody commit while it waits for messages, so this belongs between two such waits.
        """
        from confluent_kafka import KafkaException

        if self._on_its_way or self.consumer is None or not self.due():
            return
        offsets = self.ready()
        self._asked, self._last = False, time.monotonic()
        if offsets:
            self._on_its_way = True
            try:
                self.consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                self.answered(error.args[0], offsets)

    def answered(self, error: Any, parts: list[Any]) -> None:
        """Take the answer to a commit; what was refused is committed with the next one."""
        self._on_its_way = False
        refused = [part for part in parts if error or part.error]
        if refused:
            reason = error or refused[0].error
            log.warning("cannot commit: %s; the next commit covers it", reason.str())
            self._asked = True
        self.stored([part for part in parts if part not in refused])
