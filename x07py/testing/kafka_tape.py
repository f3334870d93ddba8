"""The tape of confluent-kafka: calls block, in whatever thread they are made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from x07py.drivers.base import KAFKA, canonical_json
from x07py.errors import DiffersFromRecordingError
from x07py.testing.registry import tape_for
from x07py.wire.decoding import document, misshapen, record
from x07py.wire.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.drivers.base import Json
    from x07py.msg import Envelope
    from x07py.rr import Answer, Session
    from x07py.wire.matching import Rules

LIBRARY = "confluent-kafka"
_Result = TypeVar("_Result")
_WAIT_SLICE_S = 0.02


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

    def write_batch(self, scope: str, request: bytes, batch: list[tuple[Envelope, Json]], ticks: int) -> None:
        """Record messages that came in one call."""
        rows = [self.delivery_row(request, envelope, meta) for envelope, meta in batch]
        size = canonical_json({"batch": len(batch)})[:-1]
        joint = b"}" if rows[0].meta == b"{}" else b"," + rows[0].meta[1:]
        rows[0] = rows[0]._replace(meta=size + joint, ticks=ticks)
        self.write_deliveries(scope, rows)

    def batch_size(self, answer: Answer) -> int | None:
        """Return how many messages came in the call that a delivery was the first of, or None for a later one."""
        size = record(document(answer.meta)).get("batch") if answer.meta else None
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
