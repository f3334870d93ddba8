"""The recording backend: passes every operation to a live one and writes what came of it to the cassette.

In mode ``record_missing`` it asks the cassette first. An entry is written before the program sees the result, so a
program never acts on something that a killed recording would not hold.
"""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING

from x07py.drivers.base import Delivery, canonical_json, is_consuming
from x07py.drivers.replay import ReplayBackend
from x07py.errors import DiffersFromRecordingError, DriverError, NothingRecordedError
from x07py.files import load_json
from x07py.msg import MessageRecord
from x07py.rr import EntryTemplate, Row
from x07py.rr.redaction import REDACTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from x07py.drivers.base import Ack, Backend, Dialect, Json, Subscription
    from x07py.msg import Envelope
    from x07py.rr import Session
    from x07py.rr.entry_template import Fields

_ACK_POSITIVE = 1


class RecordingBackend:
    """A live connection whose every operation is recorded.

    Args:
        live: the connection.
        session: an open session in a mode that records.
    """

    def __init__(self, live: Backend, session: Session) -> None:
        self.dialect: Dialect = live.dialect
        self.profile: str = live.profile
        self._live = live
        self._session = session
        self._redaction = session.redaction
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
                except (NothingRecordedError, DiffersFromRecordingError):
                    break
        return acks

    def _write_publishes(
        self, envelopes: Sequence[Envelope], acks: Sequence[Ack] | None, error: DriverError | None, started: float
    ) -> None:
        """Record a batch; a batch that failed is recorded as its first message with the error, which ends the call."""
        ticks = _ticks(started)
        if error is not None:
            req = self._redaction.envelope(envelopes[0]).encode()
            template = self._template(self.dialect.publish_op, envelopes[0].topic)
            self._session.record(template, [self._error_row(req, error, ticks)])
            return
        pairs = zip(envelopes, acks or (), strict=True)
        for topic, run in groupby(pairs, key=lambda pair: pair[0].topic):
            rows = [self._publish_row(envelope, ack) for envelope, ack in run]
            rows[0] = (*rows[0][:4], ticks)
            self._session.record(self._template(self.dialect.publish_op, topic), rows)
            ticks = 0

    def _publish_row(self, envelope: Envelope, ack: Ack) -> Fields:
        req = self._redaction.envelope(envelope).encode()
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
                self._session.record(template, self._delivery_rows(req, batch, _ticks(started)))
                yield batch
                started = time.monotonic()
        except DriverError as error:
            self._session.record(template, [self._error_row(req, error, _ticks(started))])
            raise
        finally:
            await live.aclose()  # type: ignore[attr-defined]

    def _delivery_rows(self, req: bytes, batch: list[Delivery], ticks: int) -> list[Fields]:
        record = self._record_deliver
        rows: list[Fields] = [(req, record(env, b"ACK"), meta, 0, 0) for env, meta in map(self._redacted, batch)]
        _, resp, meta, *_ = rows[0]
        joint = b"}" if meta == b"{}" else b"," + meta[1:]
        rows[0] = (req, resp, b'{"batch":%d' % len(batch) + joint, 0, ticks)
        return rows

    def _redacted(self, delivery: Delivery) -> tuple[bytes, bytes]:
        """Return envelope and metadata as they are written; the metadata says what a replay will not show."""
        clean = self._redaction.envelope(delivery.envelope)
        if clean is delivery.envelope:
            return delivery.envelope_bytes, delivery.meta_json
        meta = {**load_json(delivery.meta_json), REDACTED: self._redaction.hidden_in(clean)}
        return clean.encode(), canonical_json(meta)

    async def control(self, op: str, request: Json) -> Json:
        """Carry out the operation, or take its result from the recording, and record it."""
        if self._replay is not None:
            try:
                return await self._replay.control(op, request)
            except (NothingRecordedError, DiffersFromRecordingError):
                pass  # not recorded yet, so it is done now
        started = time.monotonic()
        req = canonical_json(self._redaction.document(request))
        template = self._template(f"{self.dialect.op_prefix}{op}_v1", "")
        try:
            result = await self._live.control(op, request)
        except DriverError as error:
            self._session.record(template, [self._error_row(req, error, _ticks(started))])
            raise
        resp = canonical_json(self._redaction.document(result))
        self._session.record(template, [Row(req, resp, b"", 0, _ticks(started))])
        return load_json(canonical_json(result))

    def consuming(self) -> bool:
        """Pass on whether the broker lets it consume."""
        return is_consuming(self._live)

    async def keep_alive(self) -> bool:
        """Pass on that the program is at work; that is no operation of its own."""
        return await self._live.keep_alive()

    async def close(self) -> None:
        """Close the live connection."""
        await self._live.close()

    def _error_row(self, req: bytes, error: DriverError, ticks: int) -> Row:
        code = error.code if isinstance(error.code, int) else 9623
        return Row(req, self._redaction.text(error.message).encode(), b"", code, ticks)

    def _template(self, op: str, scope: str) -> EntryTemplate:
        template = self._templates.get((op, scope))
        if template is None:
            template = self._templates[op, scope] = EntryTemplate("rr", op, self.profile, scope)
        return template


def _ticks(started: float) -> int:
    """Return virtual ticks (milliseconds) since `started`."""
    return min(int((time.monotonic() - started) * 1000), 2**32 - 1)
