"""Transactions of the simulated Kafka over the wire: who writes under which id, and how each of them ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.explore.faults import KAFKA_WIRE
from x07py.explore.wire.stream import Cut

if TYPE_CHECKING:
    from x07py.explore.kafka import KafkaCluster
    from x07py.explore.kafka_log import Partition, Transaction
    from x07py.explore.process import Process
    from x07py.explore.wire.kafka_groups import Groups
    from x07py.explore.wire.kafka_records import Records
    from x07py.wire.kafka.frames import Request
    from x07py.wire.kafka.messages import Plain

_NOT_COORDINATOR, _OLD_EPOCH, _BAD_STATE, _UNKNOWN_PRODUCER, _FENCED = 16, 47, 48, 49, 90
_SAYS_FENCED = 2
"""From this version of a request on, a producer that was fenced off is told so."""


class Transactions:
    """The transactions of one history.

    Args:
        cluster: what is stored.
        groups: whose offsets are committed in them.
        records: forget what a producer sent before it began anew.
    """

    def __init__(self, cluster: KafkaCluster, groups: Groups, records: Records) -> None:
        self._logs, self._groups, self._records = cluster.logs, groups, records
        self._producers: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}
        self._begun_by: dict[str, str] = {}
        """The instance that began the last transaction of an id."""
        self._ended: dict[str, tuple[int, bool]] = {}
        """The epoch of the last transaction that ended, by id, and whether it was committed: ends are asked for again
        where the answer was lost."""

    def forget(self, process: Process) -> None:
        """Give up what an instance left open: the time limits of transactions are over before it starts again."""
        for name in [name for name in self._open if self._begun_by[name] == process.member]:
            self._logs.expire(self._open.pop(name))

    def take_name(self, name: str, number: int) -> Plain:
        """Answer InitProducerId with a transactional id; what its last producer left open is given up.

        Args:
            name: the id.
            number: the producer's, if the id is new.
        """
        producer = self._producers.setdefault(name, number)
        epoch = self._logs.take_name(name)
        self._open.pop(name, None)
        self._records.forget(producer)
        return {"error_code": 0, "producer_id": producer, "producer_epoch": epoch}

    def open_one(self, name: str) -> Transaction | None:
        """Return the open transaction of an id."""
        found = self._open.get(name)
        return found if found is not None and found.state == "open" else None

    def _refusal(self, version: int, name: str, producer: int, epoch: int) -> int:
        """Return the error for a producer that may not write under its id any more, 0 for one that may."""
        if self._producers.get(name) != producer:
            return _UNKNOWN_PRODUCER
        if self._logs.epoch(name) == epoch:
            return 0
        return _FENCED if version >= _SAYS_FENCED else _OLD_EPOCH

    def _refused(self, request: Request, body: Any) -> int:
        return self._refusal(request.version, body.transactional_id, body.producer_id, body.producer_epoch)

    def _begin(self, process: Process, name: str, epoch: int) -> None:
        if self.open_one(name) is None:
            self._open[name] = self._logs.begin(name, epoch)
            self._begun_by[name] = process.member
            process.note("began")
        process.loop.active()

    def add_partitions(self, process: Process, request: Request, body: Any) -> Plain:
        """Answer AddPartitionsToTxn."""
        name, epoch = body.v3_and_below_transactional_id, body.v3_and_below_producer_epoch
        error = self._refusal(request.version, name, body.v3_and_below_producer_id, epoch)
        if not error:
            self._begin(process, name, epoch)
        rows = [
            {
                "name": topic.name,
                "results_by_partition": [
                    {"partition_index": number, "partition_error_code": error} for number in topic.partitions
                ],
            }
            for topic in body.v3_and_below_topics
        ]
        return {"results_by_topic_v3_and_below": rows}

    def add_offsets(self, process: Process, request: Request, body: Any) -> Plain:
        """Answer AddOffsetsToTxn."""
        error = self._refused(request, body)
        if not error:
            self._begin(process, body.transactional_id, body.producer_epoch)
        return {"error_code": error}

    async def add_commit(self, process: Process, request: Request, body: Any) -> Plain:
        """Answer TxnOffsetCommit.

        Raises:
            Cut: the connection is lost.
        """
        fault = await process.point(KAFKA_WIRE, "send-offsets")
        if fault == "unsent":
            raise Cut
        error = self._refused(request, body) or self._groups.refusal(process, body, stalled=fault == "stall")
        transaction = self.open_one(body.transactional_id)
        if not error and transaction is None:
            error = _BAD_STATE
        if fault == "refused":
            error = error or _NOT_COORDINATOR
        offsets: dict[Partition, int] = {
            (topic.name, part.partition_index): part.committed_offset
            for topic in body.topics
            for part in topic.partitions
        }
        if not error and transaction is not None:
            transaction.offsets.update({(body.group_id, *place): at for place, at in offsets.items()})
        process.loop.active()
        if fault == "unconfirmed":
            raise Cut
        topics = [
            {
                "name": topic.name,
                "partitions": [
                    {"partition_index": one.partition_index, "error_code": error} for one in topic.partitions
                ],
            }
            for topic in body.topics
        ]
        return {"topics": topics}

    async def end(self, process: Process, request: Request, body: Any) -> Plain:
        """Answer EndTxn.

        Raises:
            Cut: the connection is lost.
        """
        fault = await process.point(KAFKA_WIRE, "commit-transaction" if body.committed else "abort")
        if fault == "unsent":
            raise Cut
        error = self._refused(request, body)
        if fault == "refused":
            error = error or _NOT_COORDINATOR
        if not error:
            error = self._end(process, body)
        process.loop.active()
        if fault == "crash-after":
            await process.crash()
        if fault == "unconfirmed":
            raise Cut
        return {"error_code": error}

    def _end(self, process: Process, body: Any) -> int:
        name = body.transactional_id
        transaction = self.open_one(name)
        if transaction is None:
            same = self._ended.get(name) == (body.producer_epoch, body.committed)
            return 0 if same else _BAD_STATE
        offsets = {(topic, number): at for (_, topic, number), at in transaction.offsets.items()}
        self._logs.finish(transaction, committed=body.committed)
        del self._open[name]
        self._ended[name] = (body.producer_epoch, body.committed)
        if body.committed:
            process.note("committed", offsets)
        else:
            process.note("aborted")
        return 0
