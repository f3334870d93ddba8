"""Which recorded consumer a client of a replay is: by the group and topics it joins with, or by partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.wire.kafka.feeds import ASSIGNED, END, LOST, POLL, Feed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from x07py.wire.kafka.entries import Entries
    from x07py.wire.kafka.feeds import Place


class Feeds:
    """Every recorded consumer of a cassette.

    Args:
        tape: the cassette.
        numbers: numbers of the entries by short name of the operation.
    """

    def __init__(self, tape: Entries, numbers: Mapping[str, list[int]]) -> None:
        ledger = tape.session.ledger
        found: dict[str, list[tuple[int, str]]] = {}
        rows = sorted((number, op) for op in (POLL, END, ASSIGNED, LOST) for number in numbers.get(op, []))
        for number, op in rows:
            scope = ledger.bucket(number).scope.decode("utf-8", "surrogateescape")
            found.setdefault(scope, []).append((number, op))
        self._tape = tape
        self.all: list[Feed] = [Feed(tape, scope, entries) for scope, entries in found.items()]
        groups: dict[str, list[Feed]] = {}
        for feed in self.all:
            groups.setdefault(feed.group, []).append(feed)
        for group, members in groups.items():
            for feed in members if group else ():
                feed.siblings = [one for one in members if one is not feed]

    def of_group(self, topics: frozenset[str], group: str, client: str, instance: str | None) -> Feed | None:
        """Return the feed of one more member of a group that subscribes to `topics`, and take it.

        Members that call themselves as they did in the recording get what they got there, in whatever order they join.
        A group that was not recorded takes the first feed of the same topics: groups may have random names.

        Args:
            topics: what it subscribes to.
            group: the group.
            client: the client's name for itself.
            instance: the name of a static member.
        """
        same = [feed for feed in self.all if not feed.taken and _topics(feed.sources) == topics]
        own = [feed for feed in same if feed.group == group] or same
        if not own:
            own = [one for one in self.all if not one.taken and one.group == group and _topics(one.sources) & topics]
        chosen = min(own, key=lambda feed: _unlike(feed, client, instance), default=None)
        if chosen is not None:
            chosen.taken = True
        return chosen

    def of_partitions(self, places: frozenset[Place], group: str | None) -> Feed | None:
        """Return the feed of one more consumer that assigned itself partitions, and take it."""
        names = frozenset(f"{topic}/{partition}" for topic, partition in places)
        free = [feed for feed in self.all if not feed.taken]
        if group is not None:
            free = [feed for feed in free if feed.group == group] or free
        chosen = next((feed for feed in free if feed.sources == names), None)
        if chosen is None:
            chosen = next((feed for feed in free if places & feed.places()), None)
        if chosen is not None:
            chosen.taken = True
        return chosen


def _topics(sources: frozenset[str]) -> frozenset[str]:
    return frozenset(source.partition("/")[0] for source in sources)


def _unlike(feed: Feed, client: str, instance: str | None) -> tuple[bool, bool]:
    """Return how a recorded member differs from one that joins: in its static name, and in its client's name."""
    if not feed.assignments:
        return instance is not None, True
    first = feed.assignments[0]
    return first.instance != instance, first.client != client
