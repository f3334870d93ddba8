"""Topology files against a broker: what is there, what is missing, what is there otherwise.

AMQP has no way to read a declaration. Declaring again what is there changes nothing if it is equal and fails if it is
not, so that is how the plan finds out; what is not there is found by a passive declaration. Bindings and policies are
looked up by the management API, where it answers; without it nothing tells of them, and binding twice is the same as
once. So are types of exchanges; without the API, ``amq.direct``, which every broker has, is declared with the type: it
is refused for the type that it has, or because no plugin brings this one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from aiormq import exceptions as amqp

from x07py.drivers.amqp_link import reason_of
from x07py.drivers.amqp_management import Management, NoManagementError
from x07py.errors import ContractError, TopologyConflictError, UnsupportedError

if TYPE_CHECKING:
    from x07py.drivers.amqp_link import Link
    from x07py.drivers.base import Json

Step = dict[str, str]
_TARGETS = ("queue", "to_exchange")
_TYPES = {"direct", "topic", "fanout", "headers"}
_PLUGIN_TYPE = re.compile(r"x-[A-Za-z0-9._-]{1,120}")
DELAYED, DELAYED_TYPE = "x-delayed-message", "x-delayed-type"
_PLUGINS = {
    DELAYED: "rabbitmq_delayed_message_exchange",
    "x-consistent-hash": "rabbitmq_consistent_hash_exchange",
    "x-jms-topic": "rabbitmq_jms_topic_exchange",
    "x-modulus-hash": "rabbitmq_sharding",
    "x-random": "rabbitmq_random_exchange",
    "x-recent-history": "rabbitmq_recent_history_exchange",
}
_ALWAYS_THERE = "amq.direct"
_NO_SUCH_TYPE = re.compile(r"(unknown|invalid) exchange type")
MANAGEMENT, DECLARATIONS = "management_api", "declarations"


class Plan(NamedTuple):
    """What applying a topology does, or has done.

    Each step has ``kind``, ``name``, ``action`` (create, keep, conflict, bind) and ``detail``. `seen_by` says whether
    bindings and policies were looked up by the ``management_api``, or ``declarations`` were all that could be tried;
    `note` says it to people. `lacking` are the types of exchanges that the broker does not have.
    """

    steps: list[Step]
    seen_by: str
    note: str
    lacking: tuple[str, ...] = ()

    def answer(self) -> Json:
        """Return it as the answer of an operation."""
        return {"plan": self.steps, "seen_by": self.seen_by, "note": self.note}


async def plan_topology(link: Link, topology: Json) -> Plan:
    """Return, for each exchange, queue and binding in file order, what applying would do; nothing is changed.

    Raises:
        ContractError: 9861 for a topology that cannot be meant.
        DriverError: 9851, 9853, 9860.
    """
    exchanges, queues, bindings = (rows(topology, name) for name in ("exchanges", "queues", "bindings"))
    asked = {row.get("type", "direct") for row in exchanges} - _TYPES
    management: Management | None = Management(link.profile)
    try:
        lacking = asked - await management.exchange_types() if management else set()
        note = "bindings, policies and types of exchanges: as the management API tells"
    except NoManagementError as error:
        management, lacking = None, {kind for kind in sorted(asked) if not await _has_type(link, kind)}
        note = f"bindings that are there already, and policies, are not known: AMQP does not tell, and {error}"
        note += f"; types of exchanges: as {_ALWAYS_THERE} was declared with each" if asked else ""
    steps = [await _look(link, "exchange", row, lacking) for row in exchanges]
    steps += [await _look(link, "queue", row, lacking) for row in queues]
    there = {(step["kind"], step["name"]) for step in steps if step["action"] == "keep"}
    seen_by = MANAGEMENT if management else DECLARATIONS
    if management is None:
        steps += [_unseen(row, there) for row in bindings]
        return Plan(steps, seen_by, note, tuple(sorted(lacking)))
    try:
        for step in steps:
            if step["action"] == "keep":
                step["detail"] = await management.policies_of(step["kind"], step["name"])
        steps += [await _seen(management, row) for row in bindings]
    except NoManagementError as error:
        raise link.error(9851, f"the management API answered, and then no more: {error}; plan again") from None
    return Plan(steps, seen_by, note, tuple(sorted(lacking)))


def _unseen(row: dict[str, Any], there: set[tuple[str, str]]) -> Step:
    kind, name = ("queue", row["queue"]) if "queue" in row else ("exchange", row["to_exchange"])
    perhaps = "; it may be there already" if {("exchange", row["exchange"]), (kind, name)} <= there else ""
    return _binding(row, "bind", perhaps)


async def _seen(management: Management, row: dict[str, Any]) -> Step:
    kind = "queue" if "queue" in row else "exchange"
    given = row.get("arguments") or {}
    bound = await management.is_bound(row["exchange"], kind, target(row), row["routing_key"], given)
    return _binding(row, "keep" if bound else "bind")


def _binding(row: dict[str, Any], action: str, more: str = "") -> Step:
    name = f"{row['exchange']} -> {target(row)}"
    return {"kind": "binding", "name": name, "action": action, "detail": f"by {row['routing_key']!r}{more}"}


async def _has_type(link: Link, kind: str) -> bool:
    """Tell whether the broker has a type of exchanges; where the user may not ask, it is taken to have it.

    RabbitMQ 3 ends the connection over a type that it does not have, so this takes one of its own.
    """
    own = link.another()
    try:
        channel = await own.channel()
        await channel.exchange_declare(_ALWAYS_THERE, exchange_type=kind, durable=True)
    except amqp.ConnectionCommandInvalid:
        return False
    except amqp.AMQPChannelError as error:
        return not is_about_type(error)
    finally:
        await own.close()
    return True


def is_about_type(error: amqp.AMQPChannelError) -> bool:
    """Tell whether RabbitMQ 4 refuses a declaration because it has no such type of exchanges, with the code (406) that
    it has for any other type than the exchange's own as well."""
    return _NO_SUCH_TYPE.search(reason_of(error)) is not None


def lack(kind: str) -> str:
    """Return what to say of a type of exchanges that a broker does not have."""
    plugin = _PLUGINS.get(kind, "and the plugin that brings it")
    return f"the broker has no exchanges of type {kind!r}; rabbitmq-plugins enable {plugin}"


async def apply_topology(link: Link, topology: Json) -> Plan:
    """Declare what is missing and bind; return the plan that was carried out.

    Raises:
        ContractError: 9861, as `plan_topology`.
        DriverError: 9866 if the broker lacks a type of exchanges, 9858 if something is there with other properties
            (nothing is changed then); 9851, 9853, 9860.
    """
    plan = await plan_topology(link, topology)
    steps = plan.steps
    if plan.lacking:
        hint = "enable the plugin on every node, or change the topology file; nothing was changed"
        raise UnsupportedError(9866, lack(plan.lacking[0]), where=link.where, hint=hint)
    conflicts = [f"{step['kind']} {step['name']!r}: {step['detail']}" for step in steps if step["action"] == "conflict"]
    if conflicts:
        raise TopologyConflictError(
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
        found = [step for step in steps if step["kind"] == "binding"]
        for row, step in zip(rows(topology, "bindings"), found, strict=True):
            if step["action"] == "keep":
                continue
            bind = channel.queue_bind if "queue" in row else channel.exchange_bind
            await bind(target(row), row["exchange"], row["routing_key"], arguments=row.get("arguments"))
        await channel.close()
    except amqp.AMQPChannelError as error:
        raise link.channel_error(error, "the topology") from None
    return plan


def rows(topology: Json, name: str) -> list[dict[str, Any]]:
    """Return one list of a topology document, checked.

    Raises:
        ContractError: 9861 for a row without a name, with an unknown exchange type, or with odd arguments.
    """
    found = topology.get(name, []) if isinstance(topology, dict) else None
    needs = ("exchange", "routing_key") if name == "bindings" else ("name",)
    if not isinstance(found, list):
        raise _invalid(f"{name} must be a list")
    for number, row in enumerate(found):
        if not isinstance(row, dict) or not all(isinstance(row.get(need), str) for need in needs):
            raise _invalid(f"{name}[{number}] needs {', '.join(needs)}")
        if name == "bindings" and [isinstance(row.get(one), str) for one in _TARGETS].count(True) != 1:
            raise _invalid(f"{name}[{number}] needs one of {', '.join(_TARGETS)}")
        if not isinstance(row.get("arguments", {}), dict) or not isinstance(row.get("durable", True), bool):
            raise _invalid(f"{name}[{number}]: arguments must be an object, durable true or false")
        if name == "exchanges" and (wrong := odd_type(row)):
            raise _invalid(f"{name}[{number}]: {wrong}")
    return found


def odd_type(row: dict[str, Any]) -> str:
    """Return what is wrong with the type of an exchange, which may be a plugin's; empty if nothing is."""
    kind, known = row.get("type", "direct"), ", ".join(sorted(_TYPES))
    if kind not in _TYPES and not (isinstance(kind, str) and _PLUGIN_TYPE.fullmatch(kind)):
        return f"type must be one of {known}, or that of a plugin, x-..."
    inner = (row.get("arguments") or {}).get(DELAYED_TYPE)
    if kind == DELAYED and (inner == DELAYED or odd_type({"type": inner})):
        return f"{DELAYED} needs the argument {DELAYED_TYPE}, one of {known}"
    return ""


def target(row: dict[str, Any]) -> str:
    """Return the queue or exchange that a binding leads to."""
    name: str = row["queue"] if "queue" in row else row["to_exchange"]
    return name


def _invalid(message: str) -> ContractError:
    return ContractError(9861, f"the topology cannot be meant: {message}", hint="x07 arch check shows every fault")


async def _look(link: Link, kind: str, row: dict[str, Any], lacking: set[str]) -> Step:
    step = {"kind": kind, "name": row["name"], "detail": ""}
    if row.get("type") in lacking:
        return {**step, "action": "conflict", "detail": lack(row["type"])}
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
