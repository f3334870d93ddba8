"""Kafka as a driver plug-in; imports no client until it connects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from x07py.contracts.profiles import secret_ids
from x07py.drivers.base import KAFKA, Backend
from x07py.drivers.kafka_contract import REGISTRY_URL, KafkaProfile, profile_ids, read_profile
from x07py.drivers.kafka_settings import check_client_settings
from x07py.drivers.plugin import (
    ClientOptions,
    DriverPlugin,
    KedaTriggers,
    Limits,
    Workload,
    addresses_of_environment,
)

if TYPE_CHECKING:
    from x07py.drivers.contract_check import ContractCheck


_THREAD = re.compile(r"rdk:broker(?P<node>-?[0-9]+)")
"""How librdkafka names the thread of each broker; those of `bootstrap.servers` have numbers below zero."""
_PORTS = {"http": 80, "https": 443}
_KEDA_SASL = {
    "plain_v1": "plaintext",
    "scram_v1": "scram_sha512",
    "scram_sha256_v1": "scram_sha256",
    "oauthbearer_v1": "oauthbearer",
}
"""Ways to log in, as KEDA calls them."""


def addressed(profile: KafkaProfile) -> KafkaProfile:
    """Return the profile with the addresses that the environment names, if it names any.

    Raises:
        DriverError: 9627 for a malformed address.
    """
    addresses = addresses_of_environment(KAFKA.name, profile.id)
    return profile._replace(bootstrap=addresses) if addresses else profile


def _connect(profile: KafkaProfile, options: ClientOptions) -> Backend:
    import confluent_kafka  # noqa: F401

    from x07py.drivers.kafka import KafkaBackend

    check_client_settings(dict(options.settings), "open_driver")
    return KafkaBackend(addressed(profile), dict(options.settings), options.token)


def _origin(thread: str) -> str | None:
    found = _THREAD.fullmatch(thread)
    if found is None:
        return None
    if found["node"].startswith("-"):
        return "from bootstrap.servers or the Kafka cluster"
    return f"advertised by the Kafka cluster as broker {found['node']}"


def _check(check: ContractCheck, path: str) -> None:
    from x07py.drivers.kafka_checks import check_contracts

    check_contracts(check, path)


def _addresses(profile: KafkaProfile) -> tuple[str, ...]:
    """Return brokers, and the schema registry."""
    found = [REGISTRY_URL.fullmatch(url) for url in profile.registry_urls]
    registries = [f"{one['host']}:{one['port'] or _PORTS[one['scheme']]}" for one in found if one]
    return (*addressed(profile).bootstrap, *registries)


def _secrets(profile: KafkaProfile) -> tuple[str, ...]:
    own = secret_ids(profile.username_secret_id, profile.password_secret_id, profile.certificate)
    return (*own, *secret_ids(profile.registry_username_secret_id, profile.registry_password_secret_id, None))


def _keda(profile: KafkaProfile, workload: Workload) -> KedaTriggers:
    common = {"bootstrapServers": ",".join(profile.bootstrap), "consumerGroup": workload.group}
    common |= {"lagThreshold": str(workload.messages_per_replica), "offsetResetPolicy": "earliest"}
    common |= {"sasl": _KEDA_SASL[profile.sasl_mode]} if profile.sasl_mode in _KEDA_SASL else {}
    common |= {"tls": "enable"} if profile.tls else {}
    secret = {"username": profile.username_secret_id, "password": profile.password_secret_id}
    rows = [{**common, "topic": topic} for topic in workload.sources]
    return KedaTriggers("kafka", rows, {parameter: key for parameter, key in secret.items() if key})


KAFKA_DRIVER = DriverPlugin(
    dialect=KAFKA,
    read_profile=read_profile,
    profile_ids=profile_ids,
    connect=_connect,
    limits=lambda profile: Limits(profile.max_message_bytes, profile.max_poll_items, profile.budget_profile_id),
    addresses=_addresses,
    install_hint="x07 pkg add ext-msg-kafka-c --sync, or pip install 'x07py[kafka]'",
    check_contracts=_check,
    schemes={"kafka": 9092},
    connection_origin=_origin,
    secret_ids=_secrets,
    keda=_keda,
)
