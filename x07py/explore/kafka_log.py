"""The stored side of a simulated Kafka: logs of partitions, transactions, committed offsets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zlib import crc32

from x07py.errors import FencedError, TransactionError
from x07py.msg import native_partition

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.explore.clock import Clock
    from x07py.msg import Envelope

Partition = tuple[str, int]
TRANSACTION_TIMEOUT_S = 90.0


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction: what it wrote stands in the logs, and becomes visible, or never does, when it ends."""

    name: str
    epoch: int
    state: str = "open"
    written: set[Partition] = field(default_factory=set)
    offsets: dict[tuple[str, str, int], int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Record:
    """One record; the marker at a transaction's end has no envelope."""

    envelope: Envelope | None
    transaction: Transaction | None
    life: str


class Logs:
    """What a simulated cluster keeps.

    Args:
        partitions: how many partitions a topic has that nobody made.
        loop: its time.
        wake: called when what consumers see may have changed.
    """

    def __init__(self, partitions: int, loop: Clock, wake: Callable[[], None]) -> None:
        self._partitions, self._loop, self._wake = partitions, loop, wake
        self.topics: dict[str, list[list[Record]]] = {}
        self.committed: dict[tuple[str, str, int], int] = {}
        """The next offset, by group, topic and partition."""
        self._epochs: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}
        self._turn = 0

    def make(self, topic: str, partitions: int = 0) -> list[list[Record]]:
        """Return a topic's logs; it is made when it is first named, as brokers do."""
        logs = self.topics.get(topic)
        if logs is None:
            logs = self.topics[topic] = [[] for _ in range(partitions or self._partitions)]
        return logs

    def append(self, envelope: Envelope, transaction: Transaction | None, life: str) -> Partition:
        """Store a message where its key leads and return the partition; its offset is the last one there."""
        logs = self.make(envelope.topic)
        number = native_partition(envelope)
        if number is None:
            if envelope.key:
                number = crc32(envelope.key) % len(logs)
            else:
                self._turn += 1
                number = self._turn % len(logs)
        return self.append_to(number, envelope, transaction, life)

    def append_to(self, number: int, envelope: Envelope, transaction: Transaction | None, life: str) -> Partition:
        """Store a message in a partition, which there is from now on if there was none."""
        logs = self.make(envelope.topic)
        while number >= len(logs):
            logs.append([])
        logs[number].append(Record(envelope, transaction, life))
        place = (envelope.topic, number)
        if transaction is not None:
            transaction.written.add(place)
        return place

    def end_of(self, topic: str, partition: int) -> int:
        """Return the first offset that read_committed does not show yet: that of the first open transaction."""
        if not self._open:
            return len(self.topics[topic][partition])
        log = self.topics[topic][partition]
        held = [one for one in self._open.values() if (topic, partition) in one.written]
        if not held:
            return len(log)
        return next(number for number, record in enumerate(log) if record.transaction in held)

    def start(self, group: str, topic: str, partition: int) -> int | None:
        """Return where a group goes on, None if it has committed nothing."""
        return self.committed.get((group, topic, partition))

    def held(self, group: str, partitions: list[Partition]) -> bool:
        """Tell whether an open transaction holds offsets of a group, which may not start before it has ended."""
        return any((group, *place) in one.offsets for one in self._open.values() for place in partitions)

    def visible(self, topic: str) -> list[tuple[int, int, Record]]:
        """Return partition, offset and record of what read_committed shows."""
        return [
            (number, offset, record)
            for number, log in enumerate(self.topics.get(topic, ()))
            for offset, record in enumerate(log[: self.end_of(topic, number)])
            if shows(record)
        ]

    def count(self, topic: str, partition: int, start: int) -> int:
        """Return how many records read_committed shows of a partition from an offset on."""
        log = self.topics[topic][partition][start : self.end_of(topic, partition)]
        return sum(map(shows, log))

    def take_name(self, name: str) -> int:
        """Fence off who wrote under a transactional id, end what it left open, and return the new epoch."""
        left = self._open.get(name)
        if left is not None:
            self.finish(left, committed=False)
        self._epochs[name] = self._epochs.get(name, -1) + 1
        return self._epochs[name]

    def epoch(self, name: str) -> int:
        """Return the epoch of the writer under a transactional id, -1 if there was none."""
        return self._epochs.get(name, -1)

    def check_epoch(self, name: str, epoch: int) -> None:
        """Refuse a writer that was fenced off.

        Raises:
            FencedError: 9759.
        """
        if self._epochs.get(name) != epoch:
            raise FencedError(
                9759, "the transaction failed: another producer has this id", where=name, hint="x07 explain 9759"
            )

    def begin(self, name: str, epoch: int) -> Transaction:
        """Begin a transaction; the broker gives it up when it is not ended in time."""
        self.check_epoch(name, epoch)
        transaction = Transaction(name, epoch)
        self._open[name] = transaction
        self._loop.broker_later(TRANSACTION_TIMEOUT_S, lambda: self.expire(transaction))
        return transaction

    def expire(self, transaction: Transaction) -> None:
        """Give a transaction up that was not ended in time, and fence off who wrote in it."""
        if transaction.state == "open":
            self.finish(transaction, committed=False)
            self._epochs[transaction.name] += 1

    def finish(self, transaction: Transaction, *, committed: bool) -> None:
        """End a transaction: its records and offsets count from now on, or never.

        Raises:
            TransactionError: 9762 if it was ended already.
        """
        if transaction.state != "open":
            raise TransactionError(
                9762, "the transaction failed: it is not open", where=transaction.name, hint="x07 explain 9762"
            )
        transaction.state = "committed" if committed else "aborted"
        self._open.pop(transaction.name, None)
        for topic, number in sorted(transaction.written):
            self.topics[topic][number].append(Record(None, transaction, ""))
        if committed:
            self.committed.update(transaction.offsets)
        self._wake()


def shows(record: Record) -> bool:
    """Tell whether read_committed shows a record before the first open transaction: it never shows a marker."""
    transaction = record.transaction
    return transaction is None or (transaction.state == "committed" and record.envelope is not None)
