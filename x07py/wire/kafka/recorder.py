"""What a recording writes of the requests and answers that pass between a client and its broker.

Everything is written before the client gets the answer, so that no program acts on what a recording that is cut off
would not hold. Errors after which every client tries again are left out: the attempt that counts follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.wire.kafka import apis
from x07py.wire.kafka.batches import read_batches
from x07py.wire.kafka.calls import answered, asked, scope_of
from x07py.wire.kafka.membership import CONSUMER, assigned_places, flat, owned_places, subscribed_topics
from x07py.wire.kafka.peers import Members, Membership
from x07py.wire.kafka.producing import Producing
from x07py.wire.kafka.recorded import AGAIN
from x07py.wire.kafka.repeats import Repeats
from x07py.wire.kafka.rows import Rows
from x07py.wire.tape import LIBRARY_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from x07py.drivers.base import Json
    from x07py.rr.entry_template import Fields
    from x07py.wire.kafka.batches import Batch
    from x07py.wire.kafka.feeds import Place
    from x07py.wire.kafka.holdings import Holdings
    from x07py.wire.kafka.peers import Ask, Peer

_PASSING = frozenset({3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 27, 51, 56, 72, 74, 75, 78, 79})
"""Errors that clients meet by trying again, by finding another broker or by joining a group anew."""
_COORDINATOR_AWAY = frozenset({14, 15, 16})
"""Errors after which every client looks for the group's coordinator and commits again."""
_READ_COMMITTED = 1
_ANSWER_S = 1.0
"""How long a delivery waits for the answer to what was published there, which may come behind it."""


class _Reader(NamedTuple):
    """Who fetches: scope and request of the consumer, whether it is shown what was committed only, and whether it asked
    before it got its assignment."""

    scope: str
    request: bytes
    committed: bool
    late: bool


class Recorder:
    """Writes what passes; one for all connections of a run.

    Args:
        tape: the cassette.
    """

    def __init__(self, tape: Holdings) -> None:
        self.tape = tape
        self._rows = Rows(tape)
        self._under_way: dict[int, tuple[frozenset[Place], Event]] = {}
        self._members = Members()
        self._first_generation: dict[str, int] = {}
        self._assignments = 0
        self._told_end: dict[tuple[str, Place], int] = {}
        self._producing = Producing(tape, self._rows, _PASSING)
        self._writers: Mapping[int, Callable[[Ask, Any], None]] = {
            apis.PRODUCE: self._producing.answered,
            apis.METADATA: self._metadata,
            apis.LIST_OFFSETS: self._offsets,
            apis.OFFSET_COMMIT: self._committed,
            apis.OFFSET_FETCH: self._positions,
            apis.JOIN_GROUP: self._joined,
            apis.SYNC_GROUP: self._synced,
            apis.HEARTBEAT: self._heart_beat,
            apis.LEAVE_GROUP: self._left,
            apis.INIT_PRODUCER_ID: self._producer,
            apis.END_TXN: self._ended,
            apis.TXN_OFFSET_COMMIT: self._sent_offsets,
        }
        self._repeats = Repeats(_PASSING)
        tape.on_close += (self._producing.finish, self._repeats.finish)

    def expects(self, ask: Ask) -> None:
        """Take note that a request goes out: what it publishes may be delivered before its answer comes."""
        ask.since = self._assignments
        if ask.request.key == apis.PRODUCE:
            places = frozenset((t.name, p.index) for t in ask.body.topic_data for p in t.partition_data)
            self._under_way[id(ask)] = (places, ask.written)

    def _settle(self, ask: Ask) -> None:
        ask.written.set()
        self._under_way.pop(id(ask), None)

    def _let_publishes_come_first(self, places: set[Place]) -> None:
        """Wait until what was sent to partitions has been written; a delivery of it belongs behind it."""
        for on_way, written in list(self._under_way.values()):
            if not on_way.isdisjoint(places):
                written.wait(_ANSWER_S)

    def sends(self, ask: Ask) -> None:
        """Take note of what a request holds, while it is under way.

        Raises:
            DriverError: 9650 if it holds records that cannot be read.
        """
        if ask.request.key == apis.FIND_COORDINATOR and not getattr(ask.body, "key_type", 0):
            ask.peer.groups += ask.body.coordinator_keys if ask.request.version >= 4 else [ask.body.key]
        if ask.request.key == apis.JOIN_GROUP and ask.body.protocol_type == CONSUMER:
            self._joins(ask)
        if ask.request.key == apis.PRODUCE:
            self._producing.sends(ask)
            if not ask.body.acks:
                self._settle(ask)

    def answered(self, ask: Ask, body: Any) -> None:
        """Write what the broker's answer to a request says."""
        self._repeats.answered(
            ask, body, lambda: self._write_answer(ask, body), lambda: self._called(ask, body, again=True)
        )
        self._settle(ask)

    def _write_answer(self, ask: Ask, body: Any) -> None:
        writer = self._writers.get(ask.request.key)
        if writer is not None:
            writer(ask, body)
        elif ask.request.key in apis.CALLS:
            self._called(ask, body)

    def lost(self, ask: Ask) -> None:
        """Take note that the client will not learn what became of a request, because its connection ended."""
        try:
            if ask.request.key == apis.PRODUCE:
                self._producing.lost(ask)
        finally:
            self._settle(ask)

    def fetched(self, ask: Ask, body: Any) -> None:
        """Write the messages of a fetch."""
        wanted = {(t.topic, p.partition): p.fetch_offset for t in ask.body.topics for p in t.partitions}
        if not wanted:
            return
        came = {(t.topic, p.partition_index) for t in body.responses for p in t.partitions if p.records}
        if came and self._under_way:
            self._let_publishes_come_first(came)
        reader, member = self._reader(ask, frozenset(wanted))
        for topic in body.responses:
            for part in topic.partitions:
                place = (topic.topic, part.partition_index)
                if place in wanted and not part.error_code.value and not (member and member.drops(place)):
                    self._fetched_part(reader, place, wanted[place], part)

    def _fetched_part(self, reader: _Reader, place: Place, offset: int, part: Any) -> None:
        committed, scope = reader.committed, reader.scope
        end = part.last_stable_offset if committed and part.last_stable_offset >= 0 else part.high_watermark
        if not part.records:
            if end == offset and self._told_end.get((scope, place)) != offset:
                self._told_end[scope, place] = offset
                self.tape.write_event("end", scope, {"topic": place[0], "partition": place[1], "offset": offset})
            return
        rows: list[Fields] = []
        for batch in _visible(read_batches(part.records), part, committed=committed):
            records = batch.records
            if records and records[0].offset < offset:
                records = [record for record in records if record.offset >= offset]
            rows += self._rows.delivered(place, reader.request, records, appended=batch.log_append_time)
        if rows:
            self.tape.write_run(scope, rows, late=reader.late)

    def _reader(self, ask: Ask, places: frozenset[Place]) -> tuple[_Reader, Membership | None]:
        """Return the consumer that a connection fetches as, and its membership."""
        peer, committed = ask.peer, ask.body.isolation_level == _READ_COMMITTED
        with self.tape.lock:
            member = self._members.fetching(peer, places)
            if member is not None:
                request = self.tape.subscription(tuple(sorted(member.topics)), member.group)
                return _Reader(member.scope, request, committed, ask.since < member.since), member
            sources = tuple(f"{topic}/{partition}" for topic, partition in sorted(places))
            group = peer.groups[-1] if peer.groups else ""
            if peer.scope is None:
                peer.scope, peer.sources = self.tape.scope_of(sources, group), sources
            return _Reader(peer.scope, self.tape.subscription(peer.sources, group), committed, late=False), None

    def _metadata(self, ask: Ask, body: Any) -> None:
        notes = self.tape.questions
        if getattr(body, "cluster_id", None):
            notes.note("cluster", "", {}, {"id": body.cluster_id})
        everything = ask.body.topics is None or (not ask.request.version and not ask.body.topics)
        if everything:
            notes.note("topics", "", {}, {"names": sorted(topic.name for topic in body.topics)})
        for topic in body.topics:
            answer = {"partitions": len(topic.partitions), "error_code": int(topic.error_code.value)}
            notes.note("topic", topic.name, {}, answer)

    def _offsets(self, ask: Ask, body: Any) -> None:
        moments = {(t.name, p.partition_index): p.timestamp for t in ask.body.topics for p in t.partitions}
        for topic in body.topics:
            for part in topic.partitions:
                if part.error_code.value:
                    continue
                question = {"timestamp": moments[topic.name, part.partition_index]}
                answer = {"offset": part.offset, "timestamp": part.timestamp}
                self.tape.questions.note("offsets", f"{topic.name}/{part.partition_index}", question, answer)

    def _positions(self, ask: Ask, body: Any) -> None:
        groups = getattr(body, "groups", None)
        found = [(one.group_id, one.topics) for one in groups] if groups else []
        if ask.request.version < 8:
            found = [(ask.body.group_id, body.topics)]
        for group, topics in found:
            for topic in topics:
                for part in topic.partitions:
                    if not part.error_code.value:
                        answer = {"committed_offset": part.committed_offset, "metadata": part.metadata}
                        place = f"{topic.name}/{part.partition_index}@{group}"
                        self.tape.questions.note("committed", place, {}, answer)

    def _committed(self, ask: Ask, body: Any) -> None:
        codes = {(t.name, p.partition_index): int(p.error_code.value) for t in body.topics for p in t.partitions}
        group = ask.body.group_id
        member = self._members.speaking(group, ask.body.member_id, ask.peer)
        scope = member.scope if member else f"@{group}"
        outcomes: dict[int, list[Json]] = {}
        for topic in ask.body.topics:
            for part in topic.partitions:
                row = [topic.name, part.partition_index, part.committed_offset]
                outcomes.setdefault(codes.get((topic.name, part.partition_index), 0), []).append(row)
        for code, rows in outcomes.items():
            if code not in _COORDINATOR_AWAY:
                self._write_outcome("commit", scope, {"group": group, "offsets": rows}, code)

    def _write_outcome(self, name: str, scope: str, request: Json, code: int) -> None:
        if not code:
            self.tape.write_call(name, scope, request, None)
        else:
            detail = {"$error": [code, "", False, False, False]}
            self.tape.write_call(name, scope, request, detail, err=LIBRARY_ERROR)

    def _joins(self, ask: Ask) -> None:
        """Take note of what a member keeps while it joins anew."""
        with self.tape.lock:
            self._members.speaking(ask.body.group_id, ask.body.member_id, ask.peer)
            member = self._members.joined(ask.body.group_id, ask.body.member_id, ask.peer)
            if member is not None:
                member.kept = owned_places(ask.body.protocols[0].metadata)

    def _joined(self, ask: Ask, body: Any) -> None:
        if body.error_code.value:
            return
        topics = frozenset[str]()
        if ask.body.protocol_type == CONSUMER:
            topics = subscribed_topics(ask.body.protocols[0].metadata)
        group = ask.body.group_id
        with self.tape.lock:
            member = self._members.joined(group, body.member_id, ask.peer)
            if member is None:
                member = Membership(group, body.member_id, topics, ask.peer)
                member.scope = self.tape.scope_of(tuple(sorted(topics)), group)
                self._members.all.append(member)
            member.member_id, member.peer, member.topics = body.member_id, ask.peer, topics
            first = self._first_generation.setdefault(group, body.generation_id)
            member.generation = body.generation_id - first + 1

    def _synced(self, ask: Ask, body: Any) -> None:
        member = self._members.of(ask.body.group_id, ask.body.member_id)
        if member is None or body.error_code.value or not member.topics:
            return
        places = assigned_places(body.assignment)
        with self.tape.lock:
            member.assign(flat(places))
            self._assignments += 1
            member.since = self._assignments
        said: dict[str, Json] = {"client": member.client_id, "generation": member.generation, "partitions": places}
        if (instance := getattr(ask.body, "group_instance_id", None)) is not None:
            said["instance"] = instance
        self.tape.write_event("assigned", member.scope, said)

    def _heart_beat(self, ask: Ask, body: Any) -> None:
        code = int(body.error_code.value)
        member = self._members.speaking(ask.body.group_id, ask.body.member_id, ask.peer)
        if member is not None and code and code not in _PASSING:
            self.tape.write_event("lost", member.scope, {"error": code})

    def _left(self, ask: Ask, _: Any) -> None:
        ids = [one.member_id for one in ask.body.members] if ask.request.version >= 3 else [ask.body.member_id]
        for member_id in ids:
            member = self._members.of(ask.body.group_id, member_id)
            if member is not None:
                member.left = True

    def gone(self, peer: Peer) -> None:
        """Take note that a connection has ended."""
        with self.tape.lock:
            self._members.gone(peer)

    def _producer(self, ask: Ask, body: Any) -> None:
        if ask.body.transactional_id is not None:
            self._write_step("init_transactions", {}, int(body.error_code.value))

    def _ended(self, ask: Ask, body: Any) -> None:
        name = "commit_transaction" if ask.body.committed else "abort_transaction"
        self._write_step(name, {}, int(body.error_code.value))

    def _sent_offsets(self, ask: Ask, body: Any) -> None:
        rows = [[t.name, p.partition_index, p.committed_offset] for t in ask.body.topics for p in t.partitions]
        codes = {int(p.error_code.value) for t in body.topics for p in t.partitions}
        self._write_step("send_offsets_to_transaction", {"offsets": rows}, max(codes, default=0))

    def _write_step(self, name: str, request: Json, code: int) -> None:
        """Write one step of a transaction, unless it is tried again."""
        if code not in _PASSING:
            self._write_outcome(name, "", request, code)

    def _called(self, ask: Ask, body: Any, *, again: bool = False) -> None:
        call, question = apis.CALLS[ask.request.key], asked(ask.body)
        if call.question:
            self.tape.questions.note(f"admin_{call.name}", scope_of(question), question, answered(body))
        else:
            said = answered(body) | ({AGAIN: True} if again else {})
            self.tape.write_call(f"admin_{call.name}", scope_of(question), question, said)


def _visible(batches: list[Batch], part: Any, *, committed: bool) -> list[Batch]:
    """Return the batches that a client shows its program: no marks, and no aborted transactions if it asked for that.

    The broker lists the transactions that were aborted, by producer and first offset; each ends at its producer's mark.
    """
    aborted = (
        sorted((one.first_offset, one.producer_id) for one in part.aborted_transactions or ()) if committed else []
    )
    open_now: set[int] = set()
    seen: list[Batch] = []
    for batch in batches:
        while aborted and aborted[0][0] <= batch.last_offset:
            open_now.add(aborted.pop(0)[1])
        if batch.control:
            open_now.discard(batch.producer_id)
        elif not (batch.transactional and batch.producer_id in open_now):
            seen.append(batch)
    return seen
