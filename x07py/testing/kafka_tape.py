"""The tape of confluent-kafka: calls block, in whatever thread they are made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from x07py.drivers.base import KAFKA, canonical_json
from x07py.errors import DiffersFromRecordingError
from x07py.msg.plain import key_and_value, request_of
from x07py.testing.kafka_facts import facts_of, told_of
from x07py.testing.kafka_values import envelope_of
from x07py.testing.registry import tape_for
from x07py.wire.decoding import document, misshapen, record
from x07py.wire.matching import PARTS
from x07py.wire.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message

    from x07py.drivers.base import Json
    from x07py.msg import Envelope
    from x07py.rr import Answer, Session
    from x07py.rr.entry_template import Fields
    from x07py.testing.kafka_facts import Facts
    from x07py.wire.matching import Rules

LIBRARY = "confluent-kafka"
_Result = TypeVar("_Result")
_WAIT_SLICE_S = 0.02
_LARGE = 2**20
"""Bytes from which a message is not copied to be written."""


def kafka_tape() -> KafkaTape | None:
    """Return the tape for the client that is being made, or None outside of every cassette."""
    return cast("KafkaTape | None", tape_for(LIBRARY, "confluent_kafka"))


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


class KafkaTape(Tape):
    """One open cassette as the drop-ins for confluent-kafka use it."""

    library = LIBRARY
    dialect = KAFKA

    def compare_place(self, answer: Answer, meta: dict[str, Json], partition: int, timestamp: int) -> None:
        """Check that a program gives the partition and the time that it gave in the recording.

        Args:
            answer: the recorded publish.
            meta: its metadata.
            partition: what the program gives, below 0 if its key decides.
            timestamp: what it gives in milliseconds, 0 for the clock's.

        Raises:
            DiffersFromRecordingError: 2050.
        """
        if "report" not in meta:  # it never came to a broker
            return
        for name, asked, recorded in (
            ("partition", None if partition < 0 else partition, meta.get("partition_given")),
            ("timestamp", timestamp or None, meta.get("timestamp_given")),
        ):
            if asked != recorded:
                raise DiffersFromRecordingError(
                    2050,
                    f"a message was published with {name} {asked}; it was recorded with {recorded}",
                    where=f"{self.session.config.cassette}, entry {answer.number}",
                    hint="correct the program, or record again if the change is meant",
                )

    def find_publish(self, envelope: Envelope) -> Answer:
        """Return the recorded outcome of publishing `envelope`, which was cleaned.

        Raises:
            ReplayMismatchError: 2009 if nothing is left for the topic, 2050 with the differences if something else was
                published.
        """
        with self.lock:
            return self.take(self.match_publish(envelope))

    def __init__(self, session: Session, rules: Rules) -> None:
        super().__init__(session, rules)
        self._clients: dict[str, int] = {}
        self._token = rules.redaction.token.encode()

    def name_client(self, kind: str) -> str:
        """Return the name of one more client of a kind."""
        with self.lock:
            number = self._clients[kind] = self._clients.get(kind, 0) + 1
        return f"{kind} {number}"

    def take(self, number: int) -> Answer:
        """Return an entry, mark it used, and wait as long as the recording did if the rules ask for real time."""
        if self.rules.real_time:
            time.sleep(self.session.ledger.ticks(number) / 1000)
        return super().take(number)

    def request_of(self, topic: str, key: Any, value: Any, headers: Any) -> bytes | None:
        """Return what is recorded as request of a message of which nothing is hidden or changed.

        Args:
            topic: where it goes.
            key: its key.
            value: its value.
            headers: its headers.

        Returns:
            None where only `clean` can tell.
        """
        rules = self.rules
        if not (type(key) is type(value) is bytes and type(topic) is str) or rules.before_record:
            return None
        if len(value) >= _LARGE or not rules.redaction.shows_all(key, value, headers):
            return None
        return request_of(topic, key, value, headers)

    def delivered(self, request: bytes, message: Message) -> Fields:
        """Return a message that came to a consumer as it is written."""
        topic, headers = message.topic() or "", message.headers()
        encoded = self.request_of(topic, message.key(), message.value(), headers or ())
        meta = told_of(message)
        if encoded is not None and self._token not in encoded:
            return request, self.write_delivered(encoded, b"ACK"), meta, 0, 0
        envelope = envelope_of(topic, message.key(), message.value(), headers)
        return self.delivery_row(request, self.clean(envelope), document(meta))

    def write_batch(self, scope: str, rows: list[Fields], ticks: int) -> None:
        """Record messages that came in one call, as `delivered` returned them."""
        req, resp, meta, err, _ = rows[0]
        joint = b"}" if meta == b"{}" else b"," + meta[1:]
        rows[0] = req, resp, b'{"batch":%d' % len(rows) + joint, err, ticks
        self.write_deliveries(scope, rows)

    def write_reported(
        self, topic: str, request: bytes, ack: bytes, meta: bytes, *, err: int = 0, ticks: int = 0
    ) -> None:
        """Record one publish of a message of which nothing is hidden, with its delivery report."""
        write = self.write_record if len(request) < _LARGE else self._record_in_pieces
        response = write(request, ack) if not err else ack
        scope = topic if "topic" in self.rules.match_on else ""
        self._write(self.dialect.publish_op, scope, [(request, response, meta, err, ticks)])

    def find_plain(self, topic: str, request: bytes) -> tuple[Answer, Facts] | None:
        """Return the recorded report of publishing a message if it is just the next of its topic, and use it.

        Args:
            topic: where it goes, without a partition or a time that the program gives.
            request: what `request_of` returned.

        Returns:
            None if `find_publish` has to look for it, or to tell what became of it.
        """
        if self.rules.match_on != PARTS:
            return None
        index = self.session.ledger.index
        with self.lock:
            number = self.peek(self.dialect.publish_op, topic)
            if number is None or number in index.errors or not index.has_req(number, request):
                return None
            facts = facts_of(index.meta(number))
            return None if facts is None or facts.report is None else (self.take(number), facts)

    def plain_message(self, answer: Answer) -> Message | None:
        """Return a recorded delivery as it came; None if it is not plain, or identifiers of it are others now."""
        if answer.err or self._renamed or self.names.current:
            return None
        parts, facts = key_and_value(answer.resp), facts_of(answer.meta)
        return None if parts is None or facts is None else facts.message(*parts)

    def batch_size(self, answer: Answer) -> int | None:
        """Return how many messages came in the call that a delivery was the first of, or None for a later one."""
        if b"batch" not in answer.meta and b"\\" not in answer.meta:
            return None
        size = record(document(answer.meta)).get("batch")
        if size is not None and (type(size) is not int or size < 1):
            raise misshapen(f"a batch of {size!r:.40} messages")
        return size

    def wait(self, scope: str, timeout_s: float | None) -> int | None:
        """Wait for the next delivery of a consumer as a live poll would; None if none came within `timeout_s`.

        Raises:
            ReplayMismatchError: 2070 if nothing has happened on the tape for longer than the rules allow.
        """
        ends = None if timeout_s is None else time.monotonic() + timeout_s
        while (number := self.next_delivery(scope)) is None:
            now = time.monotonic()
            if now - (self.last_activity or now) > self.rules.patience_s:
                raise self.ended(scope)
            if ends is not None and now >= ends:
                return None
            time.sleep(_WAIT_SLICE_S if ends is None else min(_WAIT_SLICE_S, max(ends - now, 0.0)))
        return number

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
        answer = self.recall(name, scope, request)
        if answer is not None:
            return load_answer(answer, codec)
        started = time.monotonic()
        try:
            result = live()
        except codec.errors as error:
            self.write_failure(
                self.operation(name), scope, canonical_json(request), codec.dump_error(error), err=codec.err
            )
            raise
        self.write_call(name, scope, request, codec.dump(result), ticks=int((time.monotonic() - started) * 1000))
        return result

    def query(self, name: str, scope: str, request: Json, live: Callable[[], _Result], codec: Codec) -> Any:
        """Like `control` for a question: asked more often than recorded, the last answer is given again."""
        known = self.repeat(name, scope, request)
        if known is not None:
            return load_answer(known, codec)
        name, place = self.question(name, scope, request)
        return self.control(name, place, request, live, codec)


def load_answer(answer: Answer, codec: Codec) -> Any:
    """Return the recorded result, or raise the recorded error of the client library."""
    data = document(answer.resp)
    if answer.err:
        raise codec.load_error(data)
    return codec.load(data)
