"""What the handler has ended with, produced and acknowledged: nothing is done before its results are stored."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from x07py import metrics
from x07py.errors import CommitFailedError, DriverError, FencedError, MessageRejectedError
from x07py.pumping.dead_letters import dead_letter, postponed
from x07py.pumping.handling import poison

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from x07py.drivers import Delivery, Driver
    from x07py.msg import Envelope
    from x07py.pumping.handling import Outcome
    from x07py.pumping.options import PumpOptions, PumpReport
    from x07py.pumping.stores import Store

log: logging.Logger = logging.getLogger("x07py.pump")

_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0


@dataclass(slots=True)
class Entry:
    """A delivery with what is to be produced for it, and how often that was replaced by a dead letter."""

    delivery: Delivery
    name: str = ""
    results: Sequence[Envelope] = ()
    letters: int = 0
    postponed: bool = False
    duplicate: bool = False
    finished: bool = False
    """Whether the handler has ended with it, or need not begin."""
    settled: bool = False


class Settling:
    """The broker's side of a pump.

    Args:
        source: where messages come from.
        sink: where results go.
        options: the pump's.
        report: is counted in.
        at_once: wait for each commit.
        waits: whether time passes; a replay waits for nothing.
        store: where results are recorded before they are published.
    """

    def __init__(
        self,
        source: Driver,
        sink: Driver,
        options: PumpOptions,
        report: PumpReport,
        *,
        at_once: bool,
        waits: bool,
        store: Store | None,
    ) -> None:
        self._source, self._sink, self._options, self._report = source, sink, options, report
        self._at_once, self._waits, self._store = at_once, waits, store
        self._given_up = 0

    def note(self, entry: Entry, outcome: Outcome) -> None:
        """Take what has come of a message."""
        entry.finished = True
        if outcome.reason:
            self._bury(entry, outcome)
        else:
            entry.results = outcome.results

    def _bury(self, entry: Entry, outcome: Outcome) -> None:
        """Let a letter take the place of an entry's results: to the retry topic, as it is to the dead letters, bare."""
        limit, options = self._sink.max_message_bytes, self._options
        if outcome.passing and options.retry_topic:
            again = postponed(entry.delivery, outcome, options.retry_topic, rounds=options.retry_rounds, limit=limit)
            if again is not None:
                entry.results, entry.postponed = (again,), True
                return
        bare, entry.postponed = entry.letters > 0, False
        entry.results = (dead_letter(entry.delivery, outcome, options.dead_letter, limit=limit, bare=bare),)
        entry.letters += 1

    async def settle(self, entries: list[Entry], behind: Sequence[Entry] = ()) -> bool:
        """Produce and acknowledge entries; one by one if a result among them does not fit the broker.

        False if a transaction was given up: they, and those behind them, are delivered again.
        """
        try:
            return await self._together(entries, behind)
        except MessageRejectedError as error:
            if len(entries) == 1 and entries[0].letters > 1:
                raise
            if len(entries) == 1:
                self._bury(entries[0], poison(error))
                return await self.settle(entries, behind)
        for number, entry in enumerate(entries):
            if not await self.settle([entry], [*entries[number + 1 :], *behind]):
                return False
        return True

    async def _together(self, entries: list[Entry], behind: Sequence[Entry]) -> bool:
        if self._store is not None:
            new = {entry.name: entry.results for entry in entries if entry.name and not entry.duplicate}
            await asyncio.to_thread(self._store.record, new)
        produced = [result for entry in entries for result in entry.results]
        deliveries = [entry.delivery for entry in entries]
        if self._options.exactly_once:
            if not await self._transact(deliveries, produced, [entry.delivery for entry in behind]):
                return False
        else:
            if produced:
                await self._retried(lambda: self._sink.publish_many(produced))
            await self._source.ack(deliveries)
            if self._at_once:
                await self.commit()
            else:
                await self._source.commit(wait=False, interval_s=self._options.commit_interval_s)
        self._count(entries, len(produced))
        return True

    def _count(self, entries: list[Entry], produced: int) -> None:
        letters = duplicates = 0
        for entry in entries:
            entry.settled = True
            letters += entry.letters > 0
            duplicates += entry.duplicate
            self._report.postponed += entry.postponed
        self._report.consumed += len(entries)
        self._report.duplicates += duplicates
        self._report.produced += produced
        self._report.dead_lettered += letters
        source, sink = self._source, self._sink
        metrics.count(sink.kind, sink.profile, dead_lettered=letters)
        metrics.count(source.kind, source.profile, duplicates=duplicates)

    async def commit(self) -> None:
        """Commit what is done, and wait for it; what a rebalance has taken away comes again."""
        try:
            await self._retried(self._source.commit)
        except CommitFailedError as error:
            log.warning("%s; the group was rebalanced, its messages come again", error)

    async def _transact(self, batch: list[Delivery], produced: list[Envelope], behind: list[Delivery]) -> bool:
        """Produce and commit in one transaction; False if it had to be given up and all is delivered again."""
        driver = self._source
        try:
            await driver.control("begin_transaction", {"id": self._options.transactional_id})
            if produced:
                await driver.publish_many(produced)
            await driver.ack(batch)
            await driver.control("commit_transaction", {})
        except FencedError:
            raise
        except DriverError as error:
            await self._retried(lambda: driver.control("abort_transaction", {}))
            if isinstance(error, MessageRejectedError):
                raise
            log.warning("%s; the transaction is given up, its messages come again", error)
            await driver.nack([*batch, *behind])
            self._given_up += 1
            if self._given_up >= self._options.io_attempts:
                raise
            await self._pause(self._given_up)
            return False
        self._given_up = 0
        return True

    async def _retried(self, call: Callable[[], Awaitable[Any]]) -> None:
        for attempt in range(1, self._options.io_attempts + 1):
            try:
                await call()
                return
            except DriverError as error:
                if not error.retryable or attempt == self._options.io_attempts:
                    raise
                log.warning("%s; trying again", error)
                await self._pause(attempt)

    async def _pause(self, attempt: int) -> None:
        """Count a retry and wait before it, longer each time; a replay waits for nothing."""
        self._report.retried += 1
        metrics.count(self._source.kind, self._source.profile, retried=1)
        if self._waits:
            await asyncio.sleep(min(_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S) * random.random())  # noqa: S311
