"""The recorded consumers of a replay: what each of them is given next, and when.

A consumer of the recording is a feed: deliveries, ends of partitions and assignments in the order in which they came.
The replay gives them in that order, each after what had been published before it. Fetch requests name partitions and
not consumers, so whoever fetches is brought together with a feed by `x07py.wire.kafka.choosing`.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import CassetteError
from x07py.wire.decoding import document
from x07py.wire.kafka.batches import BatchWriter
from x07py.wire.kafka.recorded import LATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from x07py.drivers.base import Json
    from x07py.wire.kafka.entries import Entries

Place = tuple[str, int]
"""Topic and partition."""
END, ASSIGNED, LOST = "event_end_v1", "event_assigned_v1", "event_lost_v1"
POLL = "poll_env_v1"
_PLACE = re.compile(
    rb'"offset":(-?\d+),"partition":(\d+)(?:,"timestamp":(-?\d+))?(?:,"timestamp_type":(\d))?,"topic":"([^"\\]+)"'
)
"""What broker metadata, which is canonical JSON, ends with."""
_NO_TIME = -1
_TURN_S = 2.0
"""How long a partition's turn lasts when the client, without having come back for more of it, asks for others only."""
_SKIPPED, _RECORD, _END, _ASSIGNED, _LOST = range(5)


class Item(NamedTuple):
    """One thing that happened to a consumer: its entry, what kind it is, and where; deliveries also when.

    Args:
        late: whether the consumer had asked for it before it got its assignment.
    """

    number: int
    kind: int
    place: Place
    offset: int
    timestamp: int = _NO_TIME
    log_append: bool = False
    late: bool = False


class Assigned(NamedTuple):
    """One recorded assignment of a member of a group.

    Args:
        number: its entry.
        generation: in which generation of the group, from 1; 0 if that was not recorded.
        client: the client's name for itself.
        instance: the name of a static member, or None.
    """

    number: int
    generation: int
    client: str
    instance: str | None


class Served(NamedTuple):
    """What a fetch gets of one partition."""

    place: Place
    records: bytes
    high_watermark: int


class Feed:
    """One recorded consumer.

    Args:
        tape: the cassette.
        scope: under what it was recorded.
        numbers: numbers of its entries with the names of their operations, in file order.

    Attributes:
        siblings: the other consumers of its group.
        assignments: what it was assigned as a member of a group, in order.
    """

    def __init__(self, tape: Entries, scope: str, numbers: list[tuple[int, str]]) -> None:
        self._tape = tape
        self.scope = scope
        sources, _, group = scope.partition("@")
        self.sources: frozenset[str] = frozenset(filter(None, sources.split(",")))
        name, mark, copy = group.rpartition("#")
        self.group: str = name if mark and copy.isdigit() else group
        self.taken = False
        self.siblings: list[Feed] = []
        self._numbers = numbers
        self.assignments: list[Assigned] = [self._assigned(number) for number, op in numbers if op == ASSIGNED]
        self._items: list[Item] | None = None
        self._at = 0
        self._places: dict[tuple[bytes, bytes], Place] = {}
        self._served: dict[Place, list[Item]] = {}
        self._assignment: dict[str, list[int]] | None = None
        self._turn: tuple[Place, int] | None = None
        self._turn_since: float | None = None
        self._asked: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        self._told_end: dict[Place, int] = {}

    @property
    def items(self) -> list[Item]:
        """What happened to the consumer, in order; the first use reads it."""
        if self._items is None:
            self._items = self._read()
            for item in self._items:
                if item.kind == _RECORD:
                    self._ends[item.place] = max(self._ends.get(item.place, 0), item.offset + 1)
        return self._items

    def _read(self) -> list[Item]:
        items: list[Item] = []
        counts: dict[Place, int] = {}
        for number, op in self._numbers:
            item = self._event(number, op) if op != POLL else self._delivery(number, counts)
            if item.kind == _SKIPPED:
                self._tape.session.ledger.use(number)
            elif item.kind == _ASSIGNED and items and items[-1].kind == _ASSIGNED and self._was_vain(items[-1]):
                items[-1] = item
            else:
                items.append(item)
        self._postpone_losses(items)
        return items

    def _postpone_losses(self, items: list[Item]) -> None:
        """Put the loss of a membership right before the assignment that follows it.

        Clients go on fetching while they join anew, and what came until they had their assignment reached the program.
        """
        assigned = len(items)
        for at in range(len(items) - 1, -1, -1):
            if items[at].kind == _ASSIGNED:
                assigned = at
            elif items[at].kind == _LOST and assigned < len(items):
                lost = items.pop(at)
                assigned -= 1
                if assigned and items[assigned - 1].kind == _LOST:  # told more than once, and learned once
                    self._tape.session.ledger.use(lost.number)
                else:
                    items.insert(assigned, lost)
                    assigned += 1

    def _assigned(self, number: int) -> Assigned:
        said = self._tape.event(number)
        return Assigned(number, said.get("generation", 0), said.get("client", ""), said.get("instance"))

    def _was_vain(self, item: Item) -> bool:
        """Tell whether a member was assigned nothing and was alone: the group did not know its topic yet."""
        if item.offset:
            return False
        generation = next(one.generation for one in self.assignments if one.number == item.number)
        return not any(one.generation == generation for feed in self.siblings for one in feed.assignments)

    def leave_out(self, numbers: set[int]) -> None:
        """Leave out deliveries that did not reach the program, by the numbers of their entries."""
        if numbers:
            self._tape.session.ledger.use_all(numbers)
            self._items = [item for item in self.items if item.number not in numbers]

    def _event(self, number: int, op: str) -> Item:
        detail = self._tape.event(number)
        if op == END:
            return Item(number, _END, (detail["topic"], detail["partition"]), detail["offset"])
        if op == ASSIGNED:
            return Item(number, _ASSIGNED, ("", 0), sum(len(parts) for parts in detail["partitions"].values()))
        return Item(number, _LOST, ("", 0), detail["error"])

    def _delivery(self, number: int, counts: dict[Place, int]) -> Item:
        """Return a delivery; recordings of other tools may not say where it stood, then it is the next of its topic."""
        index = self._tape.session.ledger.index
        if number in index.errors:
            return self._failure(number)
        meta = index.meta(number)
        found = _PLACE.search(meta)
        if found is not None:
            offset, partition, time_, kind, topic = found.groups()
            place = self._places.setdefault((topic, partition), (topic.decode(), int(partition)))
            return Item(number, _RECORD, place, int(offset), int(time_ or _NO_TIME), kind == b"2", LATE in meta)
        facts: Json = document(meta) if meta else None
        facts = facts if isinstance(facts, dict) else {}
        place = (facts.get("topic") or self._tape.recorded_topic(number), facts.get("partition", 0))
        offset = facts.get("offset", counts.get(place, 0))
        counts[place] = offset + 1
        return Item(number, _RECORD, place, offset, facts.get("timestamp", _NO_TIME), facts.get("timestamp_type") == 2)

    def _failure(self, number: int) -> Item:
        """Return what a class-level drop-in recorded in place of a message: of these the wire knows ends only."""
        try:
            detail: Json = document(self._tape.session.ledger.response(number))
            meta = detail.get("meta", {})
            if detail["error"]["$error"][0] == -191:  # librdkafka's number for the end of a partition
                return Item(number, _END, (meta["topic"], meta["partition"]), meta["offset"])
        except (CassetteError, KeyError, TypeError, AttributeError):
            pass
        return Item(number, _SKIPPED, ("", 0), 0)

    def deliveries(self) -> Iterator[Item]:
        """Yield every message that came."""
        return (item for item in self.items if item.kind == _RECORD)

    def places(self) -> set[Place]:
        """Return every partition of which something came."""
        return {item.place for item in self.deliveries()}

    def start(self, place: Place) -> int | None:
        """Return the offset of the next delivery of a partition, or None if nothing more comes of it."""
        items = self.items
        rest = (items[at] for at in range(self._at, len(items)))
        return next((item.offset for item in rest if item.kind == _RECORD and item.place == place), None)

    def next_assignment(self) -> Assigned | None:
        """Return the next recorded assignment if it is what comes next, or None."""
        self._peek()
        items, at = self.items, self._at
        while at < len(items) and items[at].kind == _END:
            at += 1
        if at == len(items) or items[at].kind != _ASSIGNED:
            return None
        return next(one for one in self.assignments if one.number == items[at].number)

    def assignment(self) -> dict[str, list[int]] | None:
        """Return the next recorded assignment if it is what comes next, and use it; else the last one, or None."""
        upcoming = self.next_assignment()
        if upcoming is not None:
            while self.items[self._at].number != upcoming.number:
                self._at += 1
            self._at += 1
            self._turn = None
            self._assignment = self._tape.event(upcoming.number)["partitions"]
            self._tape.take(upcoming.number)
        return self._assignment

    def loss(self) -> int:
        """Return the error by which a member learns that it is none any more, and use it; 0 if none comes next."""
        item = self._peek()
        if item is None or item.kind != _LOST or not self._tape.is_open(item.number):
            return 0
        if not self._has_come_back() and not self._is_late():
            return 0
        self._turn_since = None
        self.learned_of_loss()
        return item.offset

    def has_come_to(self, number: int) -> bool:
        """Tell whether the client was given every message that came before an entry or the assignment behind it."""
        item = self._peek()
        if item is None or item.kind in (_LOST, _ASSIGNED):
            return True
        following = next((one.number for one in self.assignments if one.number > number), None)
        return item.number > number if following is None else self._tape.session.ledger.is_used(following)

    def learned_of_loss(self) -> None:
        """Use the loss of a membership, of which the client has learned by something else than a heartbeat."""
        item = self._peek()
        if item is not None and item.kind == _LOST:
            self._tape.take(item.number)
            self._at += 1

    def _peek(self) -> Item | None:
        items = self.items
        while self._at < len(items) and self._tape.session.ledger.is_used(items[self._at].number):
            self._at += 1
        return items[self._at] if self._at < len(items) else None

    def is_over(self) -> bool:
        """Tell whether nothing is left for the consumer."""
        return self._peek() is None

    @property
    def holds_turn(self) -> bool:
        """Whether what comes next waits for the client to come back for more of the partition before it."""
        return self._turn_since is not None

    def serve(self, wanted: Mapping[Place, int], most: int) -> Served | None:
        """Return what a fetch gets now, or None if it has to wait.

        Args:
            wanted: the offset from which each partition is asked for.
            most: most bytes of records; the first record comes whatever its size.
        """
        self._asked |= wanted
        for place, offset in wanted.items():
            if (again := self._again(place, offset, most)) is not None:
                return again
        while (item := self._peek()) is not None:
            if item.kind == _END:
                asked = wanted.get(item.place) == item.offset
                if not asked and not self._is_late():
                    return None
                self._pass_end(item)
                if asked:
                    return Served(item.place, b"", item.offset)
                continue
            offset = wanted.get(item.place, -1) if item.kind == _RECORD else -1
            if offset < 0 or not self._tape.is_open(item.number) or not self._is_turn(item.place, wanted):
                return None
            if offset > item.offset:
                self._tape.take(item.number)
                self._at += 1
                continue
            return self._run(item.place, most)
        return None

    def _pass_end(self, item: Item) -> None:
        """Use the end of a partition; who asks at that offset, now or later, hears of it."""
        self._tape.take(item.number)
        self._at += 1
        self._turn_since = None
        self._told_end[item.place] = item.offset

    def _is_turn(self, place: Place, wanted: Mapping[Place, int]) -> bool:
        """Tell whether the client has come back for more of what it was given last; then it has taken that in order."""
        if self._turn is None or self._turn[0] == place or wanted.get(self._turn[0], -1) >= self._turn[1]:
            self._turn_since = None
            return True
        return self._is_late()

    def _has_come_back(self) -> bool:
        """Tell whether the client has asked for more of all that it was given, as it does when it has taken that."""
        return all(self._asked.get(place, -1) > given[-1].offset for place, given in self._served.items())

    def _is_late(self) -> bool:
        """Tell whether the client has left what comes next alone for so long that it is not waited for any more."""
        now = time.monotonic()
        if self._turn_since is None:
            self._turn_since = now
        return now - self._turn_since > _TURN_S

    def _run(self, place: Place, most: int) -> Served:
        """Use the next deliveries as far as they are of one partition, in order, and their time has come."""
        run: list[Item] = []
        size, last = 0, -1
        index = self._tape.session.ledger.index
        limit = self._tape.first_closed()
        while (item := self._peek()) is not None and item.kind == _RECORD and item.place == place:
            size += index.positions[6 * item.number + 3] - index.positions[6 * item.number + 2]
            if item.offset <= last or item.number > limit or (run and size > most):
                break
            run.append(item)
            last = item.offset
            self._at += 1
        self._tape.take_all([item.number for item in run])
        self._turn = (place, last + 1)
        self._served.setdefault(place, []).extend(run)
        return Served(place, self._batch(run), max(self._ends[place], last + 1))

    def _again(self, place: Place, offset: int, most: int) -> Served | None:
        """Return what was served before, if the client asks for it again: it lost it, or went back.

        Another member of the group may have lost it too, that was sent it and gave the partition up.
        """
        upcoming = self.start(place)
        found = self._left_of(self._served.get(place), offset, upcoming, most)
        if found is None and upcoming is not None and upcoming > offset:
            given = (one._served.get(place) for one in self.siblings)
            found = next((kept for one in given if (kept := self._left_of(one, offset, upcoming, most))), None)
        return Served(place, self._batch(found), self._ends[place]) if found else None

    def _left_of(self, given: list[Item] | None, offset: int, upcoming: int | None, most: int) -> list[Item] | None:
        """Return what was given of a partition from an offset on, if nothing of that is to come yet."""
        if not given or given[-1].offset < offset:
            return None
        if upcoming is not None and upcoming <= given[-1].offset:
            return None
        kept: list[Item] = []
        index, size = self._tape.session.ledger.index, 0
        begin = max((at for at, item in enumerate(given) if item.offset <= offset), default=0)
        for item in given[begin:]:
            size += index.positions[6 * item.number + 3] - index.positions[6 * item.number + 2]
            if kept and (size > most or item.offset <= kept[-1].offset):
                break
            if item.offset >= offset:
                kept.append(item)
        return kept

    def _batch(self, items: list[Item]) -> bytes:
        writer = BatchWriter(items[0].offset, items[0].timestamp)
        for item in items:
            writer.add(item.offset, item.timestamp, *self._tape.recorded_parts(item.number))
        return writer.finish(log_append_time=items[-1].log_append)

    def high_watermark(self, place: Place, offset: int) -> int:
        """Return the end of a partition for a fetch that gets nothing of it; it is its position only where that was
        recorded, because clients tell their programs when they come to it."""
        if self._told_end.get(place) == offset:
            return offset
        return max(self._ends.get(place, 0), offset + 1)
