"""Typed reader of the AMQP profiles and topologies in ``arch/msg/amqp``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from x07py.contracts.loader import JsonObject, find_by_id, ids_of, read_contract, resolve_inside
from x07py.contracts.profiles import (
    Codes,
    Loaded,
    authorities,
    certificate,
    choice,
    flag,
    limits_of,
    load_profile,
    place_of,
    read_index,
    text_of,
    unknown,
)
from x07py.contracts.profiles import profile_ids as listed
from x07py.drivers.plugin import ADDRESS
from x07py.errors import ContractError

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.contracts.profiles import ClientCertificate

INDEX = "arch/msg/amqp/index.x07amqp.json"
CONSUMER_TIMEOUT_MS = 1_800_000
"""How long RabbitMQ waits for an acknowledgement unless its ``consumer_timeout`` says otherwise."""
MECHANISMS = ("plain_v1", "external_v1")


class AmqpProfile(NamedTuple):
    """One AMQP broker profile; sizes in bytes, times in milliseconds; `ca_path` is absolute, None for the system's."""

    id: str
    host: str
    port: int
    vhost: str
    tls: bool
    ca_path: str | None
    username_secret_id: str
    password_secret_id: str
    certificate: ClientCertificate | None
    mechanism: str
    failover: tuple[str, ...]
    management_url: str
    consumer_timeout_ms: int
    max_body_bytes: int
    prefetch_count: int
    max_poll_items: int
    budget_profile_id: str
    rr_policy_id: str


def profile_ids(root: Path) -> list[str]:
    """Return the ids of the profiles, none if the project has no index.

    Raises:
        ContractError: 9801 if the index is not JSON.
    """
    return listed(root, INDEX, 9801)


def read_profile(root: Path, profile_id: str) -> AmqpProfile:
    """Return the AMQP profile `profile_id` of the project at `root`.

    Raises:
        ContractError: 9801 index, 9802 no such profile, 9803 profile file, 9804 limits missing, 9805 limits invalid,
            9850 host, port, vhost or auth invalid, ``X07_CONTRACT_PATH`` for a path that leaves the project.
    """
    codes = Codes(no_index=9801, missing=9802, file=9803, no_limits=9804, limits=9805, invalid=9850)
    loaded = load_profile(root, INDEX, "path", profile_id, codes)
    limits = limits_of(loaded, codes, ("max_body_bytes", "prefetch_count", "max_poll_items"))
    auth = loaded.table("auth")
    port = loaded.document.get("port", 5672)
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
        raise loaded.invalid("port must be a number from 1 to 65535")
    return AmqpProfile(
        id=profile_id,
        host=text_of(loaded, loaded.document, "host", None),
        port=port,
        vhost=text_of(loaded, loaded.document, "vhost", "/"),
        tls=flag(loaded, auth, "tls", default=False),
        ca_path=authorities(loaded, auth, root),
        username_secret_id=text_of(loaded, auth, "username_secret_id", ""),
        password_secret_id=text_of(loaded, auth, "password_secret_id", ""),
        certificate=certificate(loaded, auth, root),
        mechanism=choice(loaded, auth, "mechanism", MECHANISMS),
        failover=_failover(loaded),
        management_url=_management(loaded),
        consumer_timeout_ms=limits_of(loaded, codes, ("consumer_timeout_ms",), CONSUMER_TIMEOUT_MS)[
            "consumer_timeout_ms"
        ],
        max_body_bytes=limits["max_body_bytes"],
        prefetch_count=limits["prefetch_count"],
        max_poll_items=limits["max_poll_items"],
        budget_profile_id=str(loaded.entry.get("budget_profile_id", "")),
        rr_policy_id=str(loaded.entry.get("rr_policy_id", "")),
    )


def read_topology(root: Path, topology_id: str) -> JsonObject:
    """Return the topology document `topology_id` of the project at `root`, as parsed.

    Raises:
        ContractError: 9840 index, 9841 no list of topologies, 9842 entry without path, 9843 no such topology,
            9844 topology file.
    """
    path = place_of(root, INDEX)
    index = read_index(root, INDEX, 9840, "x07 arch check tells what is wrong with the contracts")
    if not isinstance(index.get("topologies"), list):
        raise ContractError(9841, "the index has no list of topologies", where=str(path), hint="add `topologies`")
    entry = find_by_id(index, "topologies", topology_id)
    if entry is None:
        raise unknown(9843, "topology", topology_id, path, ids_of(index, "topologies"))
    if "document" in entry:
        return dict(entry["document"])
    relative = entry.get("path")
    if not isinstance(relative, str) or not relative:
        raise ContractError(9842, f"topology {topology_id!r} has no path", where=str(path), hint="give its file")
    return read_contract(resolve_inside(root, relative), root=root, code=9844, hint=f"{path} names this file")


def _failover(loaded: Loaded) -> tuple[str, ...]:
    rows = loaded.document.get("failover", [])
    if not isinstance(rows, list) or not all(isinstance(row, str) and ADDRESS.fullmatch(row) for row in rows):
        raise loaded.invalid("failover must be a list of host:port strings")
    return tuple(rows)


def _management(loaded: Loaded) -> str:
    url = text_of(loaded, loaded.document, "management_url", "")
    if url and not management_host(url):
        raise loaded.invalid("management_url must be http://HOST:PORT or https://HOST:PORT")
    return url


def management_host(url: str) -> str:
    """Return the host of the address of a management API; empty if it is none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and not (parts.query or parts.fragment or parts.username)
        return (parts.hostname or "") if usable and parts.port != 0 else ""
    except ValueError:
        return ""
