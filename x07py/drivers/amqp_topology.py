"""Topology files against a broker: what is there, what is missing, what is there otherwise.

AMQP has no way to read a declaration. Declaring again what is there changes nothing if it is equal and fails if it is
not, so that is how the plan finds out; what is not there is found by a passive declaration. Bindings cannot be looked
up at all; binding twice is the same as once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiormq import exceptions as amqp

from x07py.drivers.amqp_link import reason_of
from x07py.errors import AmqpError, ContractError

if TYPE_CHECKING:
    from x07py.drivers.amqp_link import Link
    from x07py.drivers.base import Json

Step = dict[str, str]
_TYPES = {"direct", "topic", "fanout", "headers"}


async def plan_topology(link: Link, topology: Json) -> list[Step]:
    """Return, for each exchange, queue and binding in file order, what applying would do; nothing is changed.

    Each step has ``kind``, ``name``, ``action`` (create, keep, conflict, bind) and ``detail``.

    Raises:
        ContractError: 9861 for a topology that cannot be meant.
        AmqpError: 9851, 9853, 9860.
    """
    steps = [await _look(link, "exchange", row) for row in rows(topology, "exchanges")]
    steps += [await _look(link, "queue", row) for row in rows(topology, "queues")]
    for row in rows(topology, "bindings"):
        name = f"{row['exchange']} -> {row['queue']}"
        steps.append({"kind": "binding", "name": name, "action": "bind", "detail": f"by {row['routing_key']!r}"})
    return steps


async def apply_topology(link: Link, topology: Json) -> list[Step]:
    """Declare what is missing and bind; return the plan that was carried out.

    Raises:
        ContractError: 9861, as `plan_topology`.
        AmqpError: 9858 if something is there with other properties (nothing is changed then); 9851, 9853, 9860.
    """
    steps = await plan_topology(link, topology)
    conflicts = [f"{step['kind']} {step['name']!r}: {step['detail']}" for step in steps if step["action"] == "conflict"]
    if conflicts:
        raise AmqpError(
            9858,
            f"{len(conflicts)} declarations conflict with the broker, nothing was changed; the first: {conflicts[0]}",
            where=link.where,
            hint="change the topology file, or delete the exchange or queue on the broker",
        )
    channel = await link.channel()
    try:
        for row in rows(topology, "exchanges"):
            await _declare(channel, "exchange", row)
        for row in rows(topology, "queues"):
            await _declare(channel, "queue", row)
        for row in rows(topology, "bindings"):
            await channel.queue_bind(row["queue"], row["exchange"], row["routing_key"], arguments=row.get("arguments"))
        await channel.close()
    except amqp.AMQPChannelError as error:
        raise link.channel_error(error, "the topology") from None
    return steps


def rows(topology: Json, name: str) -> list[dict[str, Any]]:
    """Return one list of a topology document, checked.

    Raises:
        ContractError: 9861 for a row without a name, with an unknown exchange type, or with odd arguments.
    """
    found = topology.get(name, []) if isinstance(topology, dict) else None
    needs = ("exchange", "queue", "routing_key") if name == "bindings" else ("name",)
    if not isinstance(found, list):
        raise _invalid(f"{name} must be a list")
    for number, row in enumerate(found):
        if not isinstance(row, dict) or not all(isinstance(row.get(need), str) for need in needs):
            raise _invalid(f"{name}[{number}] needs {', '.join(needs)}")
        if name == "exchanges" and row.get("type", "direct") not in _TYPES:
            raise _invalid(f"{name}[{number}].type must be one of {', '.join(sorted(_TYPES))}")
        if not isinstance(row.get("arguments", {}), dict) or not isinstance(row.get("durable", True), bool):
            raise _invalid(f"{name}[{number}]: arguments must be an object, durable true or false")
    return found


def _invalid(message: str) -> ContractError:
    return ContractError(9861, f"the topology cannot be meant: {message}", hint="x07 arch check shows every fault")


async def _look(link: Link, kind: str, row: dict[str, Any]) -> Step:
    step = {"kind": kind, "name": row["name"], "detail": ""}
    try:
        channel = await link.channel()
        await _declare(channel, kind, row, passive=True)
    except amqp.ChannelNotFoundEntity:
        return {**step, "action": "create", "detail": _wanted(row)}
    except amqp.AMQPChannelError as error:
        raise link.channel_error(error, f"{kind} {row['name']!r}") from None
    try:
        await _declare(channel, kind, row)
        await channel.close()
    except amqp.ChannelPreconditionFailed as error:
        return {**step, "action": "conflict", "detail": reason_of(error)}
    return {**step, "action": "keep"}


def _wanted(row: dict[str, Any]) -> str:
    facts = [row["type"]] if "type" in row else []
    facts += [] if row.get("durable", True) else ["not durable"]
    facts += [f"{name}={value}" for name, value in sorted(row.get("arguments", {}).items())]
    return ", ".join(facts)


async def _declare(channel: Any, kind: str, row: dict[str, Any], *, passive: bool = False) -> None:
    common = {"passive": passive, "durable": row.get("durable", True), "arguments": row.get("arguments") or None}
    if kind == "exchange":
        await channel.exchange_declare(row["name"], exchange_type=row.get("type", "direct"), **common)
    else:
        await channel.queue_declare(row["name"], **common)
