"""AMQP 0-9-1 as a driver plug-in; imports no client until it connects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.contracts.profiles import secret_ids
from x07py.drivers.amqp_contract import AmqpProfile, profile_ids, read_profile
from x07py.drivers.base import AMQP, Backend
from x07py.drivers.plugin import (
    ClientOptions,
    DriverPlugin,
    KedaTriggers,
    Limits,
    Workload,
    addresses_of_environment,
)
from x07py.errors import ContractError

if TYPE_CHECKING:
    from x07py.drivers.contract_check import ContractCheck


def addressed(profile: AmqpProfile) -> AmqpProfile:
    """Return the profile with the addresses that the environment names, if it names any.

    Raises:
        DriverError: 9627 for a malformed address.
    """
    addresses = addresses_of_environment(AMQP.name, profile.id)
    if not addresses:
        return profile
    host, _, port = addresses[0].rpartition(":")
    return profile._replace(host=host.strip("[]"), port=int(port), failover=addresses[1:])


def _connect(profile: AmqpProfile, options: ClientOptions) -> Backend:
    from x07py.drivers.amqp import AmqpBackend

    if any(options):
        raise ContractError(9850, "client_settings and token are for Kafka", hint="leave them away")
    return AmqpBackend(addressed(profile))


def _addresses(profile: AmqpProfile) -> tuple[str, ...]:
    one = addressed(profile)
    return (f"[{one.host}]:{one.port}" if ":" in one.host else f"{one.host}:{one.port}",)


def _check(check: ContractCheck, path: str) -> None:
    from x07py.drivers.amqp_checks import check_contracts

    check_contracts(check, path)


def _keda(profile: AmqpProfile, workload: Workload) -> KedaTriggers:
    """KEDA takes user and password within an address, so the secret holds one besides what the program is given."""
    threshold = str(workload.messages_per_replica)
    common = {"protocol": "amqp", "mode": "QueueLength", "value": threshold, "vhostName": profile.vhost}
    return KedaTriggers("rabbitmq", [{**common, "queueName": queue} for queue in workload.sources], {"host": "host"})


AMQP_DRIVER = DriverPlugin(
    dialect=AMQP,
    read_profile=read_profile,
    profile_ids=profile_ids,
    connect=_connect,
    limits=lambda profile: Limits(profile.max_body_bytes, profile.max_poll_items, profile.budget_profile_id),
    addresses=_addresses,
    install_hint="x07 pkg add ext-msg-amqp-c --sync, or pip install 'x07py[amqp]'",
    check_contracts=_check,
    x07ast_calls=("std.msg.amqp.connect_from_arch_v1", "std.msg.amqp.ensure_topology_from_arch_v1"),
    schemes={"amqp": 5672, "amqps": 5671},
    secret_ids=lambda profile: secret_ids(profile.username_secret_id, profile.password_secret_id, profile.certificate),
    keda=_keda,
)
