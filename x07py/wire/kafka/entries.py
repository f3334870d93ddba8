"""The cassette as Kafka's wire uses it: what any seam recorded can be asked for, whatever client recorded it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from x07py.drivers.base import KAFKA, Subscription, canonical_json
from x07py.errors import CassetteError, CodecError, ReplayMismatchError, UsageError
from x07py.msg import Envelope, MessageRecord, from_native
from x07py.rr import Answer, Mode, Row
from x07py.rr.varying import Varying
from x07py.wire.decoding import document, record
from x07py.wire.kafka.apis import CALLS
from x07py.wire.kafka.recorded import AGAIN, LATE, parts_of
from x07py.wire.matching import PARTS
from x07py.wire.tape import LIBRARY_ERROR, Tape

if TYPE_CHECKING:
    from x07py.drivers.base import Json
    from x07py.errors import X07Error
    from x07py.rr import Session
    from x07py.rr.entry_template import Fields
    from x07py.wire.kafka.batches import Record
    from x07py.wire.kafka.recorded import Parts
    from x07py.wire.matching import Rules

LIBRARY = "kafka"
_MINE = frozenset(
    {"publish_env_v1", "poll_env_v1", "commit_v1", "init_transactions_v1", "commit_transaction_v1"}
    | {"abort_transaction_v1", "send_offsets_to_transaction_v1"}
)
"""Operations of Kafka's that are seen on the wire, whoever recorded them, beside questions, events and admin calls."""


class Entries(Tape):
    """The entries of one open cassette, found, compared and written as stand-in brokers do.

    Args:
        session: the open session.
        rules: matching and filtering.

    Raises:
        UsageError: ``X07_CASSETTE_MODE`` for new_episodes: a broker cannot be half there.
    """

    library = LIBRARY
    dialect = KAFKA

    def __init__(self, session: Session, rules: Rules) -> None:
        super().__init__(session, rules)
        if session.mode is Mode.RECORD_MISSING:
            raise UsageError(
                "X07_CASSETTE_MODE",
                "new_episodes cannot be used with a client on the wire: its broker is recorded or real, not both",
                hint="use mode once, none or all",
            )
        self._changes = tuple(self.operation(f"admin_{call.name}") for call in CALLS.values() if not call.question)
        self.changed: threading.Condition = threading.Condition(self.lock)
        self.compares_all: bool = rules.match_on == PARTS and not rules.before_record and rules.varying == Varying()
        self.holds_own: bool = any(bucket.key == LIBRARY.encode() for bucket in session.ledger.index.buckets)
        self.numbers: dict[str, list[int]] = self._sort() if self.replays else {}

    def _sort(self) -> dict[str, list[int]]:
        """Return the numbers of Kafka's entries by short name of the operation.

        What other seams recorded of calls that never reach a broker as such counts as used.
        """
        found: dict[str, list[int]] = {}
        prefix = self.dialect.op_prefix.encode()
        ledger = self.session.ledger
        names = [
            bucket.op[len(prefix) :].decode() if bucket.op.startswith(prefix) else "" for bucket in ledger.index.buckets
        ]
        for number, place in enumerate(ledger.index.bucket_of):
            name = names[place]
            if name:
                found.setdefault(name, []).append(number)
        for name, numbers in found.items():
            if name not in _MINE and not name.startswith(("query_", "event_")):
                for number in numbers:
                    if self.foreign(number):
                        ledger.use(number)
        return found

    def foreign(self, number: int) -> bool:
        """Tell whether another seam recorded an entry: a driver, or a class-level drop-in."""
        return self.session.ledger.bucket(number).key != LIBRARY.encode()

    def fail(self, error: X07Error) -> None:
        """Let every connection know that no more can be had of the cassette."""
        super().fail(error)
        with self.changed:
            self.changed.notify_all()

    def is_same(self, number: int, envelope: Envelope, encoded: bytes) -> bool:
        """Tell whether entry `number` was recorded of this record, under the rules."""
        return self._is_same(number, envelope, encoded)

    def differs(self, number: int, envelope: Envelope) -> ReplayMismatchError:
        """Return error 2050: entry `number` is not this record."""
        return self._differs(number, self.session.ledger.bucket(number), envelope)

    def envelope_of(self, topic: str, record: Record) -> Envelope:
        """Return a record as it may be compared and written."""
        return self.clean(from_native(topic, record.key, record.value, record.headers))

    def is_open(self, number: int) -> bool:
        """Tell whether everything that was published before entry `number` has been published again."""
        return self.is_due(number)

    def is_settled(self, number: int) -> bool:
        """Tell whether everything that was changed on the broker before entry `number` has been changed again."""
        before = self.session.ledger.first_unused(self._changes)
        return self.is_open(number) and (before is None or before > number)

    def first_closed(self) -> int:
        """Return the number of the first entry that was published and has not been published again."""
        number = self.session.ledger.first_unused(self._before_delivery)
        return len(self.session.ledger) if number is None else number

    def write_rows(self, op: str, scope: str, rows: list[Fields]) -> None:
        """Write entries of one operation and scope."""
        self._write(op, scope, rows)

    def now_ms(self) -> int:
        """Return the clock's time in milliseconds."""
        return int(time.time() * 1000)

    def failed_row(self, request: bytes, meta: Json, error: tuple[int, str]) -> Row:
        """Return a record that the broker refused as it is written.

        Args:
            request: the record.
            meta: where it was published.
            error: number and text of the broker's error.
        """
        detail = {"$error": [error[0], error[1], False, False, False]}
        return Row(request, canonical_json(detail), canonical_json(meta), LIBRARY_ERROR)

    def hiding_row(self, request: bytes, envelope: Envelope, meta: bytes) -> Row:
        """Return a delivery of which something is hidden as it is written."""
        return self.delivery_row(request, envelope, document(meta))

    def write_run(self, scope: str, rows: list[Fields], *, late: bool) -> None:
        """Write messages that came at once; the first says how many they are.

        Args:
            scope: the consumer.
            rows: the messages.
            late: whether it had asked for them before it got its assignment.
        """
        if late:
            rows = [(req, resp, b"{%b,%b" % (LATE, meta[1:]), err, ticks) for req, resp, meta, err, ticks in rows]
        req, resp, meta, err, ticks = rows[0]
        rows[0] = (req, resp, b'{"batch":%d,' % len(rows) + meta[1:], err, ticks)
        self._write(self.dialect.poll_op, scope, rows)

    def subscription(self, sources: tuple[str, ...], group: str) -> bytes:
        """Return what stands as request in the deliveries of a consumer."""
        return Subscription(sources, group, 1).request()

    def take_all(self, numbers: list[int]) -> None:
        """Mark entries as used whose answers nobody needs."""
        with self.lock:
            self.touch()
            self.session.use_all(numbers)

    def recorded_parts(self, number: int) -> Parts:
        """Return key, value and headers of a recorded delivery.

        Raises:
            CassetteError: 2071 if the entry holds no message.
        """
        changed = self._with_new_values if self._renamed or self.names.current else None
        try:
            return parts_of(self.session.ledger.index.resp(number), changed)
        except CodecError as error:
            raise self._no_message(number, error) from None

    def _with_new_values(self, record: bytes) -> Envelope:
        return self.envelope(Answer(record, 0, b"", 0))

    def recorded_topic(self, number: int) -> str:
        """Return the topic of a recorded delivery.

        Raises:
            CassetteError: 2071 if the entry holds no message.
        """
        try:
            return Envelope.decode(MessageRecord.decode(self.session.ledger.index.resp(number)).env).topic
        except CodecError as error:
            raise self._no_message(number, error) from None

    def _no_message(self, number: int, error: CodecError) -> CassetteError:
        where = f"{self.session.config.cassette}, entry {number}"
        return CassetteError(2071, f"a delivery holds no message: {error.message}", where=where)

    def change(self, name: str, scope: str, request: Json) -> dict[str, Json]:
        """Return the recorded answer to a change by an administrator: the last one, if a client had to send it again.

        Raises:
            ReplayMismatchError: 2009 or 2050.
        """
        with self.lock:
            answer = self.recall(name, scope, request)
            said = record(document(answer.resp)) if answer is not None else {}
            while (number := self.peek(self.operation(name), scope)) is not None:
                later = record(document(self.session.ledger.response(number)))
                if not later.pop(AGAIN, False):
                    break
                self.take(number)
                said = later
        return said

    def next_call(self, name: str, request: bytes) -> Answer:
        """Return the next recorded outcome of a transaction's step, whatever seam recorded it, and use it.

        Raises:
            ReplayMismatchError: 2009 if nothing is left, 2050 if another request was recorded.
        """
        ledger = self.session.ledger
        with self.lock:
            left = (number for number in self.numbers.get(f"{name}_v1", []) if not ledger.is_used(number))
            number = next(left, None)
            if number is None:
                raise ledger.missing(self.bucket(self.operation(name), ""))
            if not ledger.index.has_req(number, request) and not self.foreign(number):
                raise ledger.differs(number, self.bucket(self.operation(name), ""), request)
            return self.take(number)
