"""What members of a group were sent and did not take before they had to give the partition up.

Clients fetch ahead of their programs. What had come to a member, was not committed, and came again from where the group
had committed, is the next owner's; the first one dropped it when it gave the partition up, and gets it in no replay.
Most clients also drop what they had asked for before they got an assignment, and ask for it again.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.wire.kafka.commits import Commits
    from x07py.wire.kafka.feeds import Feed, Place


def leave_out_untaken(feeds: Iterable[Feed], commits: Commits) -> None:
    """Leave out of each recorded member what did not reach its program.

    Args:
        feeds: the members of all groups.
        commits: what the groups committed.
    """
    groups: dict[str, list[Feed]] = {}
    for feed in feeds:
        if feed.assignments:
            groups.setdefault(feed.group, []).append(feed)
    for group, members in groups.items():
        if sum(len(feed.assignments) for feed in members) > 1:
            _Course(group, members, commits).leave_out()


class _Course:
    """How the partitions of a group went from member to member."""

    def __init__(self, group: str, members: list[Feed], commits: Commits) -> None:
        self._group, self._members, self._commits = group, members, commits
        self._deliveries: dict[Place, list[tuple[int, int]]] = {}
        for feed in members:
            for item in feed.deliveries():
                self._deliveries.setdefault(item.place, []).append((item.number, item.offset))
        for found in self._deliveries.values():
            found.sort()

    def leave_out(self) -> None:
        begins = sorted((one.generation, one.number) for feed in self._members for one in feed.assignments)
        for feed in self._members:
            last = max(one.generation for one in feed.assignments)
            ends = [one.number for one in feed.assignments[1:]]
            ends += [number for generation, number in begins if generation > last][:1]
            feed.leave_out(self._untaken(feed, ends))

    def _untaken(self, feed: Feed, ends: list[int]) -> set[int]:
        """Return the entries of a member that its program did not see.

        Args:
            feed: the member.
            ends: the entries with which its assignments ended.
        """
        taken_up = [*(self._taken_up(end) for end in ends), {}]
        found: set[int] = set()
        late: dict[tuple[int, Place, int], int] = {}
        for item in feed.deliveries():
            turn = bisect_right(ends, item.number)
            again = taken_up[turn].get(item.place)
            if again is not None and item.offset >= again:
                found.add(item.number)
            elif item.late:
                late[turn, item.place, item.offset] = item.number
            elif late and (turn, item.place, item.offset) in late:
                found.add(late[turn, item.place, item.offset])
        return found

    def _taken_up(self, end: int) -> dict[Place, int]:
        """Return from where each partition came again after an entry, where that is what had been committed."""
        found: dict[Place, int] = {}
        for place, deliveries in self._deliveries.items():
            at = bisect_right(deliveries, (end, -1))
            if at < len(deliveries):
                number, offset = deliveries[at]
                if self._commits.recorded_before(self._group, place, number) == offset:
                    found[place] = offset
        return found
