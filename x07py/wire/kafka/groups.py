"""Consumer groups of a replay. Each member is told that it is alone, and is assigned what was recorded for it.

A recorded group of several members may be replayed by one process or by many, and not all of them need to run. When the
recording goes on with another assignment, a heartbeat tells the member to join anew; `x07py.wire.kafka.generations`
knows when, and who joins together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.wire.kafka.commits import OF_MEMBERSHIP, Commits
from x07py.wire.kafka.generations import Generations
from x07py.wire.kafka.membership import CONSUMER, assigned_places, assignment_of, flat, subscribed_topics
from x07py.wire.kafka.peers import Members, Membership
from x07py.wire.kafka.untaken import leave_out_untaken

if TYPE_CHECKING:
    from x07py.wire.kafka.feeds import Feed, Place
    from x07py.wire.kafka.holdings import Holdings
    from x07py.wire.kafka.messages import Plain
    from x07py.wire.kafka.peers import Ask, Peer

_UNKNOWN_MEMBER = 25


def _always(_: int) -> bool:
    return True


class Groups:
    """The groups of one replay.

    Args:
        tape: the cassette.
    """

    def __init__(self, tape: Holdings) -> None:
        self._tape = tape
        self._members = Members()
        self._commits = Commits(tape, tape.numbers.get("commit_v1", []))
        leave_out_untaken(tape.feeds.all, self._commits)
        self._generations = Generations(tape, self._members, self._commits)
        self._count = 0

    def join(self, ask: Ask) -> Plain:
        """Answer JoinGroup: the member leads a generation of its own."""
        protocol = ask.body.protocols[0]
        topics = subscribed_topics(protocol.metadata) if ask.body.protocol_type == CONSUMER else frozenset()
        instance = getattr(ask.body, "group_instance_id", None)
        with self._tape.changed:
            member = self._members.joined(ask.body.group_id, ask.body.member_id, ask.peer)
            if member is None:
                self._count += 1
                client = ask.request.client_id
                member = Membership(ask.body.group_id, f"{client}-{self._count}", topics, ask.peer)
                member.feed = self._tape.feeds.of_group(topics, ask.body.group_id, client, instance)
                self._members.all.append(member)
            member.peer, member.topics = ask.peer, topics
            member.generation += 1
            patience = getattr(ask.body, "rebalance_timeout", ask.body.session_timeout)
            self._generations.gather(member, patience.total_seconds())
        itself = {"member_id": member.member_id, "group_instance_id": instance, "metadata": protocol.metadata}
        return {
            "generation_id": member.generation,
            "protocol_type": ask.body.protocol_type,
            "protocol_name": protocol.name,
            "leader": member.member_id,
            "member_id": member.member_id,
            "members": [itself],
        }

    def sync(self, ask: Ask) -> Plain:
        """Answer SyncGroup with the recorded assignment, or with the member's own where none was recorded."""
        member = self._members.of(ask.body.group_id, ask.body.member_id)
        if member is None:
            return {"error_code": _UNKNOWN_MEMBER, "assignment": b""}
        own = next((one.assignment for one in ask.body.assignments if one.member_id == member.member_id), b"")
        with self._tape.lock:
            recorded = member.feed.assignment() if member.feed is not None else None
            if recorded is not None:
                own = assignment_of(recorded, own)
                member.assign(flat(recorded))
            elif member.topics:
                member.assign(flat(assigned_places(own)))
        return {
            "protocol_type": getattr(ask.body, "protocol_type", None),
            "protocol_name": getattr(ask.body, "protocol_name", None),
            "assignment": own,
        }

    def heartbeat(self, ask: Ask) -> Plain:
        """Answer Heartbeat: with an error if the recording goes on with another generation."""
        member = self._members.speaking(ask.body.group_id, ask.body.member_id, ask.peer)
        if member is None:
            return {"error_code": _UNKNOWN_MEMBER}
        with self._tape.lock:
            return {"error_code": self._generations.disturbance(member.feed) if member.feed is not None else 0}

    def leave(self, ask: Ask) -> Plain:
        """Answer LeaveGroup."""
        ids = [one.member_id for one in ask.body.members] if ask.request.version >= 3 else [ask.body.member_id]
        for member_id in ids:
            member = self._members.of(ask.body.group_id, member_id)
            if member is not None:
                with self._tape.lock:
                    member.left = True
                    self._generations.note()
        return {"members": [{"member_id": member_id} for member_id in ids]}

    def feed_of(self, peer: Peer, places: frozenset[Place]) -> Feed | None:
        """Return the recorded consumer that a connection fetches as."""
        with self._tape.lock:
            member = self._members.fetching(peer, places)
            if member is not None:
                return member.feed
            if peer.feed is None:
                peer.feed = self._tape.feeds.of_partitions(places, peer.groups[-1] if peer.groups else None)
            return peer.feed

    def gone(self, peer: Peer) -> None:
        """Take note that a connection has ended."""
        with self._tape.lock:
            self._members.gone(peer)
            self._generations.note()

    def commit(self, ask: Ask) -> Plain:
        """Answer OffsetCommit: each offset must be one that was recorded, or lie before one."""
        group = ask.body.group_id
        member = self._members.speaking(group, ask.body.member_id, ask.peer)
        feed = member.feed if member is not None else None

        def answer(topic: str, part: Any) -> Plain:
            number, offset, said = part.partition_index, part.committed_offset, part.committed_metadata or ""
            error = self._commits.take(group, (topic, number), offset, said, feed.has_come_to if feed else _always)
            if feed is not None and error in OF_MEMBERSHIP:
                feed.learned_of_loss()
            return {"partition_index": number, "error_code": error}

        with self._tape.lock:
            topics = [
                {"name": topic.name, "partitions": [answer(topic.name, part) for part in topic.partitions]}
                for topic in ask.body.topics
            ]
        return {"topics": topics}

    def committed(self, ask: Ask) -> Plain:
        """Answer OffsetFetch."""
        if ask.request.version >= 8:
            return {
                "groups": [
                    {"group_id": one.group_id, "topics": self._committed(one.group_id, one.topics or ())}
                    for one in ask.body.groups
                ]
            }
        return {"topics": self._committed(ask.body.group_id, ask.body.topics or ())}

    def _committed(self, group: str, topics: Any) -> list[Plain]:
        return [
            {
                "name": topic.name,
                "partitions": [
                    {"partition_index": n, "committed_leader_epoch": -1, **self._position(group, (topic.name, n))}
                    for n in topic.partition_indexes
                ],
            }
            for topic in topics
        ]

    def _position(self, group: str, place: Place) -> Plain:
        own = self._commits.position(group, place)
        if own is not None:
            return {"committed_offset": own[0], "metadata": own[1]}
        known = self._tape.questions.ask("committed", f"{place[0]}/{place[1]}@{group}", {})
        if known is not None:
            return known
        feeds = [one.feed for one in self._members.all if one.group == group and one.feed is not None]
        with self._tape.lock:
            starts = [start for feed in feeds if (start := feed.start(place)) is not None]
        return {"committed_offset": min(starts, default=-1), "metadata": ""}
