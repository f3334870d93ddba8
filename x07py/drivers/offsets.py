"""Which offsets of a partition may be committed: up to the first message that was delivered and is not done."""

from __future__ import annotations

from collections import deque

Partition = tuple[str, int]


class _Lane:
    __slots__ = ("committed", "done", "pending")

    def __init__(self) -> None:
        self.pending: deque[int] = deque()
        self.done: set[int] = set()
        self.committed = -1


class OffsetLedger:
    """What was delivered, done and committed. Grows with the messages in flight, not with those handled."""

    def __init__(self) -> None:
        self._lanes: dict[Partition, _Lane] = {}
        self._next: dict[Partition, int] = {}

    def delivered(self, topic: str, partition: int, offsets: list[int]) -> None:
        """Note deliveries of one partition, in its order."""
        lane = self._lanes.get((topic, partition))
        if lane is None:
            lane = self._lanes[topic, partition] = _Lane()
        lane.pending.extend(offsets)

    def done(self, ranges: dict[str, dict[str, list[list[int]]]]) -> None:
        """Note that messages are done: topic, partition and inclusive ranges of offsets."""
        for topic, lanes in ranges.items():
            for number, spans in lanes.items():
                lane = self._lanes.get((topic, int(number)))
                if lane is not None:
                    for first, last in spans:
                        self._advance((topic, int(number)), lane, first, last)

    def _advance(self, partition: Partition, lane: _Lane, first: int, last: int) -> None:
        """Take what is done from the front of a lane; keep in mind what is done behind something that is not."""
        pending, done = lane.pending, lane.done
        if pending and pending[0] < first:
            done.update(range(first, last + 1))
            return
        offset = -1
        while pending and (pending[0] <= last or pending[0] in done):
            offset = pending.popleft()
            done.discard(offset)
        if offset >= 0:
            self._next[partition] = offset + 1

    def rewind(self, topic: str, partition: int, offset: int) -> bool:
        """Forget deliveries from `offset` on: they will come again. False if the partition is not known any more."""
        lane = self._lanes.get((topic, partition))
        if lane is None:
            return False
        lane.pending = deque(one for one in lane.pending if one < offset)
        lane.done = {one for one in lane.done if one < offset}
        return True

    def drop(self, topic: str, partition: int) -> None:
        """Forget a partition that belongs to another consumer now."""
        self._lanes.pop((topic, partition), None)
        self._next.pop((topic, partition), None)

    def committable(self) -> dict[Partition, int]:
        """Return, for each partition with something to commit, the offset of the next message to deliver."""
        return {part: offset for part, offset in self._next.items() if offset > self._lanes[part].committed}

    def committed(self, offsets: dict[Partition, int]) -> None:
        """Note what the broker has stored."""
        for partition, offset in offsets.items():
            if partition in self._lanes:
                self._lanes[partition].committed = offset
