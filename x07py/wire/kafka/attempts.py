"""Records that a client sends again because it did not see what became of them.

A client whose connection ends before an answer came sends the same records over another one, and its program has
published once all the same. Two requests hold the same record if client, partition, time and content agree, if they
came over two connections, and if the client has left one of them without that answer. A proxy between the two may have
read the answer and kept it; a record that bears the clock's time, to the millisecond, is then the same one, unless the
broker holds it twice: then its program has published the same event twice, as far as anybody can tell. Tried and
dropped: the numbers of idempotent producers, which most producers do not have.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from x07py.wire.kafka.publishes import is_given

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from x07py.wire.kafka.batches import Record
    from x07py.wire.kafka.feeds import Place
    from x07py.wire.kafka.peers import Peer

_MOST, _MOST_RECORDS = 64, 2**14
"""Requests and records of a client and partition that are remembered; clients have fewer under way."""


class Attempt:
    """The records of one request that go to one partition.

    Args:
        peer: the connection.
        records: the records.

    Attributes:
        peer: the connection.
        outcomes: what is known of each record by its place in the request: a number, or None.
        is_answered: whether the client was sent an answer.
        earlier: where a record had been before: the attempt, and its place in that.
    """

    def __init__(self, peer: Peer, records: Sequence[Record]) -> None:
        self.peer: Peer = peer
        self.outcomes: list[int | None] = [None] * len(records)
        self.is_answered: bool = False
        self.earlier: dict[int, tuple[Attempt, int]] = {}
        self._names = [hash((one.timestamp, one.key, one.value, tuple(one.headers))) for one in records]
        self._moved: set[int] = set()
        self._read: set[int] = set()

    def left(self) -> list[int]:
        """Return the places of the records that no later attempt has taken over."""
        return [at for at in range(len(self._names)) if at not in self._moved]

    def known(self, at: int) -> int | None:
        """Return the outcome that a record had before, or None."""
        found = self.earlier.get(at)
        return found[0].outcomes[found[1]] if found is not None else None

    def was_read(self, at: int) -> bool:
        """Tell whether somebody has read the answer to a record's earlier attempt: its client, or a proxy."""
        return at in self._read

    def stored(self, base: int) -> None:
        """Take note of the offset of the first record; one that was read to be elsewhere was published anew."""
        self.outcomes = list(range(base, base + len(self.outcomes)))
        for at in self._read:
            if self.known(at) not in {None, base + at}:
                self.earlier.pop(at)

    def find_in(self, other: Attempt, *, older: bool, read: Container[int] | None = None) -> None:
        """Find records of this attempt in another one; the later of the two takes them over.

        Args:
            other: the other one.
            older: whether this one is the earlier.
            read: where somebody has read the other's answer, the places of the records that count; else None for all.
        """
        places: dict[int, list[int]] = {}
        for at in other.left():
            places.setdefault(other._names[at], []).append(at)
        for at, name in enumerate(self._names):
            same = places.get(name) if read is None or at in read else None
            if same and at not in self.earlier and at not in self._moved:
                if older:
                    self._moved.add(at)
                else:
                    self.earlier[at] = other, same[0]
                    if read is not None:
                        self._read.add(at)
                    other._moved.add(same[0])
                del same[0]


class Attempts:
    """The last attempts of all clients; its caller holds the cassette's lock."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, Place], deque[Attempt]] = {}

    def begin(self, peer: Peer, place: Place, records: Sequence[Record]) -> Attempt:
        """Take note of an attempt, and bring it together with others that hold the same records."""
        attempt = Attempt(peer, records)
        last = self._last.setdefault((peer.client_id, place), deque(maxlen=_MOST))
        others = [one for one in last if one.peer is not peer]
        if others:
            self._find(attempt, others, records)
        last.append(attempt)
        while len(last) > 1 and sum(len(one.outcomes) for one in last) > _MOST_RECORDS:
            last.popleft()
        return attempt

    def _find(self, attempt: Attempt, others: list[Attempt], records: Sequence[Record]) -> None:
        """Bring an attempt together with those of other connections, if its client or theirs left without an answer.

        That may also be one that was sent, and that the client did not read.
        """
        peers = {id(one.peer): one.peer for one in others}
        left = {name: (peer.has_left, peer.has_left_unread) for name, peer in peers.items()}
        is_late, now = attempt.peer.has_left, int(time.time() * 1000)
        clocked = {at for at, one in enumerate(records) if one.timestamp >= 0 and not is_given(one.timestamp, now)}
        for other in others:
            has_left, has_left_unread = left[id(other.peer)]
            if has_left:
                is_read = other.is_answered and not has_left_unread
                attempt.find_in(other, older=False, read=clocked if is_read else None)
            elif is_late:  # what the client has sent by `other` since was taken before this
                attempt.find_in(other, older=True)
