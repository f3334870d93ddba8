"""The recorded publishes of a replay: which one a record from the wire is.

A client packs records into requests as its buffers and timers will have it, so records are compared one by one. Kafka
promises the order within a partition, and whoever gives a key wants the order of that key: the next recorded record of
the topic and key must be the one that comes, in the partition that it was recorded in. Records without a key fall into
partitions by chance, so there any that is left may come.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from x07py.errors import DiffersFromRecordingError, ReplayMismatchError
from x07py.msg import Envelope
from x07py.msg.native import NULL_KEY
from x07py.rr.index import Bucket
from x07py.rr.varying import Names
from x07py.wire.decoding import document

if TYPE_CHECKING:
    from x07py.wire.kafka.entries import Entries

_PARTITION = re.compile(rb'"partition":(\d+)')
_RAISED, _LOST = b'"raised":true', b'"lost":true'
GIVEN = b'"timestamp_given":'
"""Stands in the metadata of a record whose time was not that of its publishing."""
_GIVEN_AFTER_MS = 300_000


def is_given(timestamp: int, now: int) -> bool:
    """Tell whether a record's time was given by the program: it is five minutes or more away from the clock.

    Args:
        timestamp: the record's time in milliseconds; below 0 for none.
        now: the clock's.
    """
    return timestamp >= 0 and abs(timestamp - now) > _GIVEN_AFTER_MS


class Publishes:
    """What the cassette's programs published.

    Args:
        tape: the cassette.
        numbers: numbers of the entries, in file order.

    Attributes:
        topics: how many partitions each topic has at least.
        lost: numbers of the records whose connection ended before the client knew what became of them.
    """

    def __init__(self, tape: Entries, numbers: list[int]) -> None:
        self._tape, self._ledger = tape, tape.session.ledger
        self._partitions: dict[int, int] = {}
        self._queues: dict[tuple[str, int], deque[int]] = {}
        self._lanes: dict[tuple[str, bytes | None], deque[int]] | None = None
        self._keyless: dict[int, deque[int]] = {}
        self._numbers: list[int] = []
        self._given: set[int] = set()
        self.lost: set[int] = set()
        self.topics: dict[str, int] = {}
        for number in numbers:
            self._add(number)

    def _add(self, number: int) -> None:
        meta = self._ledger.index.meta(number)
        if _RAISED in meta:  # the client library refused it, so that it never came to a broker
            self._ledger.use(number)
            return
        self._numbers.append(number)
        if GIVEN in meta:
            self._given.add(number)
        if _LOST in meta:
            self.lost.add(number)
        topic = self._ledger.bucket(number).scope.decode("utf-8", "surrogateescape")
        found = _PARTITION.search(meta)
        partition = int(found[1]) if found else 0
        if found:
            self._partitions[number] = partition
        self._queues.setdefault((topic, partition), deque()).append(number)
        self.topics[topic] = max(self.topics.get(topic, 0), partition + 1)

    def take_next(self, topic: str, partition: int, request: bytes) -> int | None:
        """Use the next recorded record of a partition if it is this one and bore the clock's time.

        Returns:
            Its number, or None if `find` has to look for the record.
        """
        queue = self._queues.get((topic, partition))
        if not queue:
            return None
        self._drop_used(queue)
        if not queue or queue[0] in self._given or not self._ledger.index.has_req(queue[0], request):
            return None
        number = queue.popleft()
        self._tape.session.use_all((number,))
        return number

    def find(self, partition: int, envelope: Envelope, timestamp: int, *, given: bool) -> int:
        """Return the number of the entry that a record is; it is not marked as used.

        Args:
            partition: where the client put it.
            envelope: the record, cleaned.
            timestamp: its time.
            given: whether that is not the time of its publishing.

        Raises:
            ReplayMismatchError: 2009 if nothing is left for the topic, 2050 with what differs.
        """
        queue = self._queues.get((envelope.topic, partition))
        if queue:
            self._drop_used(queue)
        encoded = envelope.encode()
        if queue and self._ledger.index.has_req(queue[0], encoded):
            number = queue[0]
        else:
            number = self._find_in_lane(partition, envelope, encoded)
        self._compare_time(number, envelope, timestamp, given=given)
        return number

    def _is_used(self, number: int) -> bool:
        return self._ledger.is_used(number)

    def _find_in_lane(self, partition: int, envelope: Envelope, encoded: bytes) -> int:
        if self._lanes is None:
            self._lanes = self._divide()
        name, varies = self._lane(envelope, self._tape.names)
        lane = self._lanes.get(name, deque())
        self._drop_used(lane)
        if varies:
            candidates = chain(lane)
        elif not envelope.key:
            exact = self._keyless.get(hash(encoded), deque())
            self._drop_used(exact)
            candidates = chain(exact, lane)
        else:
            here = (number for number in lane if self._partitions.get(number, partition) == partition)
            candidates = chain(islice((number for number in here if not self._is_used(number)), 1))
        nearest = None
        for number in candidates:
            if self._is_used(number):
                continue
            if self._tape.is_same(number, envelope, encoded):
                return number
            nearest = number if nearest is None else nearest
        if nearest is None and lane:
            raise self._misplaced(lane[0], envelope, partition)
        raise self._differs(nearest if nearest is not None else self._first_of(envelope.topic), envelope)

    def _divide(self) -> dict[tuple[str, bytes | None], deque[int]]:
        """Return the unused entries by topic and key, and note those without a key by what they hold."""
        lanes: dict[tuple[str, bytes | None], deque[int]] = {}
        nothing = Names()
        for number in self._numbers:
            if self._is_used(number):
                continue
            recorded = self._ledger.request(number)
            envelope = Envelope.decode(recorded)
            lanes.setdefault(self._lane(envelope, nothing)[0], deque()).append(number)
            if not envelope.key:
                self._keyless.setdefault(hash(recorded), deque()).append(number)
        return lanes

    def _drop_used(self, numbers: deque[int]) -> None:
        while numbers and self._is_used(numbers[0]):
            numbers.popleft()

    def _lane(self, envelope: Envelope, names: Names) -> tuple[tuple[str, bytes | None], bool]:
        rules = self._tape.rules
        topic = envelope.topic if "topic" in rules.match_on else ""
        if "key" not in rules.match_on or (not envelope.key and NULL_KEY in envelope.headers):
            return (topic, None), False
        key, varies = rules.key_lane(envelope, names)
        return (topic, key), varies

    def _first_of(self, topic: str) -> int | None:
        left = (number for (name, _), queue in self._queues.items() if name == topic for number in queue)
        return next((number for number in left if not self._is_used(number)), None)

    def _differs(self, likeliest: int | None, envelope: Envelope) -> ReplayMismatchError:
        if likeliest is not None:
            return self._tape.differs(likeliest, envelope)
        scope = envelope.topic.encode("utf-8", "surrogateescape")
        op = self._tape.dialect.publish_op.encode()
        return self._ledger.missing(Bucket(b"rr", op, self._tape.library.encode(), scope))

    def _misplaced(self, number: int, envelope: Envelope, partition: int) -> ReplayMismatchError:
        return DiffersFromRecordingError(
            2050,
            f"a record of topic {envelope.topic} and key {envelope.key!r} was published to partition {partition}; "
            f"it was recorded in partition {self._partitions[number]}",
            where=f"{self._ledger.name}, entry {number}",
            hint="give it the partition that was recorded, or record again; another client may divide keys in another "
            "way",
        )

    def _compare_time(self, number: int, envelope: Envelope, timestamp: int, *, given: bool) -> None:
        meta = self._ledger.index.meta(number)
        if not given and GIVEN not in meta:
            return
        facts: dict[str, Any] = document(meta) if meta else {}
        recorded = facts.get("timestamp_given")
        if recorded != (timestamp if given else None):
            raise DiffersFromRecordingError(
                2050,
                f"a record of topic {envelope.topic} and key {envelope.key!r} bears the time {timestamp}; "
                + (f"it was recorded with {recorded}" if recorded is not None else "it was recorded with the clock's"),
                where=f"{self._ledger.name}, entry {number}",
                hint="give it the recorded time, or record again",
            )
