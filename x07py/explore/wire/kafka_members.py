"""Who is in the consumer groups of the simulated Kafka over the wire, and how partitions pass from one to another.

The classic protocol: each member asks to join, when all have, the first leads and divides the partitions, and each gets
its share. Meanwhile heartbeats tell the others to join anew. An instance of the program has one member in a group.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

from x07py.explore.wire.stream import not_simulated
from x07py.wire.kafka.membership import CONSUMER, assigned_places, flat, subscribed_topics

if TYPE_CHECKING:
    from x07py.explore.kafka import KafkaCluster
    from x07py.explore.process import Process
    from x07py.wire.kafka.frames import Request
    from x07py.wire.kafka.messages import Plain

ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING = 22, 25, 27
_FIRST_WAIT_S = 3.0
"""How long the first members of a group wait for others, as ``group.initial.rebalance.delay.ms`` has it."""
_SESSION_S = 10.0
"""After how long a member is out that has lost its connection and does not come back."""


class _Member:
    """A member: what the broker calls it, whose it is, and the connection that it joined on, while there is one."""

    def __init__(self, name: str, process: Process, connection: object) -> None:
        self.name, self.process = name, process
        self.connection: object | None = connection
        self.protocols: dict[str, bytes] = {}
        self.static: str | None = None
        self.waits: asyncio.Future[int] | None = None
        """Its request to join or for its share, until that is answered, with an error code."""
        self.joins = False
        """Whether it has asked to join the next generation."""

    def wait(self) -> asyncio.Future[int]:
        """Return what is set when its request may be answered; an earlier one is over."""
        self.tell(UNKNOWN_MEMBER)
        self.waits = asyncio.get_running_loop().create_future()
        return self.waits

    def tell(self, error: int) -> None:
        """Have its request answered, if it waits for that."""
        if self.waits is not None and not self.waits.done():
            self.waits.set_result(error)
        self.waits = None


class _Group:
    """A group: stable, or on the way to its next generation."""

    def __init__(self, instances: int) -> None:
        self._instances = self._wanted = instances
        self.members: dict[str, _Member] = {}
        self.generation = 0
        self.state = "empty"
        self.leader = self.protocol = ""
        self.shares: dict[str, bytes] = {}
        self.away: set[str] = set()
        """Instances that are out of the group and do not know it."""

    def of(self, process: Process) -> _Member | None:
        """Return an instance's member."""
        return next((one for one in self.members.values() if one.process.member == process.member), None)

    def prepare(self) -> None:
        """Begin with the next generation: all members have to join anew."""
        if self.state == "empty" and self._wanted > 1:
            asyncio.get_running_loop().call_later(_FIRST_WAIT_S, self.complete, 0)
        if self.state != "joining":
            self.state, self.shares = "joining", {}
            for one in self.members.values():
                one.tell(REBALANCING)
                one.joins = False

    def complete(self, wanted: int | None = None) -> None:
        """Begin the generation if all have joined that are to.

        Args:
            wanted: how many members the first generation has at least; None for all instances.
        """
        self._wanted = self._wanted if wanted is None else wanted
        every = list(self.members.values())
        if self.state != "joining" or len(every) < self._wanted or not all(one.joins for one in every):
            return
        self._wanted = 0
        self.generation += 1
        self.state = "sharing"
        if self.leader not in self.members:
            self.leader = every[0].name
        common = [name for name in self.members[self.leader].protocols if all(name in one.protocols for one in every)]
        self.protocol = common[0] if common else next(iter(self.members[self.leader].protocols))
        for one in every:
            one.joins = False
            one.tell(0)

    def share(self, shares: dict[str, bytes]) -> None:
        """Take what the leader gives each member."""
        self.shares, self.state = shares, "stable"
        for one in self.members.values():
            one.tell(0)

    def remove(self, member: _Member) -> None:
        """Let a member go; the others share anew."""
        if self.members.pop(member.name, None) is None:
            return
        member.tell(UNKNOWN_MEMBER)
        if not self.members:
            self.state, self._wanted = "empty", self._instances
            return
        self.prepare()
        self.complete()

    def error_of(self, name: str, generation: int) -> int:
        """Return why a member may not do something in a generation, 0 if it may."""
        if name not in self.members:
            return UNKNOWN_MEMBER
        return 0 if generation == self.generation else ILLEGAL_GENERATION


class Members:
    """The members of all groups of one history.

    Args:
        cluster: keeps what groups consume.
        instances: how many instances of the program run; a group's first generation waits for them for a while.
    """

    def __init__(self, cluster: KafkaCluster, instances: int) -> None:
        self._cluster, self.instances = cluster, instances
        self._groups: dict[str, _Group] = {}
        self._numbers = count(1)

    def _group(self, name: str) -> _Group:
        return self._groups.setdefault(name, _Group(self.instances))

    @property
    def move(self) -> bool:
        """Whether partitions are on their way from one member to another."""
        return any(one.away or one.state in {"joining", "sharing"} for one in self._groups.values())

    def error_of(self, body: Any) -> int:
        """Return why a request's member may not do what it asks for in its generation, 0 if it may."""
        return self._group(body.group_id).error_of(body.member_id, body.generation_id)

    def error_of_commit(self, body: Any) -> int:
        """Return why a request may not commit, 0 if it may: its older versions name no member."""
        if not getattr(body, "member_id", ""):
            return 0
        generation = getattr(body, "generation_id_or_member_epoch", getattr(body, "generation_id", -1))
        group = self._group(body.group_id)
        error = group.error_of(body.member_id, generation)
        return REBALANCING if not error and group.state == "sharing" else error

    async def join(self, connection: object, process: Process, request: Request, body: Any) -> Plain:
        """Answer JoinGroup, when all have joined.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` for a second member of an instance, or a group that is none of consumers.
        """
        if body.protocol_type != CONSUMER:
            raise not_simulated(f"the program joins a group of the type {body.protocol_type}")
        group = self._group(body.group_id)
        if body.member_id and body.member_id not in group.members:
            return {"error_code": UNKNOWN_MEMBER}
        member = self._member(group, connection, process, request, body)
        process.loop.active()
        waits = member.wait()
        member.joins = True
        group.complete()
        error = await waits
        return {"error_code": error} if error else _joined(group, member)

    def _member(self, group: _Group, connection: object, process: Process, request: Request, body: Any) -> _Member:
        """Return who joins, from now on a member, and have the others join anew."""
        member = group.members.get(body.member_id)
        if member is None:
            old = group.of(process)
            if old is not None and old.connection not in {None, connection}:
                raise not_simulated(f"the program has several members in the group {body.group_id}")
            if old is not None:
                group.remove(old)
            name = f"{request.client_id}-{next(self._numbers)}"
            member = group.members[name] = _Member(name, process, connection)
        member.connection = connection
        member.static = getattr(body, "group_instance_id", None)
        member.protocols = {one.name: one.metadata for one in body.protocols}
        topics = subscribed_topics(body.protocols[0].metadata)
        for topic in topics:
            self._cluster.logs.make(topic)
        self._cluster.group(body.group_id).topics.update(topics)
        group.away.discard(process.member)
        group.prepare()
        return member

    async def sync(self, process: Process, body: Any) -> Plain:
        """Answer SyncGroup: the member gets what the leader gives it."""
        group = self._group(body.group_id)
        error = self.error_of(body) or (REBALANCING if group.state == "joining" else 0)
        if not error and group.state == "sharing":
            if body.member_id == group.leader:
                group.share({one.member_id: one.assignment for one in body.assignments})
            else:
                error = await group.members[body.member_id].wait()
        if error:
            return {"error_code": error, "assignment": b""}
        own = group.shares.get(body.member_id, b"")
        places = sorted(flat(assigned_places(own)))
        if places or self.instances > 1:
            process.note("assigned", *places)
        process.loop.active()
        return {
            "protocol_type": getattr(body, "protocol_type", None),
            "protocol_name": getattr(body, "protocol_name", None),
            "assignment": own,
        }

    def heartbeat(self, body: Any) -> Plain:
        """Answer Heartbeat."""
        rebalancing = self._group(body.group_id).state == "joining"
        return {"error_code": self.error_of(body) or (REBALANCING if rebalancing else 0)}

    def leave(self, request: Request, body: Any) -> Plain:
        """Answer LeaveGroup."""
        names = [one.member_id for one in body.members] if request.version >= 3 else [body.member_id]
        group = self._group(body.group_id)
        for name in names:
            if name in group.members:
                group.remove(group.members[name])
        return {"members": [{"member_id": name} for name in names]}

    def gone(self, connection: object) -> None:
        """Take note that a connection has ended: its member is kept until another one comes, or its session is over."""
        loop = asyncio.get_running_loop()
        for group in self._groups.values():
            for member in group.members.values():
                if member.connection is connection:
                    member.connection = None
                    if self.instances > 1:
                        loop.call_later(_SESSION_S, _expire, group, member)

    def expire(self, name: str, process: Process) -> None:
        """End the session of an instance's member in a group: it is out, and does not know it."""
        group = self._group(name)
        member = group.of(process)
        if member is not None:
            group.away.add(process.member)
            group.remove(member)

    def shake(self, names: set[str]) -> None:
        """Have all members of groups join anew, as when another one comes and goes."""
        for name in names:
            if self._group(name).state == "stable":
                self._group(name).prepare()

    def forget(self, process: Process) -> None:
        """Let the members of an instance that has ended go: their sessions are over."""
        for group in self._groups.values():
            group.away.discard(process.member)
            member = group.of(process)
            if member is not None:
                group.remove(member)


def _expire(group: _Group, member: _Member) -> None:
    if member.connection is None:
        group.remove(member)


def _joined(group: _Group, member: _Member) -> Plain:
    """Return the answer for a member of a new generation; the leader learns of all."""
    leads = member.name == group.leader
    rows = [
        {"member_id": one.name, "group_instance_id": one.static, "metadata": one.protocols.get(group.protocol, b"")}
        for one in group.members.values()
        if leads
    ]
    return {
        "generation_id": group.generation,
        "protocol_type": CONSUMER,
        "protocol_name": group.protocol,
        "leader": group.leader,
        "member_id": member.name,
        "members": rows,
    }
