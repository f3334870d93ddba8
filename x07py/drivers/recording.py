"""The recording backend: passes every operation to a live one and writes what came of it to the cassette.

In mode ``record_missing`` it asks the cassette first. An entry is written before the program sees the result, so a
program never acts on something that a killed recording would not hold.
"""

from __future__ import annotations

import json
import time
from itertools import groupby
from typing import TYPE_CHECKING

from x07py.drivers.base import Delivery, canonical_json
from x07py.drivers.replay import ReplayBackend
from x07py.errors import DriverError, ReplayMismatchError
from x07py.msg import MessageRecord
from x07py.rr import EntryTemplate, Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from x07py.drivers.base import Ack, Backend, Json, Subscription
    from x07py.msg import Envelope
    from x07py.rr import Session
    from x07py.rr.entry import Fields

_MISSES = (2009, 2050)
_ACK_POSITIVE = 1


class RecordingBackend:
    """A live connection whose every operation is recorded.

    Args:
        live: the connection.
        session: an open session in a mode that records.
    """

    def __init__(self, live: Backend, session: Session) -> None:
        self.dialect = live.dialect
        self.profile = live.profile
        self._live = live
        self._session = session
        self._replay = ReplayBackend(live.dialect, live.profile, session) if session.mode.replays else None
        self._templates: dict[tuple[str, str], EntryTemplate] = {}
        self._record_publish = MessageRecord.writer(1, live.dialect.number, live.profile, _ACK_POSITIVE)
        self._record_deliver = MessageRecord.writer(2, live.dialect.number, live.profile, _ACK_POSITIVE)

    async def publish_many(self, envelopes: Sequence[Envelope]) -> Sequence[Ack]:
        """Publish what was not recorded before, record it, and return the confirmations of all in order."""
        known = self._replayed(envelopes)
        rest = envelopes[len(known) :]
        if not rest:
            return known
        started = time.monotonic()
        try:
            acks = await self._live.publish_many(rest)
        except DriverError as error:
            self._write_publishes(rest, None, error, started)
            raise
        self._write_publishes(rest, acks, None, started)
        return [*known, *acks]

    def _replayed(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        acks: list[Ack] = []
        if self._replay is not None:
            for envelope in envelopes:
                try:
                    acks.append(self._replay.publish_one(envelope))
                except ReplayMismatchError as error:
                    if error.code not in _MISSES:
                        raise
                    break
        return acks

    def _write_publishes(
        self, envelopes: Sequence[Envelope], acks: Sequence[Ack] | None, error: DriverError | None, started: float
    ) -> None:
        """Record a batch; a batch that failed is recorded as its first message with the error, which ends the call."""
        ticks = _ticks(started)
        if error is not None:
            req = self._session.sanitize(envelopes[0]).encode()
            template = self._template(self.dialect.publish_op, envelopes[0].topic)
            self._session.record(template, [_error_row(req, error, ticks)])
            return
        pairs = zip(envelopes, acks or (), strict=True)
        for topic, run in groupby(pairs, key=lambda pair: pair[0].topic):
            rows = [self._publish_row(envelope, ack) for envelope, ack in run]
            rows[0] = (*rows[0][:4], ticks)
            self._session.record(self._template(self.dialect.publish_op, topic), rows)
            ticks = 0

    def _publish_row(self, envelope: Envelope, ack: Ack) -> Fields:
        req = self._session.sanitize(envelope).encode()
        return req, self._record_publish(req, ack.text), ack.meta_json, 0, 0

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Yield recorded batches while there are any that were not used, then live ones, recording them."""
        while self._replay is not None and (batch := self._replay.next_batch(subscription)):
            yield batch
        template = self._template(self.dialect.poll_op, subscription.scope())
        req = subscription.request()
        started = time.monotonic()
        live = self._live.consume(subscription)
        try:
            async for batch in live:
                recorded = [self._sanitized(delivery) for delivery in batch]
                self._session.record(template, self._delivery_rows(req, recorded, _ticks(started)))
                yield recorded
                started = time.monotonic()
        except DriverError as error:
            self._session.record(template, [_error_row(req, error, _ticks(started))])
            raise
        finally:
            await live.aclose()  # type: ignore[attr-defined]

    def _sanitized(self, delivery: Delivery) -> Delivery:
        """Return what the program may see: the same as a replay will show it."""
        if not delivery.envelope.headers:  # which are all that a sanitizer changes
            return delivery
        clean = self._session.sanitize(delivery.envelope)
        if clean is delivery.envelope:
            return delivery
        return Delivery.from_broker(clean, delivery.meta_json, delivery.coordinates(self.dialect))

    def _delivery_rows(self, req: bytes, batch: list[Delivery], ticks: int) -> list[Fields]:
        record = self._record_deliver
        rows = [(req, record(delivery.envelope_bytes, b"ACK"), delivery.meta_json, 0, 0) for delivery in batch]
        _, resp, meta, *_ = rows[0]
        joint = b"}" if meta == b"{}" else b"," + meta[1:]
        rows[0] = (req, resp, b'{"batch":%d' % len(batch) + joint, 0, ticks)
        return rows

    async def control(self, op: str, request: Json) -> Json:
        """Carry out the operation, or take its result from the recording, and record it."""
        if self._replay is not None:
            try:
                return await self._replay.control(op, request)
            except ReplayMismatchError as error:
                if error.code not in _MISSES:
                    raise
        started = time.monotonic()
        req = canonical_json(request)
        template = self._template(f"{self.dialect.op_prefix}{op}_v1", "")
        try:
            result = await self._live.control(op, request)
        except DriverError as error:
            self._session.record(template, [_error_row(req, error, _ticks(started))])
            raise
        resp = canonical_json(result)
        self._session.record(template, [Row(req, resp, b"", 0, _ticks(started))])
        return json.loads(resp)

    async def close(self) -> None:
        """Close the live connection."""
        await self._live.close()

    def _template(self, op: str, scope: str) -> EntryTemplate:
        template = self._templates.get((op, scope))
        if template is None:
            template = self._templates[op, scope] = EntryTemplate("rr", op, self.profile, scope)
        return template


def _ticks(started: float) -> int:
    """Return virtual ticks (milliseconds) since `started`."""
    return min(int((time.monotonic() - started) * 1000), 2**32 - 1)


def _error_row(req: bytes, error: DriverError, ticks: int) -> Row:
    code = error.code if isinstance(error.code, int) else 9623
    return Row(req, error.message.encode(), b"", code, ticks)
