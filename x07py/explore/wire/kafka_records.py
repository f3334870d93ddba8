"""What clients of the simulated Kafka publish and fetch over the wire, with the faults that may meet it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.drivers.base import Delivery, Subscription, canonical_json
from x07py.explore.faults import KAFKA_WIRE
from x07py.explore.kafka_log import shows
from x07py.explore.wire.stream import Cut
from x07py.msg import from_native, to_native
from x07py.wire.kafka.batches import Record, read_batches, skip, write_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.explore.kafka import KafkaCluster
    from x07py.explore.kafka_log import Partition, Transaction
    from x07py.explore.process import Process
    from x07py.explore.wire.kafka_groups import Groups
    from x07py.msg import Envelope
    from x07py.wire.kafka.batches import Batch
    from x07py.wire.kafka.messages import Plain

_UNKNOWN_TOPIC, _OUT_OF_RANGE, _TOO_FEW_REPLICAS, _OUT_OF_ORDER, _OLD_EPOCH, _BAD_STATE = 3, 1, 19, 45, 47, 48
_EPOCH_MS = 1_700_000_000_000
"""The time of every record: a clock that two runs read alike."""
_MOST = 2**31
_LONGEST_WAIT_S = 0.1
"""Clients ask for partitions that they learn of when their last question is answered."""


class _Part(NamedTuple):
    """What a request publishes to one partition."""

    place: Partition
    batches: list[Batch]


class Records:
    """Publishing and fetching.

    Args:
        cluster: what is stored.
    """

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster
        self._sequences: dict[tuple[int, Partition], dict[int, tuple[int, int]]] = {}
        """Base offset and next sequence of each batch of an idempotent producer, by its own sequence."""

    def forget(self, producer: int) -> None:
        """Forget what a producer has sent: it counts its batches anew."""
        self._sequences = {key: known for key, known in self._sequences.items() if key[0] != producer}

    async def produce(self, process: Process, body: Any, open_one: Callable[[str], Transaction | None]) -> Plain | None:
        """Answer Produce; None if the client wants no answer.

        Args:
            process: the program.
            body: the request.
            open_one: returns the open transaction of an id.

        Raises:
            Cut: the connection is lost.
        """
        parts = [
            _Part((topic.name, part.index), read_batches(part.records or b""))
            for topic in body.topic_data
            for part in topic.partition_data
        ]
        name = body.transactional_id
        operation = "publish" if name is None else "publish-in-transaction"
        fault = await process.point(KAFKA_WIRE, operation, many=len(parts) > 1)
        if fault == "unsent":
            raise Cut
        transaction = open_one(name) if name is not None else None
        refused = _TOO_FEW_REPLICAS if fault == "refused" else 0
        if name is not None and transaction is None:
            refused = _BAD_STATE
        elif transaction is not None and fault == "stall":
            self._cluster.logs.expire(transaction)
            refused = _OLD_EPOCH
        stored = parts[: len(parts) // 2] if fault in {"crash-midway", "half-unconfirmed"} else parts
        rows = [(part, (refused, -1) if refused else self._store(process, part, transaction)) for part in stored]
        process.loop.active()
        self._cluster.wake()
        if fault in {"crash-midway", "crash-after"}:
            await process.crash()
        if fault in {"unconfirmed", "half-unconfirmed"}:
            raise Cut
        return {"responses": _responses(rows)} if body.acks else None

    def _store(self, process: Process, part: _Part, transaction: Transaction | None) -> tuple[int, int]:
        """Store what is new, and return the error and the offset of the first record."""
        topic, number = part.place
        logs = self._cluster.logs.make(topic)
        if not 0 <= number < len(logs):
            return _UNKNOWN_TOPIC, -1
        first = len(logs[number])
        for at, batch in enumerate(part.batches):
            error, base = self._take(process, part.place, batch, transaction)
            if error:
                return error, -1
            first = base if at == 0 else first
        return 0, first

    def _take(
        self, process: Process, place: Partition, batch: Batch, transaction: Transaction | None
    ) -> tuple[int, int]:
        """Store a batch, unless its producer has sent it before; return the error and its first offset."""
        base = len(self._cluster.logs.topics[place[0]][place[1]])
        if batch.producer_id >= 0:
            known = self._sequences.setdefault((batch.producer_id, place), {})
            if batch.base_sequence in known:
                return 0, known[batch.base_sequence][0]
            if known and batch.base_sequence != max(after for _, after in known.values()):
                return _OUT_OF_ORDER, -1
            known[batch.base_sequence] = (base, batch.base_sequence + len(batch.records))
        envelopes = [from_native(place[0], one.key, one.value, one.headers) for one in batch.records]
        for one in envelopes:
            self._cluster.logs.append_to(place[1], one, transaction, process.name)
        process.note("published", tuple(envelopes), "kafka")
        return 0, base

    async def fetch(self, process: Process, body: Any, groups: Groups) -> Plain:
        """Answer Fetch, when there is something or the client has waited long enough.

        Args:
            process: the program.
            body: the request.
            groups: who consumes; they refuse a topic that no group does.
        """
        wanted = {(one.topic, part.partition): part for one in body.topics for part in one.partitions}
        names = {topic: groups.name_of(topic) for topic, _ in wanted}
        committed = bool(body.isolation_level)
        loop = asyncio.get_running_loop()
        ends = loop.time() + min(body.max_wait.total_seconds(), _LONGEST_WAIT_S)
        changed = asyncio.Event()
        process.wakers.append(changed.set)
        try:
            while not self._ready(wanted, committed=committed) and loop.time() < ends:
                changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(ends):
                        await changed.wait()
        finally:
            process.wakers.remove(changed.set)
        ready = self._ready(wanted, committed=committed)
        if any(self._records(place, wanted[place], 1, committed=committed) for place in ready):
            await groups.poll(process, {names[topic] for topic, _ in ready})
        taken = self._choose(process, wanted, committed=committed)
        self._tell(process, taken, names)
        return self._responses(wanted, taken, committed=committed)

    def _end(self, place: Partition, *, committed: bool) -> int:
        """Return the offset behind the last one that a consumer gets."""
        logs = self._cluster.logs
        return logs.end_of(*place) if committed else len(logs.topics[place[0]][place[1]])

    def _ready(self, wanted: dict[Partition, Any], *, committed: bool) -> list[Partition]:
        """Return the partitions of which something would come; one that is asked for behind its end, too."""
        return [
            place
            for place, part in sorted(wanted.items())
            if part.fetch_offset != self._end(place, committed=committed)
        ]

    def _choose(
        self, process: Process, wanted: dict[Partition, Any], *, committed: bool
    ) -> dict[Partition, list[Record]]:
        """Return what comes: of all partitions, or of one and so many."""
        ready = self._ready(wanted, committed=committed)
        most = (_MOST, 1, 2, 5)[process.order("batch", 4)]
        first = process.order("first", len(ready))
        ready = ready[first:] + ready[:first]
        chosen = ready if most == _MOST else ready[:1]
        return {place: self._records(place, wanted[place], most, committed=committed) for place in chosen}

    def _records(self, place: Partition, part: Any, most: int, *, committed: bool) -> list[Record]:
        log = self._cluster.logs.topics[place[0]][place[1]]
        found: list[Record] = []
        size = 0
        for offset in range(part.fetch_offset, self._end(place, committed=committed)):
            one = log[offset]
            if one.envelope is None or (committed and not shows(one)):
                continue
            key, value, headers = to_native(one.envelope)
            size += len(key or b"") + len(value or b"")
            if found and (len(found) >= most or size > part.partition_max_bytes):
                break
            found.append(Record(offset, _EPOCH_MS + offset, key, value, headers))
        return found

    def _tell(self, process: Process, taken: dict[Partition, list[Record]], groups: dict[str, str]) -> None:
        batch = [
            Delivery.from_broker(self._envelope(place, one), _meta(groups[place[0]], place, one), (*place, one.offset))
            for place, records in taken.items()
            for one in records
        ]
        if not batch:
            return
        offsets = {place: [one.offset for one in records] for place, records in taken.items() if records}
        topics = tuple(dict.fromkeys(topic for topic, _ in offsets))
        process.note("delivered", offsets, batch, Subscription(topics, groups[topics[0]], len(batch)), "kafka")
        process.loop.active()

    def _envelope(self, place: Partition, record: Record) -> Envelope:
        envelope = self._cluster.logs.topics[place[0]][place[1]][record.offset].envelope
        assert envelope is not None  # noqa: S101  (only those with one are taken)
        return envelope

    def _responses(
        self, wanted: dict[Partition, Any], taken: dict[Partition, list[Record]], *, committed: bool
    ) -> Plain:
        topics: dict[str, list[Plain]] = {}
        for place in [*taken, *(place for place in wanted if place not in taken)]:
            end, at = len(self._cluster.logs.topics[place[0]][place[1]]), wanted[place].fetch_offset
            last = self._end(place, committed=committed)
            records = taken.get(place)
            skipped = place in taken and not records and at < last
            topics.setdefault(place[0], []).append(
                {
                    "partition_index": place[1],
                    "error_code": _OUT_OF_RANGE if at > end else 0,
                    "high_watermark": end,
                    "last_stable_offset": self._cluster.logs.end_of(*place),
                    "log_start_offset": 0,
                    "records": write_batch(records) if records else skip(at, last) if skipped else b"",
                }
            )
        return {"responses": [{"topic": name, "partitions": rows} for name, rows in topics.items()], "session_id": 0}


def _meta(group: str, place: Partition, record: Record) -> bytes:
    about = {"group": group, "offset": record.offset, "partition": place[1], "timestamp_ms": 0, "topic": place[0]}
    return canonical_json(about)


def _responses(rows: list[tuple[_Part, tuple[int, int]]]) -> list[Plain]:
    topics: dict[str, list[Plain]] = {}
    for part, (error, base) in rows:
        topics.setdefault(part.place[0], []).append(
            {"index": part.place[1], "error_code": error, "base_offset": base, "log_append_time": -1}
        )
    return [{"name": name, "partition_responses": parts} for name, parts in topics.items()]
