"""The tape: one cassette as the drop-ins use it, thread-safe, with matching by parts of a message.

A drop-in differs from a driver in two ways. Programs that were not written for x07py publish from several threads or
tasks at once, so only the order that Kafka itself promises is asked for: messages of one topic and key. And they poll
in loops, so a delivery is given only after everything that had been published before it was published again; a program
that answers its own messages would otherwise see the answer before the question.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from x07py.drivers.base import Subscription, canonical_json
from x07py.errors import ReplayMismatchError
from x07py.msg import Envelope, MessageRecord
from x07py.rr import Answer, EntryTemplate, Mode, Row
from x07py.rr.index import Bucket

if TYPE_CHECKING:
    from x07py.drivers.base import Dialect, Json
    from x07py.testing.script import Script

PARTS = ("topic", "key", "headers", "value")
Matcher = Callable[[Envelope, Envelope], bool]
Filter = Callable[[Envelope], Envelope]
_Result = TypeVar("_Result")
_WAIT_SLICE_S = 0.02
_QUERY = "query_"
_MISSES = (2009, 2050)


class Rules(NamedTuple):
    """What counts as the same message, and what must not be written.

    Args:
        match_on: parts of a message that must be equal, of `PARTS`, and functions of the recorded and the new message.
        ignore_headers: names, in lower case, of headers that are not compared.
        before_record: functions that each message passes before it is compared, written, or handed to the program.
        real_time: whether a replay waits as long as the recording did.
        patience_s: seconds that a consumer may go on polling when there is nothing left for it.
    """

    match_on: tuple[str | Matcher, ...]
    ignore_headers: frozenset[str]
    before_record: tuple[Filter, ...]
    real_time: bool
    patience_s: float


@dataclass
class Hit:
    """Whether the tape had what was asked for."""

    hit: bool = False


class Codec(Protocol):
    """How results and errors of a client library stand in a cassette."""

    errors: tuple[type[Exception], ...]
    err: int

    def dump(self, result: Any) -> Json:
        """Return a result as JSON."""
        ...

    def dump_error(self, error: Any) -> Json:
        """Return an error as JSON."""
        ...

    def load(self, data: Json) -> Any:
        """Return the result that `dump` was given."""
        ...

    def load_error(self, data: Json) -> Exception:
        """Return the error that `dump_error` was given."""
        ...


class Tape:
    """One open cassette for one client library.

    Args:
        session: the open session.
        dialect: which broker the library speaks to.
        library: name of the library; it is the key of every entry.
        rules: matching and filtering.
    """

    def __init__(self, session: Script, dialect: Dialect, library: str, rules: Rules) -> None:
        self.session = session
        self.dialect = dialect
        self.library = library
        self.rules = rules
        self.lock = threading.RLock()
        self.last_activity = time.monotonic()
        self.on_close: list[Callable[[], None]] = []
        self._scopes: dict[str, int] = {}
        self._answers: dict[str, Answer] = {}
        self._templates: dict[tuple[str, str], EntryTemplate] = {}
        self._write_publish = MessageRecord.writer(1, dialect.number, library, 1)
        self._write_delivery = MessageRecord.writer(2, dialect.number, library, 1)

    @property
    def live(self) -> bool:
        """Whether a connection to a broker may be made."""
        return self.session.mode.records

    @property
    def replays(self) -> bool:
        """Whether recorded answers are given."""
        return self.session.mode.replays

    def _bucket(self, op: str, scope: str) -> Bucket:
        return Bucket(b"rr", op.encode(), self.library.encode(), scope.encode("utf-8", "surrogateescape"))

    def operation(self, name: str) -> str:
        """Return the full name of an operation of this broker."""
        return f"{self.dialect.op_prefix}{name}_v1"

    def clean(self, envelope: Envelope) -> Envelope:
        """Return `envelope` as it may be compared and written."""
        for change in self.rules.before_record:
            envelope = change(envelope)
        return envelope

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
        scopes = self.session.scopes(self.dialect.poll_op)
        if wanted in scopes or wanted in self._scopes:
            return wanted
        same = (scope for scope in scopes if scope.partition("@")[0] == sources and "#" not in scope)
        return next((scope for scope in same if scope not in self._scopes), wanted)

    def find_publish(self, envelope: Envelope) -> Answer:
        """Return the recorded outcome of publishing `envelope`, which was cleaned.

        Raises:
            ReplayMismatchError: 2009 if nothing is left for the topic, 2050 with the differences if something else was
                published.
        """
        with self.lock:
            number = self._match(envelope)
            self.last_activity = time.monotonic()
            return self._paced(number)

    def _match(self, envelope: Envelope) -> int:
        bucket = self._bucket(self.dialect.publish_op, self._publish_scope(envelope))
        asked = envelope.encode()
        session = self.session
        first = session.peek(bucket)
        if first is None:
            raise session.missing(bucket)
        if self._is_same(session.recorded(first), envelope, asked):
            return first
        for number in session.candidates(bucket):
            if Envelope.decode(session.recorded(number)).key == envelope.key:
                if self._is_same(session.recorded(number), envelope, asked):
                    return number
                raise session.differs(number, bucket, asked)
        raise session.differs(first, bucket, asked)

    def _publish_scope(self, envelope: Envelope) -> str:
        return envelope.topic if "topic" in self.rules.match_on else ""

    def _is_same(self, recorded: bytes, asked: Envelope, encoded: bytes) -> bool:
        parts = self.rules.match_on
        if parts == PARTS and recorded == encoded:
            return True
        old = Envelope.decode(recorded)
        return all(
            part(old, asked) if callable(part) else self._part(old, part) == self._part(asked, part) for part in parts
        )

    def _part(self, envelope: Envelope, name: str) -> object:
        ignored = self.rules.ignore_headers
        if name == "headers" and ignored:
            return {header: text for header, text in envelope.headers.items() if header.lower() not in ignored}
        return getattr(envelope, name)

    def _paced(self, number: int) -> Answer:
        if self.rules.real_time:
            time.sleep(self.session.ticks(number) / 1000)
        return self.session.take(number)

    def write_publish(self, envelope: Envelope, ack: bytes, meta: Json, *, err: int = 0, ticks: int = 0) -> None:
        """Record one publish with its confirmation."""
        req = envelope.encode()
        row = Row(req, self._write_publish(req, ack) if not err else ack, canonical_json(meta), err, ticks)
        self._write(self.dialect.publish_op, self._publish_scope(envelope), [row])

    @contextmanager
    def missing_allowed(self) -> Iterator[Hit]:
        """Let a block end without an error if nothing fits and the mode records what is missing; ``hit`` tells."""
        hit = Hit()
        try:
            yield hit
        except ReplayMismatchError as error:
            if self.session.mode is Mode.REPLAY or error.code not in _MISSES:
                raise
        else:
            hit.hit = True

    def envelope(self, answer: Answer) -> Envelope:
        """Return the message in a recorded publish or delivery."""
        return Envelope.decode(MessageRecord.decode(answer.resp).env)

    def meta(self, answer: Answer) -> dict[str, Json]:
        """Return what the broker said, without the size of the batch."""
        meta: dict[str, Json] = json.loads(answer.meta) if answer.meta else {}
        meta.pop("batch", None)
        return meta

    def failure(self, answer: Answer) -> Json:
        """Return the recorded error of the client library."""
        return json.loads(answer.resp)

    def write_deliveries(self, scope: str, request: bytes, batch: list[tuple[Envelope, Json]], ticks: int) -> None:
        """Record messages that came in one call."""
        rows = [
            Row(request, self._write_delivery(envelope.encode(), b"ACK"), canonical_json(meta))
            for envelope, meta in batch
        ]
        size = canonical_json({"batch": len(batch)})[:-1]
        joint = b"}" if rows[0].meta == b"{}" else b"," + rows[0].meta[1:]
        rows[0] = rows[0]._replace(meta=size + joint, ticks=ticks)
        self._write(self.dialect.poll_op, scope, rows)

    def write_failure(self, op: str, scope: str, request: bytes, detail: Json, *, err: int) -> None:
        """Record that an operation ended with an error of the client library."""
        self._write(op, scope, [Row(request, canonical_json(detail), b"", err)])

    def write_event(self, name: str, scope: str, detail: Json) -> None:
        """Record something that the broker did and the program was told."""
        self._write(self.operation(name), scope, [Row(b"", canonical_json(detail))])

    def event(self, number: int) -> Json:
        """Return what `write_event` wrote as entry `number`, without using it."""
        return json.loads(self.session.response(number))

    def batch_size(self, answer: Answer) -> int | None:
        """Return how many messages came in the call that a delivery was the first of, or None for a later one."""
        size: int | None = json.loads(answer.meta).get("batch") if answer.meta else None
        return size

    def next_delivery(self, scope: str) -> int | None:
        """Return the number of the next recorded delivery of a consumer if its time has come, or None."""
        with self.lock:
            number = self.session.peek(self._bucket(self.dialect.poll_op, scope))
            if number is None:
                return None
            before = self.session.first_unused(self.dialect.publish_op)
            return number if before is None or before > number else None

    def take(self, number: int) -> Answer:
        """Return an entry that `next_delivery` or `peek` named, and mark it used."""
        with self.lock:
            self.last_activity = time.monotonic()
            return self._paced(number)

    def peek(self, op: str, scope: str) -> int | None:
        """Return the number of the next entry of an operation, or None."""
        with self.lock:
            return self.session.peek(self._bucket(op, scope))

    def wait(self, scope: str, timeout_s: float | None) -> int | None:
        """Wait for the next delivery of a consumer as a live poll would; None if none came within `timeout_s`.

        Raises:
            ReplayMismatchError: 2070 if nothing has happened on the tape for longer than the rules allow.
        """
        ends = None if timeout_s is None else time.monotonic() + timeout_s
        while (number := self.next_delivery(scope)) is None:
            now = time.monotonic()
            if now - self.last_activity > self.rules.patience_s:
                raise self._ended(scope)
            if ends is not None and now >= ends:
                return None
            time.sleep(_WAIT_SLICE_S if ends is None else min(_WAIT_SLICE_S, max(ends - now, 0.0)))
        return number

    def _ended(self, scope: str) -> ReplayMismatchError:
        waiting = self.session.peek(self._bucket(self.dialect.poll_op, scope))
        why = "the recording holds nothing more for this consumer"
        if waiting is not None:
            why = (
                f"entry {waiting} is next, but entry {self.session.first_unused(self.dialect.publish_op)} was recorded "
            )
            why += "as published before it and has not been published again"
        return ReplayMismatchError(
            2070,
            f"the program waits for messages of {scope} and {why}",
            where=self.session.config.cassette,
            hint="end the loop as the recorded run did, or record again",
        )

    def control(self, name: str, scope: str, request: Json, live: Callable[[], _Result], codec: Codec) -> Any:
        """Carry out an operation other than publishing and consuming, or take its recorded outcome.

        Args:
            name: short name of the operation.
            scope: what it addresses.
            request: what is compared.
            live: performs it.
            codec: turns results and errors into JSON and back.

        Raises:
            ReplayMismatchError: 2009 or 2050.
        """
        op, req = self.operation(name), canonical_json(request)
        bucket = self._bucket(op, scope)
        if self.replays:
            with self.lock:
                number = self.session.peek(bucket)
                if number is not None and self.session.recorded(number) == req:
                    return load_answer(self.take(number), codec)
                if self.session.mode is Mode.REPLAY:
                    raise self.session.missing(bucket) if number is None else self.session.differs(number, bucket, req)
        started = time.monotonic()
        try:
            result = live()
        except codec.errors as error:
            self.write_failure(op, scope, req, codec.dump_error(error), err=codec.err)
            raise
        row = Row(req, canonical_json(codec.dump(result)), b"", 0, int((time.monotonic() - started) * 1000))
        self._write(op, scope, [row])
        return result

    def query(self, name: str, scope: str, request: Json, live: Callable[[], _Result], codec: Codec) -> Any:
        """Like `control` for a question: asked more often than recorded, the last answer is given again."""
        name = f"{_QUERY}{name}"
        place = f"{scope} {canonical_json(request).decode()}".strip()
        op = self.operation(name)
        with self.lock:
            number = self.session.peek(self._bucket(op, place)) if self.replays else None
            if number is not None:
                self._answers[op + place] = self.take(number)
            if op + place in self._answers:
                return load_answer(self._answers[op + place], codec)
        return self.control(name, place, request, live, codec)

    def unused(self) -> list[int]:
        """Return the numbers of the entries that were not used, questions left out."""
        prefix = self.operation(_QUERY).removesuffix("_v1")
        return [number for number in self.session.unused() if not self.session.operation(number).startswith(prefix)]

    def _write(self, op: str, scope: str, rows: list[Row]) -> None:
        with self.lock:
            template = self._templates.get((op, scope))
            if template is None:
                template = self._templates[op, scope] = EntryTemplate("rr", op, self.library, scope)
            self.session.record(template, rows)
            self.last_activity = time.monotonic()


def load_answer(answer: Answer, codec: Codec) -> Any:
    """Return the recorded result, or raise the recorded error of the client library."""
    data = json.loads(answer.resp)
    if answer.err:
        raise codec.load_error(data)
    return codec.load(data)
