"""Who is at the other end of a connection: which consumer of the recording, as far as its requests tell."""

from __future__ import annotations

import select
import time
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from x07py.wire.kafka.feeds import Feed, Place
    from x07py.wire.kafka.frames import Reader, Request
    from x07py.wire.kafka.scram import Exchange
    from x07py.wire.stand_in import Address, Connection

_PAUSE_S = 2.0
"""The most that counts as waiting between two looks at a client: one that waits is looked at once a second."""
_LEFT = getattr(select, "POLLRDHUP", 0) | select.POLLHUP
_CUT = select.POLLERR | select.POLLNVAL
"""What the kernel tells of a connection whose other end closed it; and of one that it closed without reading all."""


class Peer:
    """One connection of a client.

    Args:
        address: what the client asked for.
        connection: the connection.

    Attributes:
        is_gone: whether the connection has ended, so that its number may be another's.
        is_cut: whether the client left something unread that it was sent.
        first_number: the number that the client gave to the first request on the connection; None before that.
    """

    def __init__(self, address: Address, connection: Connection) -> None:
        self.address = address
        self._connection = connection
        self.is_gone: bool = False
        self.is_cut: bool = False
        self.client_id = ""
        self.first_number: int | None = None
        self.groups: list[str] = []
        self.scope: str | None = None
        self.sources: tuple[str, ...] = ()
        self.feed: Feed | None = None
        self.login: Exchange | None = None
        self._waited_s = self._looked_at = 0.0

    @property
    def has_left(self) -> bool:
        """Whether the client has closed the connection, read or not, so that an answer would come too late."""
        return self.is_gone or bool(self._events() & (_LEFT | _CUT))

    @property
    def has_left_unread(self) -> bool:
        """Whether the client closed the connection and left something unread."""
        return self.is_cut or (not self.is_gone and bool(self._events() & _CUT))

    def waited_s(self, since: float) -> float:
        """Return for how long the client has waited by its requests; while it sends none, it does something else.

        Args:
            since: when something happened last, by the monotonic clock.
        """
        now = time.monotonic()
        if since > self._looked_at:
            self._waited_s, self._looked_at = 0.0, since
        self._waited_s += min(now - self._looked_at, _PAUSE_S)
        self._looked_at = now
        return self._waited_s

    def frame(self, reader: Reader) -> bytes | None:
        """Return the client's next frame, or None once it has ended.

        Raises:
            DriverError: 9650 if its length cannot be meant.
            OSError: the client ended within it, or left something unread.
        """
        try:
            return reader.frame()
        except OSError:
            self.is_cut = True
            raise

    def send(self, data: bytes) -> None:
        """Send the client something.

        Raises:
            OSError: it has left.
        """
        try:
            self._connection.sendall(data)
        except OSError:
            self.is_cut = True
            raise

    def _events(self) -> int:
        poll = select.poll()
        try:
            poll.register(self._connection, _LEFT)
        except ValueError:  # closed meanwhile
            return _LEFT
        return next((events for _, events in poll.poll(0)), 0)


class Ask:
    """A request as a handler takes it.

    Args:
        peer: who sends it.
        request: its header.
        body: its message.

    Attributes:
        taken: set once a recording has taken note of the request, which may be after it went out.
        written: set once a recording has written what came of it.
        since: how many assignments a recording had seen when the request was sent.
    """

    __slots__ = ("body", "peer", "request", "since", "taken", "written")

    def __init__(self, peer: Peer, request: Request, body: Any) -> None:
        self.peer: Peer = peer
        self.request: Request = request
        self.body: Any = body
        self.taken: Event = Event()
        self.written: Event = Event()
        self.since: int = 0


class Membership:
    """One member of a group.

    Args:
        group: the group.
        member_id: what the broker calls it.
        topics: what it subscribes to.
        peer: the connection that it joined on.

    Attributes:
        assigned: the partitions that it was assigned last.
        before: those that it was assigned before that, for which it may still fetch.
        kept: those of which what still comes reaches the program: none while a member joins that gives all up before.
        since: how many assignments a recording had seen when it got its own.
        heading: the recorded generation that it has asked to be in; 0 for none.
    """

    def __init__(self, group: str, member_id: str, topics: frozenset[str], peer: Peer) -> None:
        self.group: str = group
        self.member_id: str = member_id
        self.topics: frozenset[str] = topics
        self.client_id: str = peer.client_id
        self.peer: Peer = peer
        self.assigned: frozenset[Place] = frozenset()
        self.before: frozenset[Place] = frozenset()
        self.kept: frozenset[Place] = frozenset()
        self.fetcher: Peer | None = None
        self.scope = ""
        self.feed: Feed | None = None
        self.generation = 0
        self.since = 0
        self.heading = 0
        self.left = False

    @property
    def is_away(self) -> bool:
        """Whether it has left the group, or its connection has ended."""
        return self.left or self.peer.is_gone

    @property
    def is_cut_off(self) -> bool:
        """Whether its connection to the group has ended, and that on which it fetches has not."""
        return self.peer.has_left and self.fetcher is not None and not self.fetcher.has_left

    def assign(self, places: frozenset[Place]) -> None:
        """Take note of an assignment."""
        self.before, self.assigned, self.kept = self.assigned, places, places

    def drops(self, place: Place) -> bool:
        """Tell whether what comes of a partition is dropped by the client, which has lost it or is about to."""
        return place not in self.kept and place in self.assigned | self.before


class Members:
    """The members of all groups of a run, and which connections fetch for them."""

    def __init__(self) -> None:
        self.all: list[Membership] = []

    def joined(self, group: str, member_id: str, peer: Peer) -> Membership | None:
        """Return the member that joins again: by its id, because it joins on the same connection, or as one cut off.

        A client that takes itself for lost, because its connection to the group broke, joins without its id on another
        one; what it fetches on is there all the time.
        """
        alive = [one for one in self.all if one.group == group and not one.left]
        known = next((one for one in alive if member_id and one.member_id == member_id), None)
        known = known or next((one for one in alive if one.peer is peer), None)
        return known or next((one for one in alive if one.client_id == peer.client_id and one.is_cut_off), None)

    def of(self, group: str, member_id: str) -> Membership | None:
        """Return a member by its id."""
        return next((one for one in self.all if one.group == group and one.member_id == member_id), None)

    def speaking(self, group: str, member_id: str, peer: Peer) -> Membership | None:
        """Return a member by its id, and take note that its client speaks to the group on this connection now.

        A client that has lost its connection, and hears on the next one that it is no member any more, joins there
        anew without its id.
        """
        member = self.of(group, member_id) if member_id else None
        if member is not None:
            member.peer = peer
        return member

    def fetching(self, peer: Peer, places: frozenset[Place]) -> Membership | None:
        """Return the member that a connection fetches for, or None if it is in no group.

        Requests to fetch bear no group. A connection fetches for the member of its client that was assigned the
        partitions; where several were, for one whose group it has asked about, then for one that nobody fetches for.
        """
        bound = next((one for one in self.all if one.fetcher is peer and not one.left), None)
        if bound is not None and places <= bound.assigned | bound.before:
            return bound
        fits = [one for one in self.all if places <= one.assigned and one.client_id == peer.client_id and not one.left]
        if not fits:
            return bound
        fits.sort(key=lambda one: (one.fetcher is not None, one.group not in peer.groups))
        fits[0].fetcher = peer
        return fits[0]

    def gone(self, peer: Peer) -> None:
        """Take note that a connection has ended."""
        for one in self.all:
            if one.fetcher is peer:
                one.fetcher = None
