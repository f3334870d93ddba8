"""The tape: one cassette as the drop-ins use it, thread-safe, with matching by parts of a message.

A drop-in differs from a driver in two ways. Programs that were not written for x07py publish from several threads or
tasks at once, so only the order that Kafka itself promises is asked for: messages of one topic and key. And they poll
in loops, so a delivery is given only after everything that had been published before it was published again; a program
that answers its own messages would otherwise see the answer before the question.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from x07py.drivers.base import Subscription, canonical_json
from x07py.errors import (
    CassetteError,
    DiffersFromRecordingError,
    NothingRecordedError,
    RecordingEndedError,
)
from x07py.msg import Envelope, MessageRecord
from x07py.rr import Answer, EntryTemplate, Mode, Row
from x07py.rr.index import bucket_named
from x07py.rr.redaction import REDACTED
from x07py.rr.varying import Names
from x07py.wire.decoding import document, record
from x07py.wire.matching import PARTS
from x07py.wire.suggesting import lines_to_add

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from x07py.drivers.base import Dialect, Json
    from x07py.errors import ReplayMismatchError, X07Error
    from x07py.rr import Session
    from x07py.rr.entry_template import Fields
    from x07py.rr.index import Bucket
    from x07py.wire.matching import Rules

_log = logging.getLogger("x07py.rr")
_QUERY, _EVENT = "query_", "event_"
LIBRARY_ERROR = 9640
_LARGE = 2**20
"""Bytes from which a message is not copied to be written."""


def is_optional(op: bytes) -> bool:
    """Tell whether an entry need not be used: its operation is a question, or something that only the broker did."""
    return op.rpartition(b".")[2].startswith((_QUERY.encode(), _EVENT.encode()))


@dataclass
class Hit:
    """Whether the tape had what was asked for."""

    hit: bool = False


class Tape:
    """One open cassette for one client library.

    Args:
        session: the open session.
        rules: matching and filtering.
    """

    library: str
    """Name of the client library; it is the key of every entry."""
    dialect: Dialect
    """Which broker it speaks to."""
    settling: tuple[str, ...] = ()
    """Short names of the operations, beside publishing, that must be done again before what was recorded after them."""
    in_key_order = True
    """Whether messages of one key must be published in the recorded order."""

    def __init__(self, session: Session, rules: Rules) -> None:
        self.session = session
        self.rules = rules
        self.lock: threading.RLock = threading.RLock()
        self._pid = os.getpid()
        self.last_activity: float | None = None
        self.on_close: list[Callable[[], None]] = []
        self.broken: X07Error | None = None
        self.on_failure: list[Callable[[X07Error], None]] = []
        self._scopes: dict[str, int] = {}
        self._answers: dict[str, Answer] = {}
        self._templates: dict[tuple[str, str], EntryTemplate] = {}
        self._renamed: dict[str, str] = {}
        self.names: Names = Names()
        self._before_delivery = (self.dialect.publish_op, *(self.operation(name) for name in self.settling))
        self.write_record: Callable[[bytes, bytes], bytes] = MessageRecord.writer(
            1, self.dialect.number, self.library, 1
        )
        self.write_delivered: Callable[[bytes, bytes], bytes] = MessageRecord.writer(
            2, self.dialect.number, self.library, 1
        )
        self._record_in_pieces = MessageRecord.in_pieces(1, self.dialect.number, self.library, 1)
        self._delivery_in_pieces = MessageRecord.in_pieces(2, self.dialect.number, self.library, 1)

    def fail(self, error: X07Error) -> None:
        """Let whoever uses the tape know that no more can be had of it, where no call of the program can raise that."""
        if self.broken is None:
            self.broken = error
            for tell in list(self.on_failure):
                tell(error)

    def touch(self) -> None:
        """Note that the program uses the tape now.

        Raises:
            CassetteError: ``X07_CASSETTE_CONNECTION`` in a forked process, where nothing comes of it.
        """
        if os.getpid() != self._pid:
            raise CassetteError(
                "X07_CASSETTE_CONNECTION",
                f"a client of {self.library} is used in a forked process, and its cassette is in another",
                where=self.session.config.cassette,
                hint="make the client in the process that has the cassette",
            )
        self.last_activity = time.monotonic()

    @property
    def live(self) -> bool:
        """Whether a connection to a broker may be made."""
        return self.session.mode.records

    @property
    def replays(self) -> bool:
        """Whether recorded answers are given."""
        return self.session.mode.replays

    def bucket(self, op: str, scope: str) -> Bucket:
        """Return the names under which an operation is recorded."""
        return bucket_named("rr", op, self.library, scope)

    def operation(self, name: str) -> str:
        """Return the full name of an operation of this broker."""
        return f"{self.dialect.op_prefix}{name}_v1"

    def clean(self, envelope: Envelope) -> Envelope:
        """Return `envelope` as it may be compared and written."""
        return self.rules.clean(envelope)

    def scope_of(self, sources: tuple[str, ...], group: str) -> str:
        """Return the scope of one more consumer, stable over runs although a group's name may be random.

        The second consumer of the same sources and group has ``#2`` behind its scope, and so on. In a replay, a group
        that was not recorded takes the first recorded scope of the same sources that nobody has taken.
        """
        wanted = Subscription(sources, group, 1).scope()
        with self.lock:
            if self.replays:
                wanted = self._known_scope(wanted, ",".join(sources))
            count = self._scopes[wanted] = self._scopes.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}#{count}"

    def _known_scope(self, wanted: str, sources: str) -> str:
        scopes = self.session.ledger.scopes(self.dialect.poll_op)
        if wanted in scopes or wanted in self._scopes:
            return wanted
        same = (scope for scope in scopes if scope.partition("@")[0] == sources and "#" not in scope)
        return next((scope for scope in same if scope not in self._scopes), wanted)

    def match_publish(self, envelope: Envelope) -> int:
        """Return the number of the recorded publish of `envelope`, which was cleaned.

        Kafka promises the order of messages of one key, so there the next of the key must match. RabbitMQ promises
        an order within a channel only, and tasks share channels, so there any may.

        Raises:
            ReplayMismatchError: 2009 if nothing is left for the topic, 2050 with the differences if something else was
                published.
        """
        bucket = self.bucket(self.dialect.publish_op, self._publish_scope(envelope))
        asked = envelope.encode()
        ledger = self.session.ledger
        first = ledger.next_in(bucket)
        if first is None:
            raise ledger.missing(bucket)
        if self._is_same(first, envelope, asked):
            return first
        likeliest = first
        nothing, (lane, varies) = Names(), self._lane(envelope, self.names)
        for number in ledger.in_lane(bucket, lane, lambda req: self._lane(Envelope.decode(req), nothing)[0]):
            if self._is_same(number, envelope, asked):
                return number
            if self.in_key_order and not varies:
                likeliest = number
                break
        raise self._differs(likeliest, bucket, envelope)

    def _differs(self, number: int, bucket: Bucket, asked: Envelope) -> ReplayMismatchError:
        recorded = Envelope.decode(self.session.ledger.request(number))
        shown = self.rules.as_compared(recorded, asked)
        error = self.session.ledger.differs(number, bucket, shown.encode())
        lines = lines_to_add(recorded, shown)
        if lines:
            error.hint = "\n        ".join([*lines, f"else {error.hint}"])
            error.__notes__ = [f"help: {error.hint}"]
        return error

    def _lane(self, envelope: Envelope, names: Names) -> tuple[Hashable, bool]:
        if self.in_key_order:
            return self.rules.key_lane(envelope, names)
        return self.rules.named_parts(envelope, names), False

    def _is_same(self, number: int, envelope: Envelope, encoded: bytes) -> bool:
        if self.rules.match_on == PARTS and self.session.ledger.index.has_req(number, encoded):
            return True
        recorded = self.session.ledger.request(number)
        same = self.rules.are_same(recorded, envelope, encoded, self.names)
        if same and recorded != encoded:
            self._renamed |= self.rules.ignored_changes(Envelope.decode(recorded), envelope)
        return same

    def _publish_scope(self, envelope: Envelope) -> str:
        return envelope.topic if "topic" in self.rules.match_on else ""

    def write_publish(self, envelope: Envelope, ack: bytes, meta: Json, *, err: int = 0, ticks: int = 0) -> None:
        """Record one publish with its confirmation."""
        req = envelope.encode()
        write = self.write_record if len(req) < _LARGE else self._record_in_pieces
        row = Row(req, write(req, ack) if not err else ack, canonical_json(meta), err, ticks)
        self._write(self.dialect.publish_op, self._publish_scope(envelope), [row])

    @contextmanager
    def missing_allowed(self) -> Iterator[Hit]:
        """Let a block end without an error if nothing fits and the mode records what is missing; ``hit`` tells."""
        hit = Hit()
        try:
            yield hit
        except (NothingRecordedError, DiffersFromRecordingError):
            if self.session.mode is Mode.REPLAY:
                raise
        else:
            hit.hit = True

    def envelope(self, answer: Answer) -> Envelope:
        """Return the message in a recorded publish or delivery.

        Captured identifiers are those of this run. Where a header that is not compared holds what the program published
        as another value this time (a correlation id that is random, say), it holds the new value.
        """
        envelope = Envelope.decode(MessageRecord.decode(answer.resp).env)
        envelope = self.names.as_now(envelope, self.rules.varying)
        if not self._renamed:
            return envelope
        headers = {
            name: text if self.rules.is_compared(name) else self._renamed.get(text, text)
            for name, text in envelope.headers.items()
        }
        return Envelope(envelope.topic, envelope.key, envelope.value, headers)

    def meta(self, answer: Answer) -> dict[str, Json]:
        """Return what the broker said, without how the message came."""
        meta = record(document(answer.meta)) if answer.meta else {}
        meta.pop("batch", None)
        meta.pop("late", None)
        if hidden := meta.pop(REDACTED, None):
            _log.info("%s, entry %d: the broker sent others: %s", self.session.config.cassette, answer.number, hidden)
        return meta

    def failure(self, answer: Answer) -> Json:
        """Return the recorded error of the client library."""
        return document(answer.resp)

    def write_deliveries(self, scope: str, rows: Sequence[Fields]) -> None:
        """Record messages that came to a consumer; `delivery_row` makes the rows."""
        self._write(self.dialect.poll_op, scope, rows)

    def write_answered_delivery(self, name: str, scope: str, row: Row) -> None:
        """Record a message that came in answer to a request for one."""
        self._write(self.operation(name), scope, [row])

    def delivery_row(self, request: bytes, envelope: Envelope, meta: Json) -> Row:
        """Return one message that came to a consumer as it is written."""
        hidden = self.rules.redaction.hidden_in(envelope)
        said = canonical_json({**meta, REDACTED: hidden} if hidden and isinstance(meta, dict) else meta)
        env = envelope.encode()
        write = self.write_delivered if len(env) < _LARGE else self._delivery_in_pieces
        return Row(request, write(env, b"ACK"), said)

    def write_failure(self, op: str, scope: str, request: bytes, detail: Json, *, err: int) -> None:
        """Record that an operation ended with an error of the client library."""
        self._write(op, scope, [Row(request, canonical_json(self.rules.redaction.document(detail)), b"", err)])

    def write_event(self, name: str, scope: str, detail: Json, *, ticks: int = 0) -> None:
        """Record something that the broker did and the program was told, `ticks` milliseconds after what was before."""
        row = Row(b"", canonical_json(self.rules.redaction.document(detail)), b"", 0, ticks)
        self._write(self.operation(f"{_EVENT}{name}"), scope, [row], by_program=False)

    def peek_event(self, name: str, scope: str) -> int | None:
        """Return the number of the next event of a name, or None."""
        return self.peek(self.operation(f"{_EVENT}{name}"), scope)

    def event(self, number: int) -> Json:
        """Return what `write_event` wrote as entry `number`, without using it."""
        return document(self.session.ledger.response(number))

    def next_delivery(self, scope: str) -> int | None:
        """Return the number of the next recorded delivery of a consumer if its time has come, or None."""
        with self.lock:
            number = self.peek(self.dialect.poll_op, scope)
            return number if number is not None and self.is_due(number) else None

    def is_due(self, number: int) -> bool:
        """Tell whether the program has done again whatever it had done before entry `number`.

        That is publishing and, on RabbitMQ, settling deliveries: a consumer with a prefetch limit gets the next message
        after it has acknowledged the one before.
        """
        before = self.session.ledger.first_unused(self._before_delivery)
        return before is None or before > number

    def take(self, number: int) -> Answer:
        """Return an entry that `next_delivery` or `peek` named, and mark it used."""
        with self.lock:
            self.touch()
            return self.session.use(number)

    def peek(self, op: str, scope: str) -> int | None:
        """Return the number of the next entry of an operation, or None."""
        with self.lock:
            return self.session.ledger.next_in(self.bucket(op, scope))

    def ended(self, scope: str) -> ReplayMismatchError:
        """Return error 2070: a consumer waits for what will not come."""
        waiting = self.peek(self.dialect.poll_op, scope)
        why = "the recording holds nothing more for this consumer"
        if waiting is not None:
            before = self.session.ledger.first_unused(self._before_delivery)
            why = f"entry {waiting} is next, but entry {before} was recorded before it and has not been done again"
        return RecordingEndedError(
            2070,
            f"the program waits for messages of {scope} and {why}",
            where=self.session.config.cassette,
            hint="end the loop as the recorded run did, or record again",
        )

    def recall(self, name: str, scope: str, request: Json, *, in_order: bool = True) -> Answer | None:
        """Return the recorded outcome of an operation, or None where it is to be carried out now.

        Args:
            name: short name of the operation.
            scope: what it addresses.
            request: what is compared.
            in_order: whether the next entry of operation and scope must have this request; else any may.

        Raises:
            ReplayMismatchError: 2009 or 2050.
        """
        if not self.replays:
            return None
        req = canonical_json(self.rules.redaction.document(request))
        bucket = self.bucket(self.operation(name), scope)
        ledger = self.session.ledger
        with self.lock:
            number = first = ledger.next_in(bucket)
            if first is not None and not ledger.index.has_req(first, req):
                number = None if in_order else ledger.with_request(bucket, req)
            if number is not None:
                return self.take(number)
            if self.session.mode is Mode.REPLAY:
                raise ledger.missing(bucket) if first is None else ledger.differs(first, bucket, req)
        return None

    def write_call(self, name: str, scope: str, request: Json, detail: Json, *, err: int = 0, ticks: int = 0) -> None:
        """Record an operation and its outcome."""
        hide = self.rules.redaction.document
        row = Row(canonical_json(hide(request)), canonical_json(hide(detail)), b"", err, ticks)
        self._write(self.operation(name), scope, [row])

    def question(self, name: str, scope: str, request: Json) -> tuple[str, str]:
        """Return short name and scope under which a question is recorded."""
        asked = canonical_json(self.rules.redaction.document(request))
        return f"{_QUERY}{name}", f"{scope} {asked.decode()}".strip()

    def repeat(self, name: str, scope: str, request: Json) -> Answer | None:
        """Return the next recorded answer to a question, else the last one, else None."""
        name, place = self.question(name, scope, request)
        op = self.operation(name)
        with self.lock:
            number = self.peek(op, place) if self.replays else None
            if number is not None:
                self._answers[op + place] = self.take(number)
            return self._answers.get(op + place)

    def _write(self, op: str, scope: str, rows: Sequence[Fields], *, by_program: bool = True) -> None:
        with self.lock:
            template = self._templates.get((op, scope))
            if template is None:
                template = self._templates[op, scope] = EntryTemplate("rr", op, self.library, scope)
            self.session.record(template, rows)
            if by_program:
                self.touch()
