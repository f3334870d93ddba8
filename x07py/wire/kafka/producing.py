"""What a recording writes of the records that clients publish: each once, however often its client had to send it.

A request whose connection ends before the client has its answer is held back. The client sends its records again, and
what becomes of that is written; or it gives them up, and they are written as lost where it goes on. A client that never
goes on did not want to know: at the end stands what the broker said, and as lost only what it said nothing of.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.errors import UnsupportedError
from x07py.wire.kafka.attempts import Attempts
from x07py.wire.kafka.batches import read_batches

if TYPE_CHECKING:
    from x07py.rr.entry_template import Fields
    from x07py.wire.kafka.attempts import Attempt
    from x07py.wire.kafka.batches import Record
    from x07py.wire.kafka.feeds import Place
    from x07py.wire.kafka.holdings import Holdings
    from x07py.wire.kafka.peers import Ask
    from x07py.wire.kafka.rows import Rows

_LAST_ANSWERS_S, _LOOK_S = 2.0, 0.002


class Sent(NamedTuple):
    """Records on their way to a partition, as what they are written, and which attempt of their client this is."""

    place: Place
    records: list[Record]
    requests: list[bytes]
    attempt: Attempt


class Outcome(NamedTuple):
    """What the broker said of the records of a request: an error of a number and a text, or the offset of the first.

    Args:
        code: the number of the error; 0 for none.
        text: its text.
        base: the offset.
        appended: the broker's time in milliseconds, if it set it.
    """

    code: int
    text: str
    base: int
    appended: int | None

    @classmethod
    def of(cls, part: Any) -> Outcome:
        """Return what an answer says of a partition."""
        code = int(part.error_code.value)
        appended = getattr(part, "log_append_time", None)
        return cls(
            code,
            getattr(part, "error_message", None) or part.error_code.name,
            part.base_offset,
            None if appended is None else round(appended.timestamp() * 1000),
        )


class _Lost:
    """Records whose client left without an answer, and what the broker said of them since."""

    def __init__(self, sent: Sent, body: Any) -> None:
        self.sent, self.body = sent, body
        self.outcome: Outcome | None = None


class Producing:
    """Writes what clients publish; one for all connections of a run.

    Args:
        tape: the cassette.
        rows: makes its rows.
        passing: errors that clients meet by trying again, so that the attempt that counts follows.
    """

    def __init__(self, tape: Holdings, rows: Rows, passing: frozenset[int]) -> None:
        self._tape, self._rows, self._passing = tape, rows, passing
        self._attempts = Attempts()
        self._open: dict[int, list[Sent]] = {}
        self._lost: list[_Lost] = []

    def sends(self, ask: Ask) -> None:
        """Take note of what a request holds, while it is under way.

        Raises:
            DriverError: 9650 if it holds records that cannot be read.
        """
        sent = self._sent(ask)
        if ask.body.acks:
            with self._tape.lock:
                self._open[id(ask.body)] = sent
            return
        for one in sent:
            self._write(one.place, self._rows.unconfirmed(one.place, one.requests))

    def _sent(self, ask: Ask) -> list[Sent]:
        found: list[Sent] = []
        for topic in ask.body.topic_data:
            for part in topic.partition_data:
                place = (topic.name, part.index)
                records = [record for batch in read_batches(part.records or b"") for record in batch.records]
                with self._tape.lock:
                    attempt = self._attempts.begin(ask.peer, place, records)
                found.append(Sent(place, records, self._rows.requests(topic.name, records), attempt))
        return found

    def answered(self, ask: Ask, body: Any) -> None:
        """Write what the broker says of the records of a request.

        Raises:
            UnsupportedError: 9641 if the broker took a record that it had taken before.
        """
        outcomes = {(t.name, p.index): Outcome.of(p) for t in body.responses for p in t.partition_responses}
        if ask.peer.has_left:  # too late for the client, which goes by what becomes of its next attempt
            self.lost(ask)
            with self._tape.lock:
                for left in self._lost:
                    if left.body is ask.body:
                        left.outcome = outcomes[left.sent.place]
            return
        with self._tape.lock:
            sent = self._open.pop(id(ask.body), [])
        for one in sent:
            outcome, place = outcomes[one.place], one.place
            one.attempt.is_answered = True
            if not outcome.code:
                one.attempt.stored(outcome.base)
            if outcome.code not in self._passing and len(one.attempt.earlier) < len(one.records):
                self._give_up(ask.peer.client_id, place)
            if outcome.code and outcome.code not in self._passing:
                self._write(place, self._rows.refused(place, one.records, one.requests, outcome[:2]))
            elif not outcome.code:
                self._confirmed(one, outcome.base, outcome.appended)

    def _confirmed(self, sent: Sent, base: int, appended: int | None) -> None:
        """Write records that the broker took, apart from those of which that is written already."""
        place, records, requests, attempt = sent
        known = {at: offset for at in attempt.earlier if (offset := attempt.known(at)) is not None}
        for at, offset in known.items():
            if offset != base + at:
                raise _stored_twice(attempt.peer.client_id, place, offset, base + at)
        if not known:
            self._write(place, self._rows.published(place, records, requests, base, appended))
            return
        for at in range(len(records)):
            if at not in known:
                one = self._rows.published(place, records[at : at + 1], requests[at : at + 1], base + at, appended)
                self._write(place, one)

    def lost(self, ask: Ask) -> None:
        """Take note that a client will not learn what became of a request, because its connection ended.

        Raises:
            DriverError: 9650 if it holds records that cannot be read.
        """
        with self._tape.lock:
            sent = self._open.pop(id(ask.body), [])
            if not ask.taken.is_set():  # the broker's end was lost while it was sent there
                sent = self._sent(ask)
            self._lost += [_Lost(one, ask.body) for one in sent]

    def _give_up(self, client_id: str, place: Place) -> None:
        """Write what a client has lost in a partition and not sent again before it went on there."""
        with self._tape.lock:
            lost, self._lost = self._lost, []
            for one in lost:
                if one.sent.place == place and one.sent.attempt.peer.client_id == client_id:
                    self._write_left(one.sent, lost=True)
                else:
                    self._lost.append(one)

    def _write_left(self, sent: Sent, **how: bool) -> None:
        requests = [sent.requests[at] for at in sent.attempt.left()]
        self._write(sent.place, self._rows.unconfirmed(sent.place, requests, **how))

    def finish(self) -> None:
        """Write what no client has learned of: as the broker said, else so that a replay never confirms it either."""
        ends = time.monotonic() + _LAST_ANSWERS_S
        while self._open and time.monotonic() < ends:
            time.sleep(_LOOK_S)
        with self._tape.lock:
            lost, still_open = self._lost, [one for sent in self._open.values() for one in sent]
            self._lost, self._open = [], {}
        for one in lost:
            if one.outcome is None or one.outcome.code in self._passing:
                self._write_left(one.sent, lost=True)
            else:
                self._write_unread(one.sent, one.outcome)
        for sent in still_open:
            self._write_left(sent, silent=True)

    def _write_unread(self, sent: Sent, outcome: Outcome) -> None:
        """Write what the broker said of records whose client had left."""
        for at in sent.attempt.left():
            records, requests = sent.records[at : at + 1], sent.requests[at : at + 1]
            if outcome.code:
                self._write(sent.place, self._rows.refused(sent.place, records, requests, outcome[:2]))
            else:
                base = outcome.base + at
                self._write(sent.place, self._rows.published(sent.place, records, requests, base, outcome.appended))

    def _write(self, place: Place, rows: list[Fields]) -> None:
        if rows:
            self._tape.write_rows(self._tape.dialect.publish_op, place[0], rows)


def _stored_twice(client_id: str, place: Place, first: int, second: int) -> UnsupportedError:
    return UnsupportedError(
        9641,
        f"client {client_id!r} left a connection before it had read that a record was stored in {place[0]}/{place[1]}, "
        f"and sent it again; the broker holds it twice, at {first} and {second}",
        hint="record again; with an idempotent producer (enable.idempotence) the broker would hold it once",
    )
