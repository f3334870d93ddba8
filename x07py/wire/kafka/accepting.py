"""What a replay does with the records that clients publish: compares each, and says what the broker said of it.

A record that was lost with its connection when it was recorded is lost with it again; what its client sends again on
another one, as it may after any loss, is known by `x07py.wire.kafka.attempts` and is not asked for twice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from x07py.errors import ReplayMismatchError
from x07py.msg.plain import request_of
from x07py.wire.decoding import document
from x07py.wire.kafka.attempts import Attempts
from x07py.wire.kafka.batches import read_batches
from x07py.wire.kafka.commits import error_number
from x07py.wire.kafka.publishes import is_given

if TYPE_CHECKING:
    from x07py.wire.kafka.attempts import Attempt
    from x07py.wire.kafka.batches import Record
    from x07py.wire.kafka.feeds import Place
    from x07py.wire.kafka.holdings import Holdings
    from x07py.wire.kafka.messages import Plain
    from x07py.wire.kafka.peers import Ask, Peer

_UNCONFIRMED = {"confirmed": False}


class SilenceError(Exception):
    """The recorded broker never answered this request."""


class Accepting:
    """Takes what clients publish; one for all connections of a replay.

    Args:
        tape: the cassette.
    """

    def __init__(self, tape: Holdings) -> None:
        self._tape = tape
        self._attempts = Attempts()

    def produce(self, ask: Ask) -> Plain | None:
        """Answer Produce; None if the client wants no answer.

        Raises:
            ReplayMismatchError: something else was published.
            ConnectionAbortedError: the connection was lost here.
            SilenceError: the broker never answered.
        """
        silent = lost = False
        attempts, topics = [], []
        for topic in ask.body.topic_data:
            rows = []
            for part in topic.partition_data:
                numbers, attempt = self._use(ask.peer, (topic.name, part.index), part.records or b"")
                attempts.append(attempt)
                lost = lost or not self._tape.publishes.lost.isdisjoint(numbers)
                outcome = self._outcome(numbers[0]) if numbers else dict(_UNCONFIRMED)
                silent = silent or _is_silent(outcome)
                rows.append({"index": part.index, **_answer(outcome)})
            topics.append({"name": topic.name, "partition_responses": rows})
        with self._tape.changed:
            self._tape.changed.notify_all()
        if lost:
            raise ConnectionAbortedError
        if silent:
            raise SilenceError
        for attempt in attempts:
            attempt.is_answered = True
        return {"responses": topics} if ask.body.acks else None

    def _use(self, peer: Peer, place: Place, data: bytes) -> tuple[list[int], Attempt]:
        """Use what was recorded of some records and return the numbers of the entries, and which attempt it was."""
        tape, found = self._tape, []
        records = [record for batch in read_batches(data) for record in batch.records]
        with tape.lock:
            tape.touch()
            attempt = self._attempts.begin(peer, place, records)
            for at in attempt.left():
                number = self._number(attempt, at, place, records[at])
                attempt.outcomes[at] = number
                found.append(number)
        return found, attempt

    def _number(self, attempt: Attempt, at: int, place: Place, record: Record) -> int:
        """Return the number of the entry that a record is, which is used now or was used by an earlier attempt."""
        before = attempt.known(at) if attempt.earlier else None
        if before is None:
            return self._next(place, record)
        if before not in self._tape.publishes.lost and not attempt.was_read(at):
            return before
        try:
            return self._next(place, record)
        except ReplayMismatchError:  # nothing like it is left: given up when it was recorded, or kept by a proxy now
            return before

    def _next(self, place: Place, record: Record) -> int:
        """Use the next entry that a record can be, and return its number."""
        tape, (topic, partition) = self._tape, place
        given = is_given(record.timestamp, int(time.time() * 1000))
        if tape.compares_all and not given:
            request = request_of(topic, record.key, record.value, record.headers)
            number = None if request is None else tape.publishes.take_next(topic, partition, request)
            if number is not None:
                return number
        envelope = tape.envelope_of(topic, record)
        number = tape.publishes.find(partition, envelope, record.timestamp, given=given)
        tape.take(number)
        return number

    def _outcome(self, number: int) -> dict[str, Any]:
        """Return what the broker said about a record; with its error, if it refused it."""
        index = self._tape.session.ledger.index
        meta = index.meta(number)
        facts: dict[str, Any] = document(meta) if meta else {}
        if number in index.errors:
            facts["error_code"] = error_number(document(index.resp(number)))
        return facts


def _is_silent(outcome: dict[str, Any]) -> bool:
    return outcome == _UNCONFIRMED or bool(outcome.get("silent")) or outcome.get("error_code", 0) < 0


def _answer(outcome: dict[str, Any]) -> Plain:
    """Return the answer for a partition: what was said of the first record stands for all of a request."""
    return {
        "error_code": outcome.get("error_code", 0),
        "base_offset": outcome.get("offset", -1),
        "log_append_time": outcome.get("timestamp", -1) if outcome.get("timestamp_type") == 2 else -1,
        "log_start_offset": 0,
    }
