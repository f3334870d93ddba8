"""The simulated RabbitMQ behind `Backend`."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from x07py.drivers.amqp_topology import DECLARATIONS, DELAYED, Plan, lack, rows, target
from x07py.drivers.base import AMQP, Ack, canonical_json
from x07py.drivers.requests import REQUEST, packed, unpacked
from x07py.errors import (
    ConfirmTimeoutError,
    DriverError,
    NotFoundError,
    PublishRefusedError,
    TopologyConflictError,
    UnreachableError,
    UnroutableError,
    UnsupportedError,
)
from x07py.explore.amqp_intake import SimulatedIntake
from x07py.explore.amqp_queues import Refused, Unroutable
from x07py.explore.amqp_requests import SimulatedRequests
from x07py.explore.publishing import publish_under

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from x07py.drivers.base import Delivery, Json, Subscription
    from x07py.explore.amqp_queues import Vhost
    from x07py.explore.process import Process
    from x07py.msg import Envelope


def _told(fault: str, number: int) -> DriverError:
    if fault == "refused":
        return PublishRefusedError(9856, "the broker did not take the message", hint="x07 explain 9856")
    if fault == "unreachable":
        return UnreachableError(9851, "the broker does not answer within 60 s", hint="is it up?")
    return ConfirmTimeoutError(9852, f"{number} messages were not confirmed in time", hint="is it up?")


class SimulatedAmqp:
    """One driver's connection.

    Args:
        vhost: the broker.
        process: whose it is.
        profile: id of the profile.
        prefetch: of its consumers.
    """

    dialect = AMQP

    def __init__(self, vhost: Vhost, process: Process, profile: str, *, prefetch: int) -> None:
        self.profile = profile
        self._vhost, self._process, self._prefetch = vhost, process, prefetch
        self._intakes: dict[int, SimulatedIntake] = {}
        self._numbers = count(1)
        self._closing = False
        self._requests = SimulatedRequests(vhost, process, self._store, _told)

    async def publish_many(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        """Store in order, mandatory, with confirms."""
        fault = await self._process.point("amqp", "publish", many=len(envelopes) > 1)
        return await publish_under(fault, self._process, "amqp", envelopes, self._store, _told)

    def _store(self, envelope: Envelope) -> Ack:
        exchange = envelope.headers.get("x07-exchange", "")
        where = f"exchange {exchange!r}, routing key {envelope.topic!r}, key {envelope.key!r}"
        if exchange and exchange not in self._vhost.exchanges:
            raise NotFoundError(9854, f"exchange {exchange!r} does not exist", where=where, hint="declare it")
        try:
            self._vhost.publish(exchange, envelope, self._process.name)
        except Unroutable:
            raise UnroutableError(9855, "no queue takes the message", where=where, hint="x07 explain 9855") from None
        except Refused:
            message = "the broker did not take the message"
            raise PublishRefusedError(9856, message, where=where, hint="x07 explain 9856") from None
        return Ack(b"OK", canonical_json({"exchange": exchange, "routing_key": envelope.topic}))

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Yield batches; after a lost connection go on with what was not acknowledged."""
        if subscription.start is not None:
            raise UnsupportedError(9622, "the simulated RabbitMQ has no streams", hint="leave start= out")
        while not self._closing:
            for name in subscription.sources:
                if self._vhost.queue(name) is None:
                    raise NotFoundError(9854, f"queue {name} does not exist", where=name, hint="declare it")
            number = next(self._numbers)
            intake = SimulatedIntake(self._process, self._vhost, subscription, number, self._prefetch)
            self._intakes[number] = intake
            try:
                while batch := await intake.fetch():
                    yield batch
            finally:
                if not self._process.dead:
                    intake.leave()
            if self._process.ending or not intake.closed:
                return

    async def control(self, op: str, request: Json) -> Json:
        """Carry out one of `Dialect.operations`; ``commit`` has nothing to do."""
        self.dialect.refuse_unknown(op)
        if op == REQUEST:
            envelope, timeout_s = unpacked(request["envelope"]), request["timeout_ms"] / 1000
            return {"answer": packed(await self._requests.ask(envelope, timeout_s))}
        if op in {"ack", "nack"}:
            await self._settle(op, request["ranges"], requeue=bool(request.get("requeue")))
            return {}
        await self._process.turn()
        if op == "commit":
            return {}
        return self._topology(request["topology"], apply=op == "apply_topology").answer()

    async def _settle(self, op: str, ranges: dict[str, dict[str, list[list[int]]]], *, requeue: bool) -> None:
        tags = [
            (int(number), tag)
            for channels in ranges.values()
            for number, spans in channels.items()
            for first, last in spans
            for tag in range(first, last + 1)
        ]
        fault = await self._process.point("amqp", op, many=len(tags) > 1) if tags else ""
        if fault == "disconnect":
            for number in {number for number, _ in tags} & self._intakes.keys():
                self._intakes[number].close()
        reached = tags[: len(tags) // 2] if fault == "crash-midway" else tags
        settled = []
        for number, tag in reached:
            intake = self._intakes.get(number)
            message = intake.settle(tag, ack=op == "ack", requeue=requeue) if intake is not None else None
            if message is not None:
                settled.append(message.number)
        self._process.loop.active()
        self._process.note("acked" if op == "ack" else "nacked", tuple(settled))
        self._process.wake()
        if fault in {"crash-midway", "crash-after"}:
            await self._process.crash()

    def _topology(self, topology: Json, *, apply: bool) -> Plan:
        steps = [self._look("exchange", row) for row in rows(topology, "exchanges")]
        steps += [self._look("queue", row) for row in rows(topology, "queues")]
        for row in rows(topology, "bindings"):
            name = f"{row['exchange']} -> {target(row)}"
            steps.append({"kind": "binding", "name": name, "action": "bind", "detail": f"by {row['routing_key']!r}"})
        note = "bindings that are there already, and policies, are not known to the simulated RabbitMQ"
        plan = Plan(steps, DECLARATIONS, note)
        conflicts = [step["name"] for step in steps if step["action"] == "conflict"]
        if apply:
            _refuse_lacking(topology)
        if apply and conflicts:
            message = f"{len(conflicts)} declarations conflict with the broker, nothing was changed"
            raise TopologyConflictError(9858, message, where=conflicts[0], hint="change the topology file")
        if apply:
            declare(self._vhost, topology)
        return plan

    def _look(self, kind: str, row: dict[str, Any]) -> dict[str, str]:
        there: tuple[object, ...] | None
        wanted: tuple[object, ...] = (row.get("durable", True), row.get("arguments") or {})
        if kind == "queue":
            queue = self._vhost.queues.get(row["name"])
            there = (queue.durable, queue.arguments) if queue else None
        else:
            there = self._vhost.exchanges.get(row["name"])
            wanted = (row.get("type", "direct"), *wanted)
            if _lacking(row):
                return {"kind": kind, "name": row["name"], "action": "conflict", "detail": lack(row["type"])}
        action = "create" if there is None else "keep" if there == wanted else "conflict"
        return {"kind": kind, "name": row["name"], "action": action, "detail": ""}

    async def keep_alive(self) -> bool:
        """Do nothing: no acknowledgement is awaited for so long."""
        await self._process.turn()
        return True

    async def close(self) -> None:
        """Close the connection; what was not acknowledged goes back to its queue."""
        self._closing = True
        if not self._process.dead:
            for intake in self._intakes.values():
                intake.close()


def _lacking(row: dict[str, Any]) -> bool:
    kind: str = row.get("type", "direct")
    return kind.startswith("x-") and kind != DELAYED


def _refuse_lacking(topology: Json) -> None:
    for row in rows(topology, "exchanges"):
        if _lacking(row):
            hint = "explore without it, or with an exchange of another type; nothing was changed"
            raise UnsupportedError(9866, lack(row["type"]), where="the simulated RabbitMQ", hint=hint)


def declare(vhost: Vhost, topology: Json) -> None:
    """Make what a topology document says.

    Raises:
        UnsupportedError: 9866 for an exchange of a plugin's type that is not simulated.
    """
    _refuse_lacking(topology)
    for row in rows(topology, "exchanges"):
        about = (row.get("type", "direct"), row.get("durable", True), row.get("arguments") or {})
        vhost.exchanges.setdefault(row["name"], about)
    for row in rows(topology, "queues"):
        vhost.declare(row["name"], row.get("arguments") or {}, durable=row.get("durable", True))
    for row in rows(topology, "bindings"):
        to_exchange = "to_exchange" in row
        vhost.bind(row["exchange"], target(row), row["routing_key"], row.get("arguments") or {}, exchange=to_exchange)
