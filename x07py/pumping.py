"""The adapter loop: batches in, a pure handler, batches out, and nothing acknowledged before its results are stored.

The handler is a plain function from an envelope to envelopes. It runs in a thread, one hop a batch, so that a slow one
does not stop heartbeats; results and acknowledgements keep the order of the deliveries. A batch is finished before the
next one is asked for, so at a rebalance nothing is half done.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import signal
import time
import traceback
from collections import OrderedDict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from x07py import metrics
from x07py.drivers.tracing import batch_span, follow_trace
from x07py.errors import DriverError, PumpError
from x07py.msg import Envelope
from x07py.rr import current_session
from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence

    from x07py.drivers import Delivery, Driver

    Handler = Callable[[Envelope], Iterable[Envelope]]

log = logging.getLogger("x07py.pump")

_RETRIED = frozenset({9751, 9752, 9757, 9851, 9852})
_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_LAG_EVERY_S = 30.0


class _Outcome(NamedTuple):
    """What came of one delivery: its results, or the error that the handler raised, as text."""

    results: list[Envelope]
    reason: str = ""
    digest: str = ""


@dataclass(slots=True)
class PumpReport:
    """How many messages were consumed, produced, dead-lettered, left out as duplicates; how often I/O was retried."""

    consumed: int = 0
    produced: int = 0
    dead_lettered: int = 0
    duplicates: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpOptions:
    """How a pump treats what goes wrong.

    Args:
        dead_letter: topic, or queue, for messages that the handler cannot take; without one such a message stops the
            pump.
        exactly_once: consume, produce and commit in one Kafka transaction a batch; source and sink are one driver.
        transactional_id: name of this instance for exactly-once, the same after a restart and no other instance's; with
            one, a restart need not wait for the transaction of its predecessor to time out.
        workers: threads that run the handler; messages of one key stay in order.
        window: how many message ids are remembered, to leave out what comes twice; 0 remembers none.
        identity: the id of a message; an empty one is not remembered.
        io_attempts: how often a broker operation is tried before its error ends the pump.
        drain_s: seconds that the batch in hand may take after the request to stop.
        stall_s: seconds after which a handler that has not finished is logged as stalled.
        limit: stop after so many messages.
    """

    dead_letter: str = ""
    exactly_once: bool = False
    transactional_id: str = ""
    workers: int = 1
    window: int = 0
    identity: Callable[[Envelope], str] = field(default=lambda envelope: envelope.headers.get("ce_id", ""))
    io_attempts: int = 8
    drain_s: float = 30.0
    stall_s: float = 30.0
    limit: int | None = None


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
        self.source, self.handler, self.sink, self.group, self.options = source, handler, sink, group, options
        self.report = PumpReport()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._inline = current_world().solve
        self._given_up = 0

    async def run(self, topics: tuple[str, ...], stop: asyncio.Event) -> PumpReport:
        if self.options.exactly_once:
            await self.source.control("init_transactions", {"id": self.options.transactional_id})
        batches = self.source.consume(topics, group=self.group)
        with _signals_set(stop):
            watching = asyncio.create_task(self._watch_lag(topics)) if self._may_ask_for_lag() else None
            stopping = asyncio.create_task(stop.wait())
            try:
                while (batch := await self._next(batches, stopping)) is not None:
                    await self._within_drain_time(self._batch(batch), stopping)
                    limit = self.options.limit
                    if stop.is_set() or (limit is not None and self.report.consumed >= limit):
                        break
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
            await _end(fetching)
        return fetching.result() if ended else None

    async def _within_drain_time(self, work: Awaitable[None], stopping: asyncio.Task[bool]) -> None:
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            done, _ = await asyncio.wait({working}, timeout=None if working.done() else self.options.drain_s)
        finally:
            await _end(working)
        if not done:
            raise PumpError(
                9902,
                f"the batch in hand did not end within {self.options.drain_s:g} s",
                hint="what of it was not committed will be delivered again",
            )
        working.result()

    async def _batch(self, batch: list[Delivery]) -> None:
        fresh, ids = self._without_duplicates(batch)
        with batch_span(self.group, fresh):
            outcomes = await self._handled(fresh)
        produced: list[Envelope] = []
        letters = 0
        for delivery, outcome in zip(fresh, outcomes, strict=True):
            if outcome.reason:
                produced.append(self._dead_letter(delivery, outcome))
                letters += 1
            else:
                produced += outcome.results
        before = self.report.retried
        if self.options.exactly_once:
            if not await self._transact(batch, produced):
                return
        else:
            if produced:
                await self._retried(lambda: self.sink.publish_many(produced))
            await self.source.ack(batch)
            await self._commit()
        self._remember(ids)
        self.report.consumed += len(batch)
        self.report.duplicates += len(batch) - len(fresh)
        self.report.produced += len(produced)
        self.report.dead_lettered += letters
        source, sink = self.source, self.sink
        metrics.count(sink.kind, sink.profile, produced=len(produced), dead_lettered=letters)
        metrics.count(
            source.kind,
            source.profile,
            consumed=len(batch),
            acked=len(batch),
            duplicates=len(batch) - len(fresh),
            retried=self.report.retried - before,
        )

    async def _commit(self) -> None:
        try:
            await self._retried(self.source.commit)
        except DriverError as error:
            if error.code != 9756:
                raise
            log.warning("%s; the group was rebalanced, its messages come again", error)

    def _without_duplicates(self, batch: list[Delivery]) -> tuple[list[Delivery], list[str]]:
        if not self.options.window:
            return batch, []
        fresh: list[Delivery] = []
        ids: dict[str, None] = {}
        for delivery in batch:
            name = self.options.identity(delivery.envelope)
            if name and (name in self._seen or name in ids):
                continue
            fresh.append(delivery)
            if name:
                ids[name] = None
        return fresh, list(ids)

    def _remember(self, ids: list[str]) -> None:
        for name in ids:
            self._seen[name] = None
        while len(self._seen) > self.options.window:
            self._seen.popitem(last=False)

    async def _handled(self, batch: list[Delivery]) -> list[_Outcome]:
        """Run the handler over a batch; in a solve world, where nothing waits, without a thread."""
        started = time.monotonic()
        workers = self.options.workers
        if self._inline:
            outcomes = self._handle(batch)
        elif workers == 1:
            [outcomes] = await self._watched([asyncio.to_thread(self._handle, batch)], batch)
        else:
            lanes: list[list[int]] = [[] for _ in range(workers)]
            for number, delivery in enumerate(batch):
                lanes[crc32(delivery.envelope.key) % workers].append(number)
            lanes = [lane for lane in lanes if lane]
            parts = await self._watched(
                [asyncio.to_thread(self._handle, [batch[number] for number in lane]) for lane in lanes], batch
            )
            placed: dict[int, _Outcome] = {}
            for lane, part in zip(lanes, parts, strict=True):
                placed.update(zip(lane, part, strict=True))
            outcomes = [placed[number] for number in range(len(batch))]
        metrics.handler_seconds(self.source.kind, self.source.profile, time.monotonic() - started)
        return outcomes

    async def _watched(self, calls: list[Any], batch: list[Delivery]) -> list[list[_Outcome]]:
        working = asyncio.gather(*calls)
        waited = 0.0
        while not (await asyncio.wait({working}, timeout=self.options.stall_s))[0]:
            waited += self.options.stall_s
            log.warning("the handler has not finished a batch after %.0f s; it begins with %s", waited, batch[0].meta)
        return working.result()

    def _handle(self, batch: Sequence[Delivery]) -> list[_Outcome]:
        outcomes = []
        handler = self.handler
        for delivery in batch:
            try:
                envelope = delivery.envelope
                results = [*handler(envelope)]
                for number, result in enumerate(results):
                    if not isinstance(result, Envelope):
                        raise PumpError(
                            9903,
                            f"the handler returned {type(result).__name__}, not Envelope",
                            hint="return an iterable of envelopes",
                        )
                    self.sink.check(result)
                    results[number] = follow_trace(envelope, result)
                outcomes.append(_Outcome(results))
            except PumpError:
                raise
            except Exception as error:  # noqa: BLE001  (whatever a handler raises makes the message poison)
                outcomes.append(_poison(error))
        return outcomes

    def _dead_letter(self, delivery: Delivery, outcome: _Outcome) -> Envelope:
        envelope = delivery.envelope
        place = {name.replace("_", "-"): str(value) for name, value in delivery.meta.items()}
        if not self.options.dead_letter:
            raise PumpError(
                9901,
                f"the handler failed: {outcome.reason}",
                where=", ".join(f"{name} {value}" for name, value in place.items()),
                hint="name a dead_letter topic, or let the handler take such a message",
            )
        about = {f"x07-dead-{name}": value for name, value in place.items()}
        about["x07-dead-reason"], about["x07-dead-traceback-sha256"] = outcome.reason, outcome.digest
        headers = {name: text for name, text in envelope.headers.items() if name != "x07-exchange"}
        letter = Envelope(self.options.dead_letter, envelope.key, envelope.value, {**headers, **about})
        if letter.size <= self.sink.max_message_bytes:
            return letter
        about["x07-dead-value-sha256"] = hashlib.sha256(envelope.value).hexdigest()
        return Envelope(self.options.dead_letter, envelope.key, b"", about)

    async def _transact(self, batch: list[Delivery], produced: list[Envelope]) -> bool:
        """Produce and commit in one transaction; False if it had to be given up and the batch is delivered again."""
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
            log.warning("%s; the transaction is given up, its messages come again", error)
            await self._retried(lambda: driver.control("abort_transaction", {}))
            await driver.nack(batch)
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
        if not self._inline:
            await asyncio.sleep(min(_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S) * random.random())  # noqa: S311

    def _may_ask_for_lag(self) -> bool:
        """Tell whether asking now and then is harmless: not while recording, for no replay would ask at that time."""
        return self.source.kind == "kafka" and current_session() is None

    async def _watch_lag(self, topics: tuple[str, ...]) -> None:
        last = 0
        while True:
            await asyncio.sleep(_LAG_EVERY_S)
            with suppress(DriverError):
                found = await self.source.lag(topics, group=self.group)
                metrics.lag(self.group, found)
                behind = sum(found.values())
                if behind > last:
                    log.warning(
                        "group %s is %d messages behind, %d more than before", self.group, behind, behind - last
                    )
                last = behind


async def _end(task: asyncio.Future[Any]) -> None:
    """Cancel a task that has not ended, and wait until it has."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})


def _poison(error: Exception) -> _Outcome:
    frames = traceback.extract_tb(error.__traceback__)
    places = "".join(f"{frame.name}:{frame.line}\n" for frame in frames[1:])
    digest = hashlib.sha256(f"{places}{type(error).__name__}: {error}".encode("utf-8", "replace")).hexdigest()
    reason = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()
    return _Outcome([], reason[:1000], digest)


@contextmanager
def _signals_set(event: asyncio.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set an event while the block runs, if this is the main thread's loop."""
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, event.set)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
