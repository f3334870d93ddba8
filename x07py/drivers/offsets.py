"""Which offsets of a partition may be committed: up to the first message that was delivered and is not done.

What is acknowledged while a transaction is open is done when the transaction is: only its own commit may count it, and
if it is aborted, it is open again.
"""

from __future__ import annotations

from collections import deque

Partition = tuple[str, int]


class _PartitionState:
    """One partition: messages delivered and not done, those done behind one that is not, and where that leads.

    Args:
        first: the first offset that is delivered; what is before it is none of this consumer's business.
    """

    __slots__ = ("before", "committed", "done", "next", "pending", "position")

    def __init__(self, first: int) -> None:
        self.pending: deque[int] = deque()
        self.done: set[int] = set()
        self.position = self.committed = self.next = first
        self.before: _PartitionState | None = None
        """The same without what was done in the open transaction."""

    def begin(self) -> None:
        self.before = _PartitionState(self.position)
        self.before.pending, self.before.done = self.pending.copy(), self.done.copy()

    def restore(self) -> None:
        if self.before is not None:
            self.pending, self.done, self.position = self.before.pending, self.before.done, self.before.position

    def deliver(self, offsets: list[int]) -> None:
        self.pending.extend(offsets)
        self.next = offsets[-1] + 1
        if self.before is not None:
            self.before.deliver(offsets)

    def rewind(self, offset: int) -> None:
        self.pending = deque(one for one in self.pending if one < offset)
        self.done = {one for one in self.done if one < offset}
        self.position = min(self.position, offset)
        self.next = offset
        if self.before is not None:
            self.before.rewind(offset)

    def advance(self, first: int, last: int) -> None:
        """Take what is done from the front; keep in mind what is done behind something that is not."""
        pending, done = self.pending, self.done
        if pending and pending[0] < first:
            done.update(range(first, last + 1))
            return
        while pending and (pending[0] <= last or pending[0] in done):
            offset = pending.popleft()
            done.discard(offset)
            self.position = offset + 1


class OffsetLedger:
    """What was delivered, done and committed. Grows with the messages in flight, not with those handled."""

    def __init__(self) -> None:
        self._partitions: dict[Partition, _PartitionState] = {}
        self._in_transaction = False

    def delivered(self, topic: str, partition: int, offsets: list[int]) -> None:
        """Note deliveries of one partition, at least one, in its order."""
        state = self._partitions.get((topic, partition))
        if state is None:
            state = self._partitions[topic, partition] = _PartitionState(offsets[0])
            if self._in_transaction:
                state.begin()
        state.deliver(offsets)

    def done(self, ranges: dict[str, dict[str, list[list[int]]]]) -> None:
        """Note that messages are done: topic, partition and inclusive ranges of offsets."""
        for topic, partitions in ranges.items():
            for number, spans in partitions.items():
                state = self._partitions.get((topic, int(number)))
                if state is not None:
                    for first, last in spans:
                        state.advance(first, last)

    def rewind(self, topic: str, partition: int, offset: int) -> bool:
        """Take back deliveries from `offset` on, also those that were done: they come again, and no commit passes them.

        False if they do anyhow: after a rewind further back, or as the partition is not known any more.
        """
        state = self._partitions.get((topic, partition))
        if state is None or offset >= state.next:
            return False
        state.rewind(offset)
        return True

    def drop(self, topic: str, partition: int) -> None:
        """Forget a partition that belongs to another consumer now."""
        self._partitions.pop((topic, partition), None)

    def begin(self) -> None:
        """Note that what is done from now on is done only if the transaction is committed; one that is open was not."""
        if self._in_transaction:
            self.end(committed=False)
        self._in_transaction = True
        for state in self._partitions.values():
            state.begin()

    def end(self, *, committed: bool) -> None:
        """Note that the transaction is over; what was done in one that is not committed is open again."""
        self._in_transaction = False
        for state in self._partitions.values():
            if not committed:
                state.restore()
            state.before = None

    def committable(self, *, with_transaction: bool = False) -> dict[Partition, int]:
        """Return, for each partition with something to commit, the offset of the next message to deliver.

        After a rewind behind what is committed, that is an offset behind it.

        Args:
            with_transaction: with what is done in the open transaction; that is for its own commit alone.
        """
        found: dict[Partition, int] = {}
        for partition, state in self._partitions.items():
            position = state.position if with_transaction or state.before is None else state.before.position
            if position != state.committed:
                found[partition] = position
        return found

    def committed(self, offsets: dict[Partition, int]) -> None:
        """Note what the broker has stored."""
        for partition, offset in offsets.items():
            if partition in self._partitions:
                self._partitions[partition].committed = offset
