"""The generations of recorded groups: who was in them, and when a member of a replay comes to the next one.

When somebody joins or leaves a group, every other member hears of it by its next heartbeat and joins anew, and all get
their assignments at once. A replay waits for the same: a member is told to join anew once whoever had joined or left
before has done so again, and gets its assignment when the others are there. Nobody is waited for without end, because a
program may run one member of a recorded group only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from x07py.wire.kafka.commits import Commits
    from x07py.wire.kafka.feeds import Assigned, Feed
    from x07py.wire.kafka.holdings import Holdings
    from x07py.wire.kafka.peers import Members, Membership

_ABSENT_S, _COMMIT_S, _LOOK_S = 5.0, 1.0, 0.05
"""How long nothing happens before a member that was recorded is taken for absent; how long commits from before a
generation are waited for, some of which may have been made when it was already announced."""
_JOIN_AGAIN = 27


class Generations:
    """The generations of all groups of a replay.

    Args:
        tape: the cassette.
        members: the members of the run.
        commits: what groups commit.
    """

    def __init__(self, tape: Holdings, members: Members, commits: Commits) -> None:
        self._tape, self._members, self._commits = tape, members, commits
        self._feeds: dict[str, dict[int, dict[Feed, str | None]]] = {}
        for feed in tape.feeds.all:
            for one in feed.assignments:
                if one.generation:
                    self._add(feed, one)
        self._changed = time.monotonic()
        self._announced: dict[tuple[str, int], float] = {}

    def _add(self, feed: Feed, one: Assigned) -> None:
        """Take a member into a generation, unless it came back under a static name and disturbed nobody."""
        found = self._feeds.setdefault(feed.group, {}).setdefault(one.generation, {})
        if one.instance is None or one.instance not in found.values():
            found[feed] = one.instance

    def note(self) -> None:
        """Take note that a group has changed; the caller holds the cassette's lock."""
        self._changed = time.monotonic()
        self._tape.changed.notify_all()

    def gather(self, member: Membership, patience_s: float) -> None:
        """Wait until whoever was in a member's next generation has come to it; the caller holds the cassette's lock.

        Args:
            member: who joins.
            patience_s: how long members that are there may take, if the replay has so much patience.
        """
        feed, ends = member.feed, time.monotonic() + min(patience_s, self._tape.rules.patience_s)
        upcoming = feed.next_assignment() if feed is not None else None
        if feed is None or upcoming is None:
            return
        member.heading = upcoming.generation
        self.note()
        others = [one for one in self._in(feed.group, upcoming.generation) if one is not feed]
        while any(self._is_awaited(one, upcoming.generation) for one in others) and time.monotonic() < ends:
            if self._tape.broken is not None:
                raise self._tape.broken
            if member.left or member.peer.has_left:
                return
            self._tape.changed.wait(_LOOK_S)

    def disturbance(self, feed: Feed) -> int:
        """Return the error that a member's heartbeat is answered with: 0, or what makes it join anew or end."""
        lost = feed.loss()
        if lost:
            return lost
        upcoming = feed.next_assignment()
        if upcoming is None or not self._tape.is_open(upcoming.number):
            return 0
        if not upcoming.generation:
            return _JOIN_AGAIN
        if not self._is_caused(feed, upcoming.generation) and not self._is_quiet():
            return 0
        since = self._announced.setdefault((feed.group, upcoming.generation), time.monotonic())
        settled = self._commits.is_settled(feed.group, upcoming.number)
        return _JOIN_AGAIN if settled or time.monotonic() - since > _COMMIT_S else 0

    def _is_caused(self, feed: Feed, generation: int) -> bool:
        """Tell whether somebody has joined or left because of whom a generation begins; True if nobody recorded did."""
        now = self._in(feed.group, generation)
        before = self._in(feed.group, max((n for n in self._feeds[feed.group] if n < generation), default=0))
        joined = [self._member(one) for one in now if one is not feed]
        left = [self._member(one) for one in before if one not in now]
        if not joined and not left:
            return True
        return any(one is not None and one.heading >= generation for one in joined) or any(
            one is not None and one.is_away for one in left
        )

    def _is_awaited(self, feed: Feed, generation: int) -> bool:
        member = self._member(feed)
        if member is None:
            return not self._is_quiet()
        return member.heading < generation and not member.is_away

    def _is_quiet(self) -> bool:
        """Tell whether nothing has happened for so long that nobody else is to be expected."""
        last = max(self._changed, self._tape.last_activity or 0.0)
        return time.monotonic() - last > min(_ABSENT_S, self._tape.rules.patience_s / 2)

    def _in(self, group: str, generation: int) -> list[Feed]:
        return list(self._feeds.get(group, {}).get(generation, ()))

    def _member(self, feed: Feed) -> Membership | None:
        return next((one for one in self._members.all if one.feed is feed), None)
