"""Consumer groups of a simulated Kafka: who has which partition, and what happens when that changes.

A member gives partitions up inside a request for messages, as librdkafka's callbacks do; eagerly it gives all up and
waits for the others, cooperatively only what goes to another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from x07py.explore.kafka_log import Logs, Partition


class Member(Protocol):
    """What a group knows of a member."""

    name: str
    sources: tuple[str, ...]
    cooperative: bool

    def wake(self) -> None:
        """Look again: the group has changed."""
        ...


class Group:
    """One group."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs
        self.members: list[Member] = []
        self.topics: set[str] = set()
        """What the group has ever consumed."""
        self.shift = 0
        """By how many members the partitions are moved on."""
        self.changes: int = 0
        """How often what members have, or shall have, has changed."""
        self._waiting_for: set[str] = set()
        self._owner: dict[Partition, Member] = {}
        self._target: dict[Partition, Member] = {}

    def join(self, member: Member) -> None:
        """Take a member in, or back in."""
        self.members.append(member)
        self.topics.update(member.sources)
        self.rebalance()

    def leave(self, member: Member) -> None:
        """Let a member go, by its own will or because it was silent; nobody asks it for its partitions."""
        if member in self.members:
            self.members.remove(member)
            self.changes += 1
            self._owner = {place: one for place, one in self._owner.items() if one is not member}
            self._waiting_for.discard(member.name)
            self.rebalance()

    def rebalance(self) -> None:
        """Begin to distribute anew; each member takes part at its next request for messages."""
        self.changes += 1
        self._waiting_for = {member.name for member in self.members}
        for member in self.members:
            member.wake()
        if not self.members:
            self._owner.clear()
            self._target.clear()

    def is_waiting_for(self, member: Member) -> bool:
        """Tell whether a member has to take part in a rebalance."""
        return member.name in self._waiting_for

    def arrive(self, member: Member) -> None:
        """Note that a member takes part; when all do, the partitions are distributed."""
        self._waiting_for.discard(member.name)
        if self._waiting_for:
            return
        self.changes += 1
        places = sorted(
            (topic, number)
            for topic in {source for one in self.members for source in one.sources}
            for number in range(len(self._logs.make(topic)))
        )
        turns: dict[str, int] = {}
        for topic, number in places:
            able = [one for one in self.members if topic in one.sources]
            turn = turns[topic] = turns.get(topic, self.shift - 1) + 1
            self._target[topic, number] = able[turn % len(able)]
        for one in self.members:
            one.wake()

    @property
    def settled(self) -> bool:
        """Whether no rebalance is going on."""
        return not self._waiting_for

    def surplus(self, member: Member) -> set[Partition]:
        """Return what a member has and shall give up."""
        return {place for place, one in self._owner.items() if one is member and self._target.get(place) is not member}

    def owned(self, member: Member) -> set[Partition]:
        """Return what a member has."""
        return {place for place, one in self._owner.items() if one is member}

    def give_up(self, member: Member, places: set[Partition]) -> None:
        """Take partitions from a member that has let them go."""
        self.changes += 1
        for place in places:
            if self._owner.get(place) is member:
                del self._owner[place]
        for one in self.members:
            if one is not member:
                one.wake()

    def take(self, member: Member) -> set[Partition]:
        """Give a member what is meant for it and free, and return it."""
        if not self.settled:
            return set()
        free = {place for place, one in self._target.items() if one is member and place not in self._owner}
        self.changes += bool(free)
        for place in free:
            self._owner[place] = member
        return free
