"""The replaying backend: answers every operation from a cassette, without a network."""

from __future__ import annotations

import asyncio
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Never

from x07py.drivers.bare import BARE_ACKS, BareDeliveries
from x07py.drivers.base import Ack, Delivery, Json, canonical_json
from x07py.errors import DriverError, NothingRecordedError, X07Error, error_of
from x07py.files import load_json
from x07py.msg import MessageRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from x07py.drivers.base import Dialect, Subscription
    from x07py.msg import Envelope
    from x07py.rr import Answer, Session

_PUBLISH, _DELIVER = 1, 2
_BATCH_HEAD = b'{"batch":'


class ReplayBackend:
    """A recorded connection. Yields to the event loop at each operation, as a live one would.

    Args:
        dialect: which broker was recorded.
        profile: id of the broker profile; it is the key of every entry.
        session: the open session.
    """

    def __init__(self, dialect: Dialect, profile: str, session: Session) -> None:
        self.dialect = dialect
        self.profile = profile
        self._session = session
        self._read_publish = MessageRecord.reader(_PUBLISH, dialect.number, profile)
        self._read_deliver = MessageRecord.reader(_DELIVER, dialect.number, profile)
        self._bare_ack = BARE_ACKS.get(dialect.name, b"")
        self._bare = BareDeliveries(dialect, profile, session)

    async def publish_many(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        """Compare each message with the recorded one and return the recorded confirmations.

        Raises:
            ReplayMismatchError: 2009 to 2011, 2050, 2057.
            DriverError: the recorded error; 9612 if a recording does not fit the call.
            RecordError: 9603 or 9604 if a recording is malformed.
        """
        await asyncio.sleep(0)
        acks: list[Ack] = []
        for topic, run in groupby(envelopes, key=attrgetter("topic")):
            requests = [self._session.redaction.envelope(envelope).encode() for envelope in run]
            answers = self._session.next_each("rr", self.dialect.publish_op, self.profile, requests, scope=topic)
            acks += [self._ack(answer) for answer in answers]
        return acks

    def publish_one(self, envelope: Envelope) -> Ack:
        """Replay one publish; raises as `publish_many`."""
        req = self._session.redaction.envelope(envelope).encode()
        return self._ack(self._session.next("rr", self.dialect.publish_op, self.profile, scope=envelope.topic, req=req))

    def _ack(self, answer: Answer) -> Ack:
        _, ack = self._read_publish(answer.resp) or self._misfit(answer)
        return Ack(ack, answer.meta or self._bare_ack)

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Yield the recorded batches, with the boundaries that they had, until there are no more.

        Raises:
            ReplayMismatchError: 2010, 2011, 2050 or 2057 if the recording goes on with something else.
            DriverError: as `publish_many`.
        """
        while True:
            await asyncio.sleep(0)
            batch = self.next_batch(subscription)
            if not batch:
                return
            yield batch

    def next_batch(self, subscription: Subscription) -> list[Delivery]:
        """Return the next recorded batch, or nothing at the end of the recording; raises as `consume`."""
        req, scope, op = subscription.request(), subscription.scope(), self.dialect.poll_op
        bare = self._bare.next_batch(subscription)
        if bare is not None:
            return bare
        try:
            first = self._session.next("rr", op, self.profile, scope=scope, req=req)
        except NothingRecordedError:
            return []
        if first.err:
            raise self._recorded_error(first)
        size, meta = _split_batch(first.meta, subscription.max_items)
        answers = [first._replace(meta=meta), *self._session.follow(first, req, size - 1)]
        read = self._read_deliver
        return [
            Delivery.from_recording((read(answer.resp) or self._misfit(answer))[0], answer.meta) for answer in answers
        ]

    async def control(self, op: str, request: Json) -> Json:
        """Compare the request with the recorded one and return the recorded result; raises as `publish_many`."""
        await asyncio.sleep(0)
        req = canonical_json(self._session.redaction.document(request))
        answer = self._session.next("rr", f"{self.dialect.op_prefix}{op}_v1", self.profile, req=req)
        if answer.err:
            raise self._recorded_error(answer)
        try:
            return load_json(answer.resp)
        except ValueError:
            raise DriverError(
                9612,
                "the recording does not fit the call: its response is not JSON",
                where=f"entry {answer.number}",
                hint="the cassette was damaged or made by another tool",
            ) from None

    async def keep_alive(self) -> bool:
        """Do nothing: a recording waits for ever."""
        return True

    async def close(self) -> None:
        """Do nothing: a recording holds no connection."""

    def _misfit(self, answer: Answer) -> Never:
        """Raise what is wrong with an answer that is no record of this call."""
        if answer.err:
            raise self._recorded_error(answer)
        record = MessageRecord.decode(answer.resp)
        raise DriverError(
            9612,
            "the recording does not fit the call",
            where=f"entry {answer.number}: operation {record.op_tag}, driver {record.driver_kind}, "
            f"endpoint {record.endpoint_hash!r}",
            hint="the cassette is of another broker or profile",
        )

    def _recorded_error(self, answer: Answer) -> X07Error:
        message = answer.resp.decode("utf-8", "replace")
        return error_of(answer.err, message, hint="this error was recorded from a live broker")


def _split_batch(meta: bytes, default: int) -> tuple[int, bytes]:
    """Return the size of the batch that the metadata of its first delivery states, and the metadata without it."""
    if not meta.startswith(_BATCH_HEAD):
        return default, meta
    size, comma, rest = meta[len(_BATCH_HEAD) :].partition(b",")
    size = size.rstrip(b"}")
    if not size.isdigit():
        return default, meta
    return int(size), b"{" + rest if comma else b""
