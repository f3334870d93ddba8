"""Consumer groups of the simulated Kafka over the wire: one member each, which leads itself, and what it commits."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from x07py.explore.faults import KAFKA_WIRE
from x07py.explore.wire.stream import Cut, not_simulated
from x07py.wire.kafka.membership import CONSUMER, assigned_places, flat, subscribed_topics

if TYPE_CHECKING:
    from x07py.explore.kafka import KafkaCluster
    from x07py.explore.kafka_log import Partition
    from x07py.explore.process import Process
    from x07py.wire.kafka.frames import Request
    from x07py.wire.kafka.messages import Plain

_NOT_COORDINATOR, _UNKNOWN_MEMBER = 16, 25


class _Member:
    """The member of a group: what the broker calls it, and the connection that it joined on, while there is one."""

    def __init__(self, name: str, connection: object) -> None:
        self.name = name
        self.connection: object | None = connection
        self.generation = 0


class Groups:
    """The groups of one history.

    Args:
        cluster: keeps what they have committed.

    Attributes:
        members: by group.
    """

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster
        self.members: dict[str, _Member] = {}
        self._numbers = count(1)

    def name_of(self, topic: str) -> str:
        """Return the group that consumes a topic.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` if none does.
        """
        found = next((name for name, group in sorted(self._cluster.groups.items()) if topic in group.topics), None)
        if found is None:
            hint = "consume with a group, so that what was handled is known at the next start"
            raise not_simulated(f"the program consumes {topic} without a group", hint)
        return found

    def join(self, connection: object, process: Process, request: Request, body: Any) -> Plain:
        """Answer JoinGroup.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` for a second member, or a group that is none of consumers.
        """
        if body.protocol_type != CONSUMER:
            raise not_simulated(f"the program joins a group of the type {body.protocol_type}")
        group, member = body.group_id, self.members.get(body.group_id)
        if body.member_id and (member is None or member.name != body.member_id):
            return {"error_code": _UNKNOWN_MEMBER}
        if member is not None and not body.member_id and member.connection not in {None, connection}:
            raise not_simulated(f"the program has several members in the group {group}")
        if member is None or not body.member_id:
            member = self.members[group] = _Member(f"{request.client_id}-{next(self._numbers)}", connection)
        member.connection = connection
        member.generation += 1
        protocol = body.protocols[0]
        topics = subscribed_topics(protocol.metadata)
        for topic in topics:
            self._cluster.logs.make(topic)
        self._cluster.group(group).topics.update(topics)
        process.loop.active()
        itself = {
            "member_id": member.name,
            "group_instance_id": getattr(body, "group_instance_id", None),
            "metadata": protocol.metadata,
        }
        return {
            "generation_id": member.generation,
            "protocol_type": CONSUMER,
            "protocol_name": protocol.name,
            "leader": member.name,
            "member_id": member.name,
            "members": [itself],
        }

    def sync(self, process: Process, body: Any) -> Plain:
        """Answer SyncGroup: the member gets what it has assigned to itself."""
        if not self._is_member(body):
            return {"error_code": _UNKNOWN_MEMBER, "assignment": b""}
        own = next((one.assignment for one in body.assignments if one.member_id == body.member_id), b"")
        places = sorted(flat(assigned_places(own)))
        if places:
            process.note("assigned", *places)
        process.loop.active()
        return {
            "protocol_type": getattr(body, "protocol_type", None),
            "protocol_name": getattr(body, "protocol_name", None),
            "assignment": own,
        }

    def heartbeat(self, body: Any) -> Plain:
        """Answer Heartbeat."""
        return {"error_code": 0 if self._is_member(body) else _UNKNOWN_MEMBER}

    def leave(self, request: Request, body: Any) -> Plain:
        """Answer LeaveGroup."""
        names = [one.member_id for one in body.members] if request.version >= 3 else [body.member_id]
        member = self.members.get(body.group_id)
        if member is not None and member.name in names:
            del self.members[body.group_id]
        return {"members": [{"member_id": name} for name in names]}

    def gone(self, connection: object) -> None:
        """Take note that a connection has ended: its member is kept until another one comes, as for a session."""
        for member in self.members.values():
            if member.connection is connection:
                member.connection = None

    def _is_member(self, body: Any) -> bool:
        member = self.members.get(body.group_id)
        return member is not None and member.name == body.member_id

    def refusal(self, body: Any, *, stalled: bool) -> int:
        """Return the error for offsets that a transaction may not have, 0 where it may.

        Args:
            body: the request; its older versions do not name the member.
            stalled: the session of the group's member has expired.
        """
        if stalled:
            self.members.pop(body.group_id, None)
        named = bool(getattr(body, "member_id", ""))
        return _UNKNOWN_MEMBER if stalled or (named and not self._is_member(body)) else 0

    async def commit(self, process: Process, body: Any) -> Plain:
        """Answer OffsetCommit.

        Raises:
            Cut: the connection is lost.
        """
        offsets = {
            (topic.name, part.partition_index): part.committed_offset
            for topic in body.topics
            for part in topic.partitions
        }
        fault = await process.point(KAFKA_WIRE, "commit") if offsets else ""
        if fault == "unsent":
            process.note("not committed", offsets)
            raise Cut
        if fault == "stall":
            self.members.pop(body.group_id, None)
        error = _NOT_COORDINATOR if fault == "refused" else 0
        if body.member_id and not self._is_member(body):
            error = _UNKNOWN_MEMBER
        self._store(process, body.group_id, offsets, error)
        if fault == "crash-after":
            await process.crash()
        if fault == "unconfirmed":
            raise Cut
        topics = [
            {
                "name": topic.name,
                "partitions": [
                    {"partition_index": one.partition_index, "error_code": error} for one in topic.partitions
                ],
            }
            for topic in body.topics
        ]
        return {"topics": topics}

    def _store(self, process: Process, group: str, offsets: dict[Partition, int], error: int) -> None:
        if not offsets:
            return
        if error:
            process.note("not committed", offsets)
            return
        logs = self._cluster.logs
        moved = {place: at for place, at in offsets.items() if logs.start(group, *place) != at}
        logs.committed.update({(group, *place): at for place, at in offsets.items()})
        process.note("committed", offsets)
        if moved:
            process.loop.active()

    def committed(self, request: Request, body: Any) -> Plain:
        """Answer OffsetFetch."""
        if request.version >= 8:
            rows = [
                {"group_id": one.group_id, "topics": self._positions(one.group_id, one.topics)} for one in body.groups
            ]
            return {"groups": rows}
        return {"topics": self._positions(body.group_id, body.topics)}

    def _positions(self, group: str, topics: Any) -> list[Plain]:
        """Return where a group stands; who asks for topics by name is about to consume them."""
        logs = self._cluster.logs
        if topics is None:
            known = {topic for name, topic, _ in logs.committed if name == group}
            asked = {topic: range(len(logs.make(topic))) for topic in sorted(known)}
        else:
            asked = {one.name: one.partition_indexes for one in topics}
            for topic in asked:
                logs.make(topic)
            self._cluster.group(group).topics.update(asked)
        return [
            {
                "name": topic,
                "partitions": [
                    {
                        "partition_index": number,
                        "committed_leader_epoch": -1,
                        "committed_offset": _or_none(logs.start(group, topic, number)),
                        "metadata": "",
                    }
                    for number in numbers
                ],
            }
            for topic, numbers in asked.items()
        ]


def _or_none(offset: int | None) -> int:
    return -1 if offset is None else offset
