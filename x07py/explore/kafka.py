"""The simulated Kafka behind `Backend`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from x07py.drivers.base import COMMIT_INTERVAL_MS, KAFKA, Ack
from x07py.errors import (
    ConfirmTimeoutError,
    DriverError,
    LagUnknownError,
    PublishRefusedError,
    SeekError,
    TransactionError,
    UnreachableError,
    UnsupportedError,
)
from x07py.explore.kafka_group import Group
from x07py.explore.kafka_log import Logs, Transaction
from x07py.explore.kafka_member import KafkaMember
from x07py.explore.publishing import publish_under

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from x07py.drivers.base import Delivery, Json, Subscription
    from x07py.explore.clock import Clock
    from x07py.explore.process import Process
    from x07py.msg import Envelope

_RETRY = "x07 explain tells what to do"


def _told(fault: str, number: int) -> DriverError:
    if fault == "refused":
        return PublishRefusedError(9751, f"{number} messages were refused: not enough replicas", hint=_RETRY)
    if fault == "unreachable":
        return UnreachableError(9760, "no broker answers within 60 s", hint="is it up?")
    return ConfirmTimeoutError(9752, f"{number} messages were not confirmed in time", hint=_RETRY)


class KafkaCluster:
    """What outlives the processes: logs and groups.

    Args:
        partitions: of a topic that nobody made.
        loop: its time.
        wake: called when there may be something new for consumers.
    """

    def __init__(self, partitions: int, loop: Clock, wake: Callable[[], None]) -> None:
        self.logs: Logs = Logs(partitions, loop, wake)
        self.groups: dict[str, Group] = {}
        self.wake = wake

    def group(self, name: str) -> Group:
        """Return a group; it is made when it is first named."""
        if name not in self.groups:
            self.groups[name] = Group(self.logs)
        return self.groups[name]


class SimulatedKafka:
    """One driver's connection.

    Args:
        cluster: the brokers.
        process: whose it is.
        profile: id of the profile.
        cooperative: how its consumers give partitions up.
    """

    dialect = KAFKA

    def __init__(self, cluster: KafkaCluster, process: Process, profile: str, *, cooperative: bool = False) -> None:
        self.profile = profile
        self._cluster, self._process, self._cooperative = cluster, process, cooperative
        self._members: list[KafkaMember] = []
        self._name: str | None = None
        self._epoch = -1
        self._transaction: Transaction | None = None

    async def publish_many(self, envelopes: Sequence[Envelope]) -> Sequence[Ack]:
        """Store in order, within the transaction if one is open."""
        fault = await self._process.point("kafka", "publish", many=len(envelopes) > 1)
        transaction = self._transaction
        if transaction is not None and self._name is not None:
            self._cluster.logs.check_epoch(self._name, self._epoch)
        try:
            return await publish_under(
                fault, self._process, "kafka", envelopes, partial(self._store, transaction=transaction), _told
            )
        finally:
            self._process.loop.active()
            self._cluster.wake()

    def _store(self, envelope: Envelope, transaction: Transaction | None) -> Ack:
        logs = self._cluster.logs
        topic, partition = logs.append(envelope, transaction, self._process.name)
        return Ack(b"OK", b'{"offset":%d,"partition":%d}' % (len(logs.topics[topic][partition]) - 1, partition))

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Join the group and yield batches; when the history is at its end, as a replay at its own, it ends."""
        if not subscription.group:
            raise DriverError(9754, "a Kafka consumer needs a group", hint="pass group= to consume")
        for other in self._members:
            both = set(other.sources) & set(subscription.sources)
            if both and other.subscription.group != subscription.group:
                groups = f"the groups {other.subscription.group!r} and {subscription.group!r}"
                message = f"{groups} consume {min(both)!r} with one driver"
                raise DriverError(9764, message, hint="open a driver for each group: acknowledgements do not name one")
        for topic in subscription.sources:
            self._cluster.logs.make(topic)
        group = self._cluster.group(subscription.group)
        member = KafkaMember(self._process, self._cluster.logs, group, subscription, cooperative=self._cooperative)
        if self._transaction is not None:
            member.ledger.begin()
        self._members.append(member)
        try:
            while batch := await member.fetch():
                yield batch
        finally:
            self._leave(member)

    def _leave(self, member: KafkaMember) -> None:
        if member in self._members:
            self._members.remove(member)
            if not self._process.dead:
                member.leave()
                self._cluster.wake()

    async def control(self, op: str, request: Json) -> Json:
        """Carry out an operation by its name; the dialect lists them."""
        self.dialect.refuse_unknown(op)
        if op in {"schema_ids", "schema", "subject"}:
            hint = "give what is explored its subjects as values, as its core is given them: Subject(name, schemas, id)"
            raise UnsupportedError(9622, "the simulated Kafka has no schema registry", hint=hint)
        if op in {"lag", "init_transactions", "begin_transaction", "commit_transaction", "abort_transaction"}:
            return await getattr(self, f"_{op}")(request)
        await self._process.turn()
        if op == "ack" or (op == "nack" and not request["requeue"]):
            for member in self._members:
                member.ledger.done(request["ranges"])
            self._process.note("acked", request["ranges"])
        elif op == "nack":
            self._rewind(request["ranges"])
        elif op == "commit":
            return await self._commit(request)
        elif op == "seek":
            self._seek(request["topic"], request["partition"], request["offset"])
        else:
            return {"partitions": self._hold(request["topics"], hold=op == "pause")}
        return {}

    async def _commit(self, request: Json) -> Json:
        if not request.get("wait", True):
            for member in self._members:
                member.soon(request.get("interval_ms", COMMIT_INTERVAL_MS) / 1000)
            return {}
        committed: dict[str, int] = {}
        for member in list(self._members):
            committed |= await member.commit()
        return {"offsets": dict(sorted(committed.items()))}

    def _rewind(self, ranges: dict[str, dict[str, list[list[int]]]]) -> None:
        self._process.note("nacked", ranges)
        for topic, partitions in ranges.items():
            for partition, spans in partitions.items():
                for member in self._members:
                    member.rewind(topic, int(partition), min(span[0] for span in spans))

    def _seek(self, topic: str, partition: int, offset: int | str) -> None:
        for member in self._members:
            if (topic, partition) in member.position:
                end = self._cluster.logs.end_of(topic, partition)
                at = {"earliest": 0, "latest": end}.get(str(offset), offset)
                member.position[topic, partition] = min(int(at), end)
                member.ledger.drop(topic, partition)
                member.wake()
                return
        where = f"{topic}/{partition}"
        raise SeekError(9761, "cannot go there: no consumer of this driver has the partition now", where=where)

    def _hold(self, topics: list[str], *, hold: bool) -> list[str]:
        found = []
        for member in self._members:
            places = {place for place in member.position if place[0] in topics}
            member.held = member.held | places if hold else member.held - places
            member.wake()
            found += [f"{topic}/{number}" for topic, number in places]
        return sorted(found)

    async def _lag(self, request: Json) -> Json:
        await self._process.turn()
        logs, group = self._cluster.logs, request["group"]
        missing = [topic for topic in request["topics"] if topic not in logs.topics]
        if missing or self._process.decide("kafka", "lag"):
            reason = f"there is no topic {missing[0]!r}" if missing else "no answer"
            raise LagUnknownError(9757, f"cannot ask for the lag: {reason}", hint="do the topics exist?")
        return {
            "lag": {
                f"{topic}/{number}": logs.end_of(topic, number) - (logs.start(group, topic, number) or 0)
                for topic in request["topics"]
                for number in range(len(logs.topics[topic]))
            }
        }

    async def _init_transactions(self, request: Json) -> Json:
        if self._name is None:
            fault = await self._process.point("kafka", "init")
            if fault == "unreachable":
                raise UnreachableError(9760, "no broker answers within 60 s", hint="is it up?")
            name = request["id"] or f"x07-{self._process.place('producer')}"
            self._epoch = self._cluster.logs.take_name(name)
            self._name = name
            self._cluster.wake()
        return {}

    async def _begin_transaction(self, request: Json) -> Json:
        await self._init_transactions(request)
        await self._process.turn()
        assert self._name is not None  # noqa: S101
        try:
            self._transaction = self._cluster.logs.begin(self._name, self._epoch)
        except TransactionError:
            self._name = None
            raise
        for member in self._members:
            member.ledger.begin()
        self._process.note("began")
        return {}

    async def _commit_transaction(self, request: Json) -> Json:
        del request
        fault = await self._process.point("kafka", "commit-transaction")
        if fault == "stall":
            for member in self._members:
                member.kicked()
        sent = [(member, member.for_transaction()) for member in self._members]
        transaction = self._of_transaction()
        stale = [member for member, offsets in sent if offsets and member not in member.group.members]
        if fault == "refused" or stale:
            why = "the group went on without this consumer" if stale else "the coordinator moves"
            raise TransactionError(9762, f"the transaction failed: {why}", hint="x07 explain 9762")
        for member, offsets in sent:
            group = member.subscription.group
            transaction.offsets.update({(group, *place): offset for place, offset in offsets.items()})
        self._end(committed=True)
        for member, offsets in sent:
            member.ledger.committed(offsets)
        done = {place: offset for _, offsets in sent for place, offset in offsets.items()}
        self._process.note("committed", done)
        if fault == "crash-after":
            await self._process.crash()
        return {"offsets": {f"{topic}/{number}": offset for (topic, number), offset in sorted(done.items())}}

    def _of_transaction(self) -> Transaction:
        if self._transaction is None or self._name is None:
            raise TransactionError(9762, "the transaction failed: none is open", hint="x07 explain 9762")
        try:
            self._cluster.logs.check_epoch(self._name, self._epoch)
        except TransactionError:
            self._name, self._transaction = None, None
            raise
        return self._transaction

    async def _abort_transaction(self, request: Json) -> Json:
        del request
        try:
            if self._transaction is not None:
                fault = await self._process.point("kafka", "abort")
                self._of_transaction()
                self._end(committed=False)
                self._process.note("aborted")
                if fault == "crash-after":
                    await self._process.crash()
        finally:
            for member in self._members:
                member.ledger.end(committed=False)
        return {}

    def _end(self, *, committed: bool) -> None:
        assert self._transaction is not None  # noqa: S101
        transaction, self._transaction = self._transaction, None
        self._cluster.logs.finish(transaction, committed=committed)
        for member in self._members:
            member.ledger.end(committed=committed)
        self._process.loop.active()
        self._cluster.wake()

    async def keep_alive(self) -> bool:
        """Commit what is due."""
        await self._process.turn()
        for member in list(self._members):
            await member.keep()
        return True

    async def close(self) -> None:
        """Leave the groups, which ends the loops that consume, and give up an open transaction."""
        if self._process.dead:
            return
        for member in list(self._members):
            self._leave(member)
        if self._transaction is not None and self._transaction.state == "open":
            self._end(committed=False)
