"""What consumer groups of the simulated Kafka over the wire commit, and where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.explore.faults import KAFKA_WIRE
from x07py.explore.wire.kafka_members import UNKNOWN_MEMBER, Members
from x07py.explore.wire.stream import Cut, not_simulated

if TYPE_CHECKING:
    from x07py.explore.kafka import KafkaCluster
    from x07py.explore.kafka_log import Partition
    from x07py.explore.process import Process
    from x07py.wire.kafka.frames import Request
    from x07py.wire.kafka.messages import Plain

_NOT_COORDINATOR, _UNSTABLE = 16, 88


class Groups:
    """The groups of one history.

    Args:
        cluster: keeps what they have committed.
        members: who is in them.
    """

    def __init__(self, cluster: KafkaCluster, members: Members) -> None:
        self._cluster, self.members = cluster, members

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

    async def poll(self, process: Process, names: set[str]) -> None:
        """Let happen what may when an instance gets records of its groups."""
        fault = await process.point(KAFKA_WIRE, "poll" if self.members.instances == 1 else "poll-in-group")
        if fault == "rebalance":
            self.members.shake(names)
        elif fault == "stall":
            for name in names:
                self.members.expire(name, process)

    def refusal(self, process: Process, body: Any, *, stalled: bool) -> int:
        """Return the error for offsets that a transaction may not have, 0 where it may.

        Args:
            process: the program.
            body: the request; its older versions do not name the member.
            stalled: the session of the group's member has expired.
        """
        if stalled:
            self.members.expire(body.group_id, process)
            return UNKNOWN_MEMBER
        return self.members.error_of_commit(body)

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
            self.members.expire(body.group_id, process)
        error = self.members.error_of_commit(body) or (_NOT_COORDINATOR if fault == "refused" else 0)
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
        stable = getattr(body, "require_stable", False)
        if request.version >= 8:
            rows = [
                {"group_id": one.group_id, "topics": self._positions(one.group_id, one.topics, stable=stable)}
                for one in body.groups
            ]
            return {"groups": rows}
        return {"topics": self._positions(body.group_id, body.topics, stable=stable)}

    def _positions(self, group: str, topics: Any, *, stable: bool) -> list[Plain]:
        """Return where a group stands; who asks for topics by name is about to consume them.

        Args:
            group: its name.
            topics: what is asked for, None for all.
            stable: whether offsets that an open transaction may still change are to be waited for.
        """
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
                    _position(number, logs.start(group, topic, number), stable and logs.held(group, [(topic, number)]))
                    for number in numbers
                ],
            }
            for topic, numbers in asked.items()
        ]


def _position(number: int, start: int | None, unstable: bool) -> Plain:
    return {
        "partition_index": number,
        "committed_leader_epoch": -1,
        "committed_offset": -1 if start is None or unstable else start,
        "metadata": "",
        "error_code": _UNSTABLE if unstable else 0,
    }
