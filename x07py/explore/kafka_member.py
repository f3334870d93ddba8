"""One consumer of a simulated Kafka. What it may commit is the drivers' own ledger's business."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from x07py.drivers.base import Delivery, canonical_json
from x07py.drivers.offsets import OffsetLedger
from x07py.errors import CommitFailedError, GroupLostError, UnreachableError
from x07py.explore.kafka_log import shows

if TYPE_CHECKING:
    from x07py.drivers.base import Subscription
    from x07py.explore.kafka_group import Group
    from x07py.explore.kafka_log import Logs, Partition
    from x07py.explore.process import Process

SESSION_TIMEOUT_S = 10.0


class KafkaMember:
    """A member of a group.

    Args:
        process: whose it is.
        logs: what the cluster keeps.
        group: its group.
        subscription: what it consumes.
        cooperative: whether it gives up only what goes to another member.
    """

    def __init__(
        self, process: Process, logs: Logs, group: Group, subscription: Subscription, *, cooperative: bool
    ) -> None:
        self.process: Process = process
        self.subscription: Subscription = subscription
        self.group: Group = group
        self.name: str = f"{process.name}/{process.place('member')}"
        self.sources: tuple[str, ...] = subscription.sources
        self.cooperative: bool = cooperative
        self.ledger: OffsetLedger = OffsetLedger()
        self.left: bool = False
        self.held: set[Partition] = set()
        self.position: dict[Partition, int] = {}
        self._logs = logs
        self._lost = self._asked = False
        self._last, self._interval_s = -1e9, 0.0
        self._seen = -1
        self._event = asyncio.Event()
        self._meta = _templates(subscription)
        process.wakers.append(self.wake)
        process.closers.append(self.vanish)
        group.join(self)

    def wake(self) -> None:
        """Look again."""
        self._event.set()

    def vanish(self) -> None:
        """Die; the group hears of it when the session is over."""
        if not self.left:
            self.process.loop.broker_later(SESSION_TIMEOUT_S, lambda: self.group.leave(self))

    def kicked(self) -> None:
        """Be taken out of the group without hearing of it."""
        if self in self.group.members:
            self.group.leave(self)
            self._lost = True

    async def fetch(self) -> list[Delivery] | None:
        """Return the next batch, None at the end."""
        waited = False
        while True:
            self._event.clear()
            await self.process.turn()
            if self.left:
                return None
            await self._send_due()
            await self._take_part()
            ready = self._ready()
            if ready:
                fault = await self.process.point("kafka", "poll")
                if not await self._shaken(fault) and not self.left:
                    batch = self._take(self._ready())
                    if batch:
                        return batch
                continue
            if self.process.ending:
                return None
            if not waited:
                waited = True
                if await self._shaken(await self.process.point("kafka", "wait")):
                    continue
                if self._ready():
                    continue
            due = self._last + self._interval_s if self._asked else None
            if self.group.is_waiting_for(self) or self._ready() or self.process.ending or self.left:
                continue
            try:
                async with asyncio.timeout_at(due):
                    await self._event.wait()
            except TimeoutError:
                pass

    async def _shaken(self, fault: str) -> bool:
        """Carry out what happens to the member; True if it has to look again."""
        if fault == "unreachable":
            raise UnreachableError(9760, "no broker answers within 60 s", hint="is it up?")
        if fault != "rebalance":
            return False
        if len(self.group.members) > 1:
            self.group.shift += 1
            self.group.rebalance()
        else:
            places = sorted(self.position)
            await self._give_up(set(places[::2] if self.cooperative else places))
        return True

    async def _take_part(self) -> None:
        """Give up and take over partitions, as the group says."""
        if self._lost:
            self._lost = False
            self._forget(set(self.position))
            self.group.join(self)
        if self.group.is_waiting_for(self):
            if not self.cooperative:
                await self._give_up(set(self.position))
            self.group.arrive(self)
        if not self.group.settled or self._seen == self.group.changes:
            return
        surplus = self.group.surplus(self) & set(self.position)
        if surplus:
            await self._give_up(surplus)
        taken = self.group.take(self)
        for place in sorted(taken | (self.group.owned(self) - set(self.position))):
            start = self._logs.start(self.subscription.group, *place)
            if start is None:
                start = 0 if self.subscription.start == "earliest" else self._logs.end_of(*place)
            self.position[place] = start
        self._seen = self.group.changes
        if taken:
            self.process.note("assigned", *sorted(self.position))

    async def _give_up(self, places: set[Partition]) -> None:
        """Let partitions go: commit what is done of them first."""
        offsets = {place: offset for place, offset in self.ledger.committable().items() if place in places}
        if offsets:
            if self.process.decide("kafka", "revoke"):
                self.process.note("not committed", offsets)
            else:
                self._store(offsets)
        if places:
            self.process.note("revoked", *sorted(places))
        self._forget(places)
        self.group.give_up(self, places)

    def _forget(self, places: set[Partition]) -> None:
        for place in places:
            self.position.pop(place, None)
            self.ledger.drop(*place)

    def _ready(self) -> list[Partition]:
        """Return the partitions that have something, after moving past what nobody sees."""
        if self.group.is_waiting_for(self) or self._logs.held(self.subscription.group, list(self.position)):
            return []
        found = []
        logs, position = self._logs, self.position
        for place in sorted(position):
            topic, number = place
            log, end, at = logs.topics[topic][number], logs.end_of(topic, number), position[place]
            while at < end and not shows(log[at]):
                at += 1
            position[place] = at
            if at < end and place not in self.held:
                found.append(place)
        return found

    def _take(self, ready: list[Partition]) -> list[Delivery]:
        order = self.process.order
        most = self.subscription.max_items
        most = (most, 1, 2, 5)[order("batch", 4)] if most > 1 else 1
        first = order("first", len(ready))
        ready = ready[first:] + ready[:first]
        mixed = order("mix", 2) == 1
        most = min(most, self.subscription.max_items)
        taken: dict[Partition, list[int]] = {}
        batch: list[Delivery] = []
        logs = {place: self._logs.topics[place[0]][place[1]] for place in ready}
        ends = {place: self._logs.end_of(*place) for place in ready}
        while ready and len(batch) < most:
            place = ready[0]
            offset = self.position[place]
            record = logs[place][offset]
            if record.envelope is not None and shows(record):
                meta = self._meta[place[0]] % (offset, place[1])
                batch.append(Delivery.from_broker(record.envelope, meta, (*place, offset)))
                taken.setdefault(place, []).append(offset)
            self.position[place] = offset = offset + 1
            if offset >= ends[place]:
                ready.pop(0)
            elif mixed:
                ready.append(ready.pop(0))
        for place, offsets in taken.items():
            self.ledger.delivered(*place, offsets)
        self.process.loop.active()
        self.process.note("delivered", taken, batch, self.subscription, "kafka")
        return batch

    async def commit(self) -> dict[str, int]:
        """Commit what is done and wait; raises as the driver does."""
        fault = await self.process.point("kafka", "commit") if self._done() else ""
        if self.left:
            return {}
        offsets = self._done()
        self._asked, self._last = False, self.process.loop.time()
        if fault == "stall":
            self.kicked()
        if fault == "refused":
            self.process.note("not committed", offsets)
            raise CommitFailedError(9756, "cannot commit: the broker refuses", hint="handle messages idempotently")
        if offsets:
            if self not in self.group.members:
                self.process.note("not committed", offsets)
                raise GroupLostError(9765, "cannot commit: the group went on", hint="another consumer gets these too")
            self._store(offsets)
        if fault == "crash-after":
            await self.process.crash()
        if fault == "unconfirmed":
            raise CommitFailedError(9756, "cannot commit: no answer", hint="handle messages idempotently")
        return {f"{topic}/{number}": offset for (topic, number), offset in offsets.items()}

    def _done(self, *, with_transaction: bool = False) -> dict[Partition, int]:
        found = self.ledger.committable(with_transaction=with_transaction)
        return {place: offset for place, offset in found.items() if place in self.position}

    def for_transaction(self) -> dict[Partition, int]:
        """Return what a transaction that ends now commits."""
        return self._done(with_transaction=True)

    def soon(self, interval_s: float) -> None:
        """Have what is done committed when a commit is due."""
        self._asked, self._interval_s = True, interval_s
        self._event.set()

    async def _send_due(self) -> None:
        if (
            not self._asked
            or self.process.loop.time() < self._last + self._interval_s
            or self not in self.group.members
        ):
            return
        offsets = self._done()
        self._asked, self._last = False, self.process.loop.time()
        if not offsets:
            return
        fault = self.process.decide("kafka", "commit-soon")
        if fault == "refused":
            self.process.note("not committed", offsets)
            self._asked = True
            return
        self._store(offsets)
        if fault == "crash-after":
            await self.process.crash()

    async def keep(self) -> None:
        """Commit what is due while the program is at work."""
        await self._send_due()

    def _store(self, offsets: dict[Partition, int]) -> None:
        for place, offset in offsets.items():
            self._logs.committed[(self.subscription.group, *place)] = offset
        self.ledger.committed(offsets)
        self.process.loop.active()
        self.process.note("committed", offsets)

    def rewind(self, topic: str, partition: int, offset: int) -> None:
        """Deliver again from an offset."""
        place = (topic, partition)
        if place in self.position and self.ledger.rewind(topic, partition, offset):
            self.position[place] = offset
            self._event.set()

    def leave(self) -> None:
        """Leave the group; what is done is committed on the way."""
        if self.left:
            return
        self.left = True
        self._event.set()
        if self in self.group.members:
            offsets = self._done()
            if offsets:
                self._store(offsets)
            self.group.leave(self)


def _templates(subscription: Subscription) -> dict[str, bytes]:
    """Return by topic the metadata of a delivery, in which its offset and its partition are missing."""
    group = canonical_json(subscription.group).replace(b"%", b"%%")
    return {
        topic: b'{"group":%b,"offset":%%d,"partition":%%d,"timestamp_ms":0,"topic":%b}'
        % (group, canonical_json(topic).replace(b"%", b"%%"))
        for topic in subscription.sources
    }
