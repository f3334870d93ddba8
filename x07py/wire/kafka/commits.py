"""Commits of offsets. Clients commit on timers too, so what is compared is how far a group comes.

A replayed commit must be one that was recorded, or lie before one: commits between two recorded ones are chance. It
uses up what was recorded of the partition up to its offset, so that at the end exactly the groups that came as far as
in the recording have nothing left over. Other seams record only what a program commits by a call, so in their
cassettes a partition without any recorded commit may be committed as the client likes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import ReplayMismatchError
from x07py.wire.decoding import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from x07py.drivers.base import Json
    from x07py.wire.kafka.entries import Entries
    from x07py.wire.kafka.feeds import Place


OF_MEMBERSHIP = frozenset({22, 25, 27})
"""Errors by which a member learns from a commit that its group has gone on without it."""


class _Step(NamedTuple):
    """One partition of a recorded commit: how far, in which entry, and with which error."""

    offset: int
    number: int
    error: int


class Commits:
    """The recorded commits of a replay.

    Args:
        tape: the cassette.
        numbers: numbers of their entries, in file order.
    """

    def __init__(self, tape: Entries, numbers: Iterable[int]) -> None:
        self._tape = tape
        self._lanes: dict[tuple[str, Place], deque[_Step]] = {}
        self._open: Counter[int] = Counter()
        self._course: dict[tuple[str, Place], tuple[list[int], list[int]]] = {}
        self._reached: dict[tuple[str, Place], int] = {}
        self._latest: dict[tuple[str, Place], tuple[int, str]] = {}
        self._errors: dict[tuple[str, Place], int] = {}
        self._groups: dict[str, str] = {}
        for number in numbers:
            self._add(number)

    def _add(self, number: int) -> None:
        ledger = self._tape.session.ledger
        request = document(ledger.request(number) or b"{}")
        rows = request.get("offsets") or []
        if "message" in request:
            topic, partition, offset = request["message"]
            rows = [[topic, partition, offset + 1]]
        rows = [row for row in rows if row[2] >= 0]
        if not rows:  # of the positions at that time, or of what was acknowledged: nothing to compare with
            ledger.use(number)
            return
        group = request.get("group") or group_of(ledger.bucket(number).scope.decode("utf-8", "surrogateescape"))
        self._groups[group] = group
        error = error_number(document(ledger.response(number))) if number in ledger.index.errors else 0
        for topic, partition, offset in rows:
            self._lanes.setdefault((group, (topic, partition)), deque()).append(_Step(offset, number, error))
            self._open[number] += 1
            if not error:
                numbers, offsets = self._course.setdefault((group, (topic, partition)), ([], []))
                numbers.append(number)
                offsets.append(offset)

    def take(self, group: str, place: Place, offset: int, metadata: str, has_come_to: Callable[[int], bool]) -> int:
        """Return the recorded error, or 0, of committing `offset`, and use what was recorded up to it.

        Args:
            group: who commits; a group that was not recorded stands for the first that was and that nobody stands for.
            place: topic and partition.
            offset: of the message that comes next.
            metadata: what the client says beside it.
            has_come_to: tells whether the member was given what came before an entry; clients commit on timers, and
                one that commits earlier than in the recording is in its group yet.

        Raises:
            ReplayMismatchError: 2050 if the offset lies behind all that was recorded; 2009 if none was.
        """
        lane = self._lanes.get((self._recorded(group, place), place), deque())
        ahead = self._reached.get((group, place), -1) < offset
        if ahead and (lane or self._tape.holds_own) and not any(step.offset >= offset for step in reversed(lane)):
            raise self._too_far(group, place, offset, lane)
        error = 0 if ahead else self._errors.get((group, place), 0)  # else it is tried again
        while lane and lane[0].offset <= offset:
            if lane[0].error in OF_MEMBERSHIP and not has_come_to(lane[0].number):
                break
            step = lane.popleft()
            error = step.error
            self._open[step.number] -= 1
            if not self._open[step.number]:
                self._tape.take(step.number)
        self._errors[group, place] = error
        if not error:
            self._latest[group, place] = offset, metadata
        self._reached[group, place] = max(offset, self._reached.get((group, place), -1))
        return error

    def position(self, group: str, place: Place) -> tuple[int, str] | None:
        """Return what a group has committed of a partition in this replay, offset and metadata, or None."""
        return self._latest.get((group, place))

    def is_settled(self, recorded: str, number: int) -> bool:
        """Tell whether a group has committed again what it had committed before entry `number`.

        Args:
            recorded: the group, as it was recorded.
            number: the entry.
        """
        return not any(
            lane and lane[0].number < number for (group, _), lane in self._lanes.items() if group == recorded
        )

    def recorded_before(self, recorded: str, place: Place, number: int) -> int | None:
        """Return what a group, as recorded, had committed of a partition last before entry `number`, or None."""
        numbers, offsets = self._course.get((recorded, place), ((), ()))
        at = bisect_left(numbers, number)
        return offsets[at - 1] if at else None

    def _recorded(self, group: str, place: Place) -> str:
        if group not in self._groups:
            taken = set(self._groups.values()) - {name for name, own in self._groups.items() if name == own}
            free = (name for name, where in self._lanes if where == place and name not in taken)
            self._groups[group] = next(free, group)
        return self._groups[group]

    def _too_far(self, group: str, place: Place, offset: int, lane: Iterable[_Step]) -> ReplayMismatchError:
        topic, partition = place
        left = [step.offset for step in lane]
        recorded = f"the recording goes to {max(left)}" if left else "the recording holds no such commit"
        return ReplayMismatchError(
            2050 if left else 2009,
            f"group {group} commits offset {offset} of {topic}/{partition}; {recorded}",
            where=self._tape.session.config.cassette,
            hint="the program acknowledges more than it did when it was recorded; record again if that is meant",
        )


def group_of(scope: str) -> str:
    """Return the group in the scope of a consumer."""
    group = scope.partition("@")[2]
    name, mark, copy = group.rpartition("#")
    return name if mark and copy.isdigit() else group


def error_number(detail: Json) -> int:
    """Return Kafka's number of a recorded error; -1 if it is none of the broker's."""
    found = detail.get("$error") if isinstance(detail, dict) else None
    return found[0] if isinstance(found, list) and found and isinstance(found[0], int) else -1
