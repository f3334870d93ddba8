"""Typed reader of the Kafka profiles in ``arch/msg/kafka``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from x07py.contracts.profiles import Codes, authorities, certificate, choice, flag, limits_of, load_profile, text_of
from x07py.contracts.profiles import profile_ids as listed
from x07py.drivers.kafka_settings import check_client_settings

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.contracts.loader import JsonObject
    from x07py.contracts.profiles import ClientCertificate, Loaded

REGISTRY_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/:@,?#]+)(:(?P<port>[0-9]{1,5}))?(/[^\s,?#@]*)?"
)
INDEX = "arch/msg/kafka/index.x07kafka.json"
SASL_MODES = ("none_v1", "plain_v1", "scram_v1", "scram_sha256_v1", "oauthbearer_v1")


class KafkaProfile(NamedTuple):
    """One Kafka broker profile; times in milliseconds, sizes in bytes; `ca_path` is absolute, None for the system's."""

    id: str
    bootstrap: tuple[str, ...]
    sasl_mode: str
    tls: bool
    ca_path: str | None
    username_secret_id: str
    password_secret_id: str
    certificate: ClientCertificate | None
    token_url: str
    token_scope: str
    client_settings: JsonObject
    max_message_bytes: int
    max_poll_items: int
    max_poll_wait_ms: int
    budget_profile_id: str
    rr_policy_id: str
    registry_urls: tuple[str, ...] = ()
    registry_username_secret_id: str = ""
    registry_password_secret_id: str = ""


def profile_ids(root: Path) -> list[str]:
    """Return the ids of the profiles, none if the project has no index.

    Raises:
        ContractError: 9701 if the index is not JSON.
    """
    return listed(root, INDEX, 9701)


def read_profile(root: Path, profile_id: str) -> KafkaProfile:
    """Return the Kafka profile `profile_id` of the project at `root`.

    Raises:
        ContractError: 9701 index, 9702 no such profile, 9703 profile file, 9704 limits missing, 9705 limits invalid,
            9750 bootstrap or security invalid, ``X07_CONTRACT_PATH`` for a path that leaves the project.
    """
    codes = Codes(no_index=9701, missing=9702, file=9703, no_limits=9704, limits=9705, invalid=9750)
    loaded = load_profile(root, INDEX, "profile_path", profile_id, codes)
    limits = limits_of(loaded, codes, ("max_message_bytes", "max_poll_items", "max_poll_wait_ms"))
    security = loaded.table("security")
    bootstrap = loaded.document.get("bootstrap")
    if not isinstance(bootstrap, list) or not bootstrap or not all(isinstance(b, str) and b for b in bootstrap):
        raise loaded.invalid("bootstrap must be a list of host:port strings")
    mode = choice(loaded, security, "sasl_mode", SASL_MODES)
    token_url = text_of(loaded, security, "token_url", "")
    with_user = mode not in {"none_v1", "oauthbearer_v1"} or bool(token_url)
    settings = loaded.table("client_settings")
    urls, user, word = _registry(loaded)
    check_client_settings(settings, str(loaded.path))
    if with_user and not (security.get("username_secret_id") and security.get("password_secret_id")):
        raise loaded.invalid(f"sasl_mode {mode} needs username_secret_id and password_secret_id")
    return KafkaProfile(
        id=profile_id,
        bootstrap=tuple(bootstrap),
        sasl_mode=mode,
        tls=flag(loaded, security, "tls", default=True),
        ca_path=authorities(loaded, security, root),
        username_secret_id=text_of(loaded, security, "username_secret_id", ""),
        password_secret_id=text_of(loaded, security, "password_secret_id", ""),
        certificate=certificate(loaded, security, root),
        token_url=token_url,
        token_scope=text_of(loaded, security, "token_scope", ""),
        client_settings=settings,
        max_message_bytes=limits["max_message_bytes"],
        max_poll_items=limits["max_poll_items"],
        max_poll_wait_ms=limits["max_poll_wait_ms"],
        budget_profile_id=str(loaded.entry.get("budget_profile_id", "")),
        rr_policy_id=str(loaded.entry.get("rr_policy_id", "")),
        registry_urls=urls,
        registry_username_secret_id=user,
        registry_password_secret_id=word,
    )


def _registry(loaded: Loaded) -> tuple[tuple[str, ...], str, str]:
    """Return the addresses of the schema registry, none if there is none, and the ids of its two secrets."""
    table = loaded.table("schema_registry")
    user, word = (text_of(loaded, table, f"{name}_secret_id", "") for name in ("username", "password"))
    for fault in registry_faults(table):
        raise loaded.invalid(fault)
    return tuple(table.get("urls", ())), user, word


def registry_faults(table: JsonObject) -> list[str]:
    """Return what is wrong with the ``schema_registry`` of a profile, for who opens it and who checks it."""
    urls, found = table.get("urls", []), []
    if not isinstance(urls, list) or not all(isinstance(one, str) and REGISTRY_URL.fullmatch(one) for one in urls):
        found.append("urls of schema_registry must be a list of http:// or https:// addresses")
    if bool(table.get("username_secret_id")) != bool(table.get("password_secret_id")):
        found.append("username_secret_id and password_secret_id of schema_registry go together")
    return found
