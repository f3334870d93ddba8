"""``contracts_v1.msg_kafka``: what `x07 arch check` asks of Kafka profiles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from x07py.drivers.kafka_contract import REGISTRY_URL, registry_faults
from x07py.drivers.kafka_settings import check_client_settings
from x07py.errors import ContractError

if TYPE_CHECKING:
    from x07py.drivers.contract_check import ContractCheck

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", re.ASCII)
_PROFILE_INVALID = "E_ARCH_MSG_KAFKA_PROFILE_INVALID"


def check_contracts(check: ContractCheck, path: str) -> None:
    """Check an index of Kafka profiles, and the profiles."""
    index = check.index(path, "x07.arch.msg.kafka.index", "E_ARCH_MSG_KAFKA_INDEX_MISSING")
    if index is None:
        return
    check.names(profiles=[entry["id"] for entry in index["profiles"]])
    check.unique(index["profiles"], "id", "Kafka profiles", path)
    for entry in index["profiles"]:
        facts = {"profile_id": entry["id"]}
        check.entry(entry, path, "E_ARCH_MSG_KAFKA_BUDGET_MISSING", facts)
        file = entry["profile_path"]
        profile = check.document(file, "x07.arch.msg.kafka.profile", _PROFILE_INVALID, entry["id"])
        if profile is not None:
            _bootstrap(check, profile, file)
            _security(check, profile.get("security", {}), entry, file, profile["bootstrap"])
            _registry(check, profile.get("schema_registry", {}), entry, file)
            _client_settings(check, profile, file)
            check.largest_message("max_message_bytes", profile["limits"]["max_message_bytes"], entry, file)


def _bootstrap(check: ContractCheck, profile: dict[str, Any], path: str) -> None:
    for address in profile["bootstrap"]:
        match = _HOST_PORT.fullmatch(address)
        if match is None or not 0 < int(match.group(2)) < 65536:
            message = f"bootstrap entry {address.rpartition('@')[2]!r} is not of the form host:port"
            hint = "write for example 'kafka-1.example:9092', or '[::1]:9092'"
            check.fault("E_ARCH_MSG_KAFKA_BOOTSTRAP", message, path=path, hint=hint)


def _security(
    check: ContractCheck, security: dict[str, Any], entry: dict[str, Any], path: str, hosts: list[str]
) -> None:
    mode = security.get("sasl_mode", "none_v1")
    names = ("username_secret_id", "password_secret_id")
    lacking = [name for name in names if not security.get(name)]
    with_user = mode not in {"none_v1", "oauthbearer_v1"} or "token_url" in security
    if with_user and lacking:
        message = f"sasl_mode is {mode}, and {' and '.join(lacking)} name no secret"
        hint = "name both secrets; their values come from the environment or a file when the program runs"
        check.fault("E_ARCH_MSG_KAFKA_SECRET_MISSING", message, path=path, hint=hint)
    if len(lacking) < len(names):
        check.uses_secrets(entry, path)
    if mode != "none_v1" and not security.get("tls"):
        check.cleartext(hosts, path)


def _registry(check: ContractCheck, registry: dict[str, Any], entry: dict[str, Any], path: str) -> None:
    for fault in registry_faults(registry):
        hint = "write urls such as 'https://registry.example:8081', and both secrets or none"
        check.fault(_PROFILE_INVALID, fault, path=path, hint=hint)
    if not registry.get("username_secret_id"):
        return
    check.uses_secrets(entry, path)
    found = [REGISTRY_URL.fullmatch(url) for url in registry["urls"]]
    open_to_all = [f"{one['host']}:{one['port'] or 80}" for one in found if one and one["scheme"] == "http"]
    if open_to_all:
        check.cleartext(open_to_all, path)


def _client_settings(check: ContractCheck, profile: dict[str, Any], path: str) -> None:
    try:
        check_client_settings(profile.get("client_settings", {}), path)
    except ContractError as error:
        check.fault(_PROFILE_INVALID, error.message, path=path, hint=error.hint or "")
