"""Recorded deliveries that hold the message and nothing else, as the reference's recorder writes them.

Their entries have the message as request and as part of the response: no subscription, no scope, no metadata. So what a
program asks for is compared where the recording can tell (on Kafka the topic stands in the message), batches are as
large as the program allows, and the metadata names what was not recorded.
"""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

from x07py.drivers.base import AMQP, KAFKA, Delivery, Dialect, Json, canonical_json
from x07py.errors import EnvelopeError, OutOfOrderError
from x07py.msg import Envelope, MessageRecord
from x07py.rr import Match
from x07py.rr.index import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.drivers.base import Subscription
    from x07py.rr import Session

_DELIVER = 2
BARE_ACKS = {
    KAFKA.name: canonical_json({"not_recorded": ["offset", "partition"]}),
    AMQP.name: canonical_json({"not_recorded": ["exchange", "routing_key"]}),
}
"""Metadata of a recorded publish whose entry has none."""
_NOT_RECORDED = {
    KAFKA.name: ["group", "offset", "partition", "timestamp_ms"],
    AMQP.name: ["channel", "delivery_tag", "exchange", "queue", "redelivered", "routing_key"],
}


class BareDeliveries:
    """What a session's cassette holds of them for one profile.

    Args:
        dialect: which broker was recorded.
        profile: id of the broker profile.
        session: the open session.
    """

    def __init__(self, dialect: Dialect, profile: str, session: Session) -> None:
        self._session = session
        key = profile.encode("utf-8", "surrogateescape")
        self._bucket = Bucket(b"rr", dialect.poll_op.encode(), key, b"")
        self._read = MessageRecord.reader(_DELIVER, dialect.number, profile)
        self._tells_topic = dialect.coordinates[0] == "topic"
        self._not_recorded = _NOT_RECORDED.get(dialect.name, sorted(dialect.coordinates))

    def next_batch(self, subscription: Subscription) -> list[Delivery] | None:
        """Return the next messages for `subscription`; None if the recording does not go on with such entries.

        Raises:
            OutOfOrderError: 2057 if a transcript goes on with a message of another topic. Nothing is consumed.
        """
        session = self._session
        if not session.mode.replays or self._bucket not in session.ledger.index.ids:
            return None
        if session.config.match is Match.TRANSCRIPT:
            numbers = self._in_order(subscription)
        else:
            own = self._bucket._replace(scope=subscription.scope().encode("utf-8", "surrogateescape"))
            numbers = self._anywhere(subscription) if session.ledger.next_in(own) is None else None
        if numbers is None:
            return None
        return [self._delivery(number) for number in list(islice(numbers, subscription.max_items))]

    def _anywhere(self, subscription: Subscription) -> Iterator[int] | None:
        """Return the unused entries that fit; None if the first unused one says what was subscribed to."""
        ledger = self._session.ledger
        first = ledger.next_in(self._bucket)
        if first is None or not self._is_bare(first):
            return None
        topics = dict.fromkeys((*subscription.sources, ""))
        return filter(self._is_bare, merge(*(ledger.in_lane(self._bucket, topic, self._topic) for topic in topics)))

    def _in_order(self, subscription: Subscription) -> Iterator[int] | None:
        ledger = self._session.ledger
        first = ledger.used
        if not self._fits(first, subscription):
            if first < len(ledger) and self._is_bare(first):
                raise OutOfOrderError(
                    2057,
                    f"the program consumes {', '.join(subscription.sources)}, the recording goes on with a message of "
                    f"{self._topic(ledger.request(first))}",
                    where=f"{ledger.name}, entry {first}",
                    hint="the program does things in another order than when it was recorded",
                )
            return None
        return self._run(first, subscription)

    def _run(self, first: int, subscription: Subscription) -> Iterator[int]:
        while self._fits(first, subscription):
            yield first
            first += 1

    def _fits(self, number: int, subscription: Subscription) -> bool:
        ledger = self._session.ledger
        if number >= len(ledger) or not self._is_bare(number):
            return False
        return self._topic(ledger.request(number)) in ("", *subscription.sources)

    def _is_bare(self, number: int) -> bool:
        ledger = self._session.ledger
        if ledger.bucket(number) != self._bucket:
            return False
        found = self._read(ledger.response(number))
        return found is not None and found[0] == ledger.request(number)

    def _topic(self, envelope: bytes) -> str:
        """Return the topic of a message, or nothing where it cannot tell what was subscribed to."""
        if not self._tells_topic:
            return ""
        try:
            return Envelope.decode(envelope).topic
        except EnvelopeError:
            return ""

    def _delivery(self, number: int) -> Delivery:
        envelope = self._session.ledger.request(number)
        meta: dict[str, Json] = {"not_recorded": self._not_recorded}
        topic = self._topic(envelope)
        if topic:
            meta["topic"] = topic
        self._session.use(number)
        return Delivery.from_recording(envelope, canonical_json(meta))
