"""The adapter loop: batches in, a pure handler, batches out, and nothing acknowledged before its results are stored.

The handler is a plain function from an envelope to envelopes. It runs in a thread, one hop a batch, so that a slow one
does not stop heartbeats; results and acknowledgements keep the order of the deliveries. A batch is finished before the
next one is asked for, so at a rebalance nothing is half done.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from x07py import metrics
from x07py.drivers.tracing import batch_span
from x07py.errors import DriverError, PumpError
from x07py.pumping.draining import end, signals_set
from x07py.pumping.handling import Handling, poison
from x07py.pumping.lag import watch_lag
from x07py.pumping.letters import dead_letter
from x07py.pumping.options import PumpOptions, PumpReport
from x07py.rr import current_session
from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from x07py.drivers import Delivery, Driver
    from x07py.msg import Envelope
    from x07py.pumping.handling import Outcome
    from x07py.pumping.options import Handler

log = logging.getLogger("x07py.pump")

_RETRIED = frozenset({9751, 9752, 9757, 9851, 9852})
_UNFIT = frozenset({9711, 9763, 9811, 9859})
"""What a broker, or its protocol, refuses because of the message itself."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0


@dataclass(slots=True)
class _Entry:
    """A delivery with what is to be produced for it, and how often that was replaced by a dead letter."""

    delivery: Delivery
    results: Sequence[Envelope] = ()
    letters: int = 0
    duplicate: bool = False


async def pump(
    source: Driver,
    handler: Handler,
    sink: Driver | None = None,
    *,
    topics: Iterable[str],
    group: str = "",
    stop: asyncio.Event | None = None,
    options: PumpOptions | None = None,
) -> PumpReport:
    """Consume, handle, produce, acknowledge, until stopped; a replay ends with its recording.

    SIGTERM and SIGINT stop it when it runs in the main thread: no batch is asked for any more, the one in hand is
    finished and committed, and the report is returned.

    Args:
        source: where messages come from.
        handler: pure function from an envelope to envelopes.
        sink: where results go; the source if None.
        topics: topics or queues to consume.
        group: consumer group, on Kafka.
        stop: set it to stop the pump.
        options: what to do when something goes wrong.

    Returns:
        Counts of what was done.

    Raises:
        PumpError: 9900 options that contradict each other; 9901 the handler failed and there is no dead-letter topic;
            9902 the batch in hand did not end in time after the request to stop; 9903 the handler did not return
            envelopes.
        DriverError: what a broker refuses for good, or for longer than the attempts last.
    """
    chosen = options or PumpOptions()
    target = sink or source
    if chosen.exactly_once and (source.kind != "kafka" or target is not source):
        raise PumpError(9900, "exactly-once needs one Kafka driver as source and sink", hint="leave sink away")
    if chosen.workers < 1 or chosen.io_attempts < 1:
        raise PumpError(9900, "workers and io_attempts are at least 1", hint="correct the options")
    return await _Pump(source, handler, target, group, chosen).run(tuple(topics), stop or asyncio.Event())


class _Pump:
    def __init__(self, source: Driver, handler: Handler, sink: Driver, group: str, options: PumpOptions) -> None:
        self.source, self.sink, self.group, self.options = source, sink, group, options
        self.report = PumpReport()
        self._inline = current_world().solve
        self._recorded = current_session() is not None
        overdue = partial(metrics.stalled, source.kind, source.profile)
        self._handling = Handling(handler, sink.check, options, overdue, inline=self._inline)
        self._commits_at_once = self._recorded or source.kind != "kafka"
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._given_up = 0

    async def run(self, topics: tuple[str, ...], stop: asyncio.Event) -> PumpReport:
        if self.options.exactly_once:
            await self.source.control("init_transactions", {"id": self.options.transactional_id})
        batches = self.source.consume(topics, group=self.group)
        with signals_set(stop):
            # asking for the lag while recording would be recorded, and no replay asks at the same time
            asks = self.source.kind == "kafka" and not self._recorded
            watching = asyncio.create_task(watch_lag(self.source, topics, self.group)) if asks else None
            stopping = asyncio.create_task(stop.wait())
            try:
                while (batch := await self._next(batches, stopping)) is not None:
                    await self._within_drain_time(self._batch(batch), stopping)
                    limit = self.options.limit
                    if stop.is_set() or (limit is not None and self.report.consumed >= limit):
                        break
                if not self._commits_at_once:
                    await self._within_drain_time(self._commit(), stopping)
            finally:
                for task in filter(None, (stopping, watching)):
                    task.cancel()
                await batches.aclose()  # type: ignore[attr-defined]
        return self.report

    async def _next(
        self, batches: AsyncIterator[list[Delivery]], stopping: asyncio.Task[bool]
    ) -> list[Delivery] | None:
        """Return the next batch, or None when the recording ends or the pump is stopped."""
        fetching = asyncio.ensure_future(anext(batches, None))
        try:
            await asyncio.wait({fetching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = fetching.done()
            await end(fetching)
        return fetching.result() if ended else None

    async def _within_drain_time(self, work: Awaitable[None], stopping: asyncio.Task[bool]) -> None:
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            done, _ = await asyncio.wait({working}, timeout=None if working.done() else self.options.drain_s)
        finally:
            await end(working)
        if not done:
            raise PumpError(
                9902,
                f"the batch in hand did not end within {self.options.drain_s:g} s",
                hint="what of it was not committed will be delivered again",
            )
        working.result()

    async def _batch(self, batch: list[Delivery]) -> None:
        entries, ids = self._entries(batch)
        fresh = [entry for entry in entries if not entry.duplicate] if self.options.window else entries
        deliveries = batch if fresh is entries else [entry.delivery for entry in fresh]
        started = time.monotonic()
        with batch_span(self.group, deliveries):
            outcomes = await self._handling.outcomes(deliveries)
        metrics.handler_seconds(self.source.kind, self.source.profile, time.monotonic() - started)
        for entry, outcome in zip(fresh, outcomes, strict=True):
            if outcome.reason:
                self._bury(entry, outcome)
            else:
                entry.results = outcome.results
        if await self._settle(entries):
            self._remember(ids)

    def _entries(self, batch: list[Delivery]) -> tuple[list[_Entry], list[str]]:
        """Return the entries of a batch, duplicates marked, and the ids to remember when it is done."""
        entries = [_Entry(delivery) for delivery in batch]
        ids: dict[str, None] = {}
        if self.options.window:
            for entry in entries:
                name = self.options.identity(entry.delivery.envelope)
                entry.duplicate = bool(name) and (name in self._seen or name in ids)
                if name:
                    ids[name] = None
        return entries, list(ids)

    def _remember(self, ids: list[str]) -> None:
        for name in ids:
            self._seen[name] = None
        while len(self._seen) > self.options.window:
            self._seen.popitem(last=False)

    def _bury(self, entry: _Entry, outcome: Outcome) -> None:
        """Let a dead letter take the place of an entry's results: as it is, then bare."""
        limit = self.sink.max_message_bytes
        bare = entry.letters > 0
        entry.results = (dead_letter(entry.delivery, outcome, self.options.dead_letter, limit=limit, bare=bare),)
        entry.letters += 1

    async def _settle(self, entries: list[_Entry], behind: Sequence[_Entry] = ()) -> bool:
        """Produce and acknowledge entries; one by one if a result among them does not fit the broker.

        False if a transaction was given up: they, and those behind them, are delivered again.
        """
        try:
            return await self._settle_together(entries, behind)
        except DriverError as error:
            if error.code not in _UNFIT or (len(entries) == 1 and entries[0].letters > 1):
                raise
            if len(entries) == 1:
                self._bury(entries[0], poison(error))
                return await self._settle(entries, behind)
        for number, entry in enumerate(entries):
            if not await self._settle([entry], [*entries[number + 1 :], *behind]):
                return False
        return True

    async def _settle_together(self, entries: list[_Entry], behind: Sequence[_Entry]) -> bool:
        produced = [result for entry in entries for result in entry.results]
        deliveries = [entry.delivery for entry in entries]
        if self.options.exactly_once:
            if not await self._transact(deliveries, produced, [entry.delivery for entry in behind]):
                return False
        else:
            if produced:
                await self._retried(lambda: self.sink.publish_many(produced))
            await self.source.ack(deliveries)
            await (self._commit() if self._commits_at_once else self.source.commit(wait=False))
        self._count(entries, len(produced))
        return True

    def _count(self, entries: list[_Entry], produced: int) -> None:
        letters = sum(1 for entry in entries if entry.letters)
        duplicates = sum(1 for entry in entries if entry.duplicate)
        self.report.consumed += len(entries)
        self.report.duplicates += duplicates
        self.report.produced += produced
        self.report.dead_lettered += letters
        source, sink = self.source, self.sink
        metrics.count(sink.kind, sink.profile, dead_lettered=letters)
        metrics.count(source.kind, source.profile, duplicates=duplicates)

    async def _commit(self) -> None:
        try:
            await self._retried(self.source.commit)
        except DriverError as error:
            if error.code != 9756:
                raise
            log.warning("%s; the group was rebalanced, its messages come again", error)

    async def _transact(self, batch: list[Delivery], produced: list[Envelope], behind: list[Delivery]) -> bool:
        """Produce and commit in one transaction; False if it had to be given up and all is delivered again."""
        driver = self.source
        try:
            await driver.control("begin_transaction", {"id": self.options.transactional_id})
            if produced:
                await driver.publish_many(produced)
            await driver.ack(batch)
            await driver.control("commit_transaction", {})
        except DriverError as error:
            if error.code == 9759:
                raise
            await self._retried(lambda: driver.control("abort_transaction", {}))
            if error.code in _UNFIT:
                raise
            log.warning("%s; the transaction is given up, its messages come again", error)
            await driver.nack([*batch, *behind])
            self._given_up += 1
            if self._given_up >= self.options.io_attempts:
                raise
            await self._pause(self._given_up)
            return False
        self._given_up = 0
        return True

    async def _retried(self, call: Callable[[], Awaitable[Any]]) -> None:
        for attempt in range(1, self.options.io_attempts + 1):
            try:
                await call()
                return
            except DriverError as error:
                if error.code not in _RETRIED or attempt == self.options.io_attempts:
                    raise
                log.warning("%s; trying again", error)
                await self._pause(attempt)

    async def _pause(self, attempt: int) -> None:
        """Count a retry and wait before it, longer each time; a replay waits for nothing."""
        self.report.retried += 1
        metrics.count(self.source.kind, self.source.profile, retried=1)
        if not self._inline:
            await asyncio.sleep(min(_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S) * random.random())  # noqa: S311
