"""The adapter loop: batches in, a handler, batches out, and nothing acknowledged before its results are stored.

The handler is a plain function from an envelope to envelopes, or a coroutine function. A plain one runs in a thread,
one hop a batch, so that a slow one does not stop heartbeats. What it has ended with is produced and acknowledged once a
second while it goes on with the batch, in the order of the deliveries; a quick batch is one step. In a transaction, and
where a recording has to come out the same whatever the clock says, a batch is settled whole.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from x07py import metrics
from x07py.contracts.loader import find_root
from x07py.contracts.service import read_service
from x07py.drivers.open import simulation
from x07py.drivers.tracing import batch_span
from x07py.errors import PumpError
from x07py.pumping.draining import end, signals_set
from x07py.pumping.handling import Handling
from x07py.pumping.health import Health, told
from x07py.pumping.lag import watch_lag
from x07py.pumping.options import PumpOptions, PumpReport, by_manifest
from x07py.pumping.settling import Entry, Settling
from x07py.pumping.work import Work
from x07py.rr import current_session
from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable

    from x07py.contracts.service import Probes
    from x07py.drivers import Delivery, Driver
    from x07py.pumping.options import Handler

log: logging.Logger = logging.getLogger("x07py.pump")

_TICK_S = 1.0
_LONGEST_MESSAGE_S = 300.0
"""For how long a handler that ends with no message is taken to be at work; then the group may have its partitions."""


async def pump(
    source: Driver,
    handler: Handler,
    sink: Driver | None = None,
    *,
    topics: Iterable[str] = (),
    group: str = "",
    stop: asyncio.Event | None = None,
    options: PumpOptions | None = None,
    service: str = "",
) -> PumpReport:
    """Consume, handle, produce, acknowledge, until stopped; a replay ends with its recording.

    SIGTERM and SIGINT stop it when it runs in the main thread: it asks for no more batches, finishes and commits the
    one in hand, and returns the report. If that takes longer than a second, messages that the handler has not begun
    with are given back.

    Args:
        source: where messages come from.
        handler: function from an envelope to envelopes, to one, or to None; or a coroutine function of the kind, which
            runs on the event loop, `PumpOptions.workers` messages at a time.
        sink: where results go; the source if None.
        topics: topics or queues to consume.
        group: consumer group, on Kafka.
        stop: set it to stop the pump.
        options: what to do when something goes wrong.
        service: id of a manifest in ``arch/msg/services``, which says topics, group, dead letters, batches, drain time
            and exactly-once in place of these arguments, and where probes are answered.

    Returns:
        Counts of what was done.

    Raises:
        PumpError: 9900 options that contradict each other; 9901 the handler failed and there is no dead-letter topic;
            9902 the batch in hand did not end in time after the request to stop; 9903 the handler returned
            something else than envelopes; 9905 the port for probes is taken.
        ContractError: 9904 there is no such service, or its manifest cannot be used.
        DriverError: what a broker refuses for good, or for longer than the attempts last.
    """
    chosen, names, probes = options or PumpOptions(), tuple(topics), None
    if service:
        manifest = read_service(find_root(), service)
        chosen, names, group = by_manifest(manifest, source, chosen, names, group)
        probes = manifest.probes
    if not names:
        raise PumpError(9900, "a pump of no topic", hint="give topics, or the id of a service")
    chosen.check()
    target = sink or source
    if chosen.exactly_once and (source.kind != "kafka" or target is not source):
        raise PumpError(9900, "exactly-once needs one Kafka driver as source and sink", hint="leave sink away")
    return await _Pump(source, handler, target, group, chosen, probes).run(names, stop or asyncio.Event())


class _Pump:
    def __init__(
        self,
        source: Driver,
        handler: Handler,
        sink: Driver,
        group: str,
        options: PumpOptions,
        probes: Probes | None,
    ) -> None:
        self.source, self.group, self.options = source, group, options
        self.report = PumpReport()
        inline = current_world().solve
        self._recorded = current_session() is not None
        self._whole = self._recorded or inline or options.exactly_once
        self._handling = Handling(handler, sink.check, options, inline=inline)
        self._commits_at_once = self._recorded or source.kind != "kafka"
        self._store = None if inline else options.store
        self._identified = bool(options.window) or self._store is not None
        self._settling = Settling(
            source, sink, options, self.report, at_once=self._commits_at_once, waits=not inline, store=self._store
        )
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._stop = asyncio.Event()
        self._topics: tuple[str, ...] = ()
        self._probes = None if inline or self._recorded or simulation.get() is not None else probes
        self._health: Health | None = None

    async def run(self, topics: tuple[str, ...], stop: asyncio.Event) -> PumpReport:
        self._stop, self._topics = stop, topics
        if self.options.exactly_once:
            await self.source.control("init_transactions", {"id": self.options.transactional_id})
        batches = self.source.consume(topics, group=self.group, max_items=self.options.max_items)
        with signals_set(stop):
            if self._probes is None:
                return await self._run(batches, topics, stop)
            self._health = Health(self.source, stop, self._probes.stall_s)
            async with told(self._health, self._probes):
                return await self._run(batches, topics, stop)

    async def _run(
        self, batches: AsyncIterator[list[Delivery]], topics: tuple[str, ...], stop: asyncio.Event
    ) -> PumpReport:
        # asking for the lag while recording would be recorded, and no replay asks at the same time
        asks = self.source.kind == "kafka" and not self._recorded
        watching = asyncio.create_task(watch_lag(self.source, topics, self.group)) if asks else None
        stopping = asyncio.create_task(stop.wait())
        try:
            while (batch := await self._next(batches, stopping)) is not None:
                await self._within_drain_time(self._batch(batch), stopping)
                if stop.is_set() or self._room() == 0:
                    break
            if not self._commits_at_once:
                await self._within_drain_time(self._settling.commit(), stopping)
        finally:
            for task in filter(None, (stopping, watching)):
                task.cancel()
            await batches.aclose()  # type: ignore[attr-defined]
        return self.report

    def _room(self) -> int | None:
        """Return how many messages the limit leaves, None if there is no limit."""
        limit = self.options.limit
        return None if limit is None else max(limit - self.report.consumed, 0)

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
        over = batch[room:] if (room := self._room()) is not None else []
        if over:
            await self.source.nack(over)
            batch = batch[:room]
        entries = await self._entries(batch)
        fresh = [entry for entry in entries if not entry.finished] if self._identified else entries
        if fresh:
            await self._handle(fresh, entries)
        done = [entry for entry in entries if entry.finished and not entry.settled]
        rest = [entry for entry in entries if not entry.finished]
        if done and not await self._settling.settle(done, rest):
            return
        self._remember(done)
        if rest:
            await self.source.nack([entry.delivery for entry in rest])

    async def _handle(self, fresh: list[Entry], entries: list[Entry]) -> None:
        """Run the handler; meanwhile settle what it has ended with, and say that the pump is at work."""
        deliveries = [entry.delivery for entry in fresh]
        kind, profile = self.source.kind, self.source.profile
        started = moved = time.monotonic()
        finished, stalled = 0, self.options.stall_s
        with batch_span(kind, self._topics, self.group, deliveries):
            self._tell_work()
            work = Work(self._handling, deliveries, self.options.workers)
            try:
                while not await work.wait(min(_TICK_S, self.options.stall_s)):
                    now = time.monotonic()
                    if work.finished() > finished:
                        finished, moved = work.finished(), now
                        self._tell_work()
                    if now - started >= stalled:
                        stalled += self.options.stall_s
                        metrics.stalled(kind, profile, now - started)
                        about = deliveries[0].meta
                        log.warning(
                            "the handler has not finished a batch after %.0f s; it begins with %s", now - started, about
                        )
                    if now - moved < _LONGEST_MESSAGE_S:
                        await self._stay(work)
                    if not self._whole:
                        await self._settle_early(work, fresh, entries)
            finally:
                work.abandon()
                metrics.stalled(kind, profile, 0)
                if self._health is not None:
                    self._health.idle()
            self._note(work, fresh)
        metrics.handler_seconds(kind, profile, time.monotonic() - started)

    def _tell_work(self) -> None:
        if self._health is not None:
            self._health.at_work()

    async def _stay(self, work: Work) -> None:
        """Stay a consumer; begin with nothing more where the broker, or who stops the pump, will not wait for it."""
        in_time = await self.source.keep_alive()
        if not self._recorded and (self._stop.is_set() or not in_time):
            work.cut()

    async def _settle_early(self, work: Work, fresh: list[Entry], entries: list[Entry]) -> None:
        self._note(work, fresh)
        done = [entry for entry in entries if entry.finished and not entry.settled]
        if done and await self._settling.settle(done):
            self._remember(done)

    def _note(self, work: Work, fresh: list[Entry]) -> None:
        for number, outcome in work.take():
            self._settling.note(fresh[number], outcome)

    async def _entries(self, batch: list[Delivery]) -> list[Entry]:
        """Return the entries of a batch; duplicates are marked, and have the results that are recorded of them."""
        entries = [Entry(delivery) for delivery in batch]
        if self._identified:
            names: set[str] = set()
            for entry in entries:
                entry.name = self.options.identity(entry.delivery.envelope)
                if entry.name:
                    entry.duplicate = entry.finished = entry.name in self._seen or entry.name in names
                    names.add(entry.name)
        if self._store is not None:
            fresh = {entry.name: entry for entry in entries if entry.name and not entry.duplicate}
            for name, results in (await asyncio.to_thread(self._store.find, list(fresh))).items():
                entry = fresh[name]
                entry.results, entry.duplicate, entry.finished = results, True, True
        return entries

    def _remember(self, done: list[Entry]) -> None:
        if self.options.window:
            for entry in done:
                if entry.name:
                    self._seen[entry.name] = None
            while len(self._seen) > self.options.window:
                self._seen.popitem(last=False)
