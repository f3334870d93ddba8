"""Typed readers of ``arch/msg``: topics, Kafka profiles, AMQP profiles and topologies.

The codes are those of the reference's ``connect_from_arch`` functions (95xx, 97xx, 98xx). A file that the reference
would trap on (it does not exist) gets the code of the file that cannot be parsed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from x07py.contracts.loader import JsonObject, find_by_id, ids_of, read_object, resolve_inside
from x07py.errors import ContractError

if TYPE_CHECKING:
    from pathlib import Path

TOPIC_INDEX = "arch/msg/index.x07msg.json"
KAFKA_INDEX = "arch/msg/kafka/index.x07kafka.json"
AMQP_INDEX = "arch/msg/amqp/index.x07amqp.json"
MAX_I31 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Topic:
    """One catalogued topic: its id, brands, and the most bytes a value may have."""

    id: str
    key_brand: str
    value_brand: str
    max_value_bytes: int


@dataclass(frozen=True, slots=True)
class KafkaProfile:
    """One Kafka broker profile; times in milliseconds, sizes in bytes; `ca_path` is absolute, None for the system's."""

    id: str
    bootstrap: tuple[str, ...]
    sasl_mode: str
    tls: bool
    ca_path: str | None
    username_secret_id: str
    password_secret_id: str
    max_message_bytes: int
    max_poll_items: int
    max_poll_wait_ms: int
    budget_profile_id: str
    rr_policy_id: str


@dataclass(frozen=True, slots=True)
class AmqpProfile:
    """One AMQP broker profile; sizes in bytes; `ca_path` is absolute, None for the system's."""

    id: str
    host: str
    port: int
    vhost: str
    tls: bool
    ca_path: str | None
    username_secret_id: str
    password_secret_id: str
    max_body_bytes: int
    prefetch_count: int
    max_poll_items: int
    budget_profile_id: str
    rr_policy_id: str


def read_topics(root: Path) -> dict[str, Topic]:
    """Return the topic catalogue of the project at `root`, by id, in file order.

    Raises:
        ContractError: 9501 if the index is missing, not JSON, or a topic has no usable ``max_value_bytes``.
    """
    path = root / TOPIC_INDEX
    index = read_object(path, code=9501, hint=f"list the project's topics in {TOPIC_INDEX}")
    rows = index.get("topics")
    topics: dict[str, Topic] = {}
    for row in rows if isinstance(rows, list) else []:
        limit = row.get("max_value_bytes") if isinstance(row, dict) else None
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_I31:
            raise ContractError(
                9501,
                "a topic has no usable max_value_bytes",
                where=f"{path}: {row.get('id') if isinstance(row, dict) else row!r}",
                hint="give it a number of bytes from 1 to 1073741824",
            )
        name = str(row.get("id", ""))
        topics[name] = Topic(
            name, str(row.get("key_brand", "std.bytes.raw_v1")), str(row.get("value_brand", "")), limit
        )
    return topics


def profile_ids(root: Path, kind: str) -> list[str]:
    """Return the ids of the broker profiles of a kind (``kafka`` or ``amqp``), none if the project has no index.

    Raises:
        ContractError: 9701 or 9801 if the index is not JSON.
    """
    index = KAFKA_INDEX if kind == "kafka" else AMQP_INDEX
    if not (root / index).is_file():
        return []
    code = 9701 if kind == "kafka" else 9801
    return ids_of(read_object(root / index, code=code, hint="x07 arch check tells what is wrong"), "profiles")


def read_kafka_profile(root: Path, profile_id: str) -> KafkaProfile:
    """Return the Kafka profile `profile_id` of the project at `root`.

    Raises:
        ContractError: 9701 index, 9702 no such profile, 9703 profile file, 9704 limits missing, 9705 limits invalid,
            9750 bootstrap or security invalid, ``X07_CONTRACT_PATH`` for a path that leaves the project.
    """
    codes = _Codes(index=9701, missing=9702, file=9703, no_limits=9704, limits=9705, invalid=9750)
    loaded = _load_profile(root, KAFKA_INDEX, "profile_path", profile_id, codes)
    limits = _limits(loaded, codes, ("max_message_bytes", "max_poll_items", "max_poll_wait_ms"))
    security = loaded.table("security")
    bootstrap = loaded.document.get("bootstrap")
    if not isinstance(bootstrap, list) or not bootstrap or not all(isinstance(b, str) and b for b in bootstrap):
        raise loaded.invalid("bootstrap must be a list of host:port strings")
    mode = _choice(loaded, security, "sasl_mode", ("none_v1", "plain_v1", "scram_v1", "scram_sha256_v1"))
    if mode != "none_v1" and not (security.get("username_secret_id") and security.get("password_secret_id")):
        raise loaded.invalid(f"sasl_mode {mode} needs username_secret_id and password_secret_id")
    return KafkaProfile(
        id=profile_id,
        bootstrap=tuple(bootstrap),
        sasl_mode=mode,
        tls=_flag(loaded, security, "tls", default=True),
        ca_path=_authorities(loaded, security, root),
        username_secret_id=_text(loaded, security, "username_secret_id", ""),
        password_secret_id=_text(loaded, security, "password_secret_id", ""),
        max_message_bytes=limits["max_message_bytes"],
        max_poll_items=limits["max_poll_items"],
        max_poll_wait_ms=limits["max_poll_wait_ms"],
        budget_profile_id=str(loaded.entry.get("budget_profile_id", "")),
        rr_policy_id=str(loaded.entry.get("rr_policy_id", "")),
    )


def read_amqp_profile(root: Path, profile_id: str) -> AmqpProfile:
    """Return the AMQP profile `profile_id` of the project at `root`.

    Raises:
        ContractError: 9801 index, 9802 no such profile, 9803 profile file, 9804 limits missing, 9805 limits invalid,
            9850 host, port, vhost or auth invalid, ``X07_CONTRACT_PATH`` for a path that leaves the project.
    """
    codes = _Codes(index=9801, missing=9802, file=9803, no_limits=9804, limits=9805, invalid=9850)
    loaded = _load_profile(root, AMQP_INDEX, "path", profile_id, codes)
    limits = _limits(loaded, codes, ("max_body_bytes", "prefetch_count", "max_poll_items"))
    auth = loaded.table("auth")
    port = loaded.document.get("port", 5672)
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
        raise loaded.invalid("port must be a number from 1 to 65535")
    return AmqpProfile(
        id=profile_id,
        host=_text(loaded, loaded.document, "host", None),
        port=port,
        vhost=_text(loaded, loaded.document, "vhost", "/"),
        tls=_flag(loaded, auth, "tls", default=False),
        ca_path=_authorities(loaded, auth, root),
        username_secret_id=_text(loaded, auth, "username_secret_id", ""),
        password_secret_id=_text(loaded, auth, "password_secret_id", ""),
        max_body_bytes=limits["max_body_bytes"],
        prefetch_count=limits["prefetch_count"],
        max_poll_items=limits["max_poll_items"],
        budget_profile_id=str(loaded.entry.get("budget_profile_id", "")),
        rr_policy_id=str(loaded.entry.get("rr_policy_id", "")),
    )


def read_amqp_topology(root: Path, topology_id: str) -> JsonObject:
    """Return the topology document `topology_id` of the project at `root`, as parsed.

    Raises:
        ContractError: 9840 index, 9841 no list of topologies, 9842 entry without path, 9843 no such topology,
            9844 topology file.
    """
    path = root / AMQP_INDEX
    index = read_object(path, code=9840, hint="x07 arch check tells what is wrong with the contracts")
    if not isinstance(index.get("topologies"), list):
        raise ContractError(9841, "the index has no list of topologies", where=str(path), hint="add `topologies`")
    entry = find_by_id(index, "topologies", topology_id)
    if entry is None:
        raise _unknown(9843, "topology", topology_id, path, ids_of(index, "topologies"))
    relative = entry.get("path")
    if not isinstance(relative, str) or not relative:
        raise ContractError(9842, f"topology {topology_id!r} has no path", where=str(path), hint="give its file")
    return read_object(resolve_inside(root, relative), code=9844, hint=f"{path} names this file")


@dataclass(frozen=True, slots=True)
class _Codes:
    index: int
    missing: int
    file: int
    no_limits: int
    limits: int
    invalid: int


@dataclass(frozen=True, slots=True)
class _Loaded:
    entry: JsonObject
    document: JsonObject
    path: Path
    codes: _Codes

    def table(self, name: str) -> JsonObject:
        value = self.document.get(name, {})
        if not isinstance(value, dict):
            raise self.invalid(f"{name} must be an object")
        return value

    def invalid(self, message: str) -> ContractError:
        return ContractError(
            self.codes.invalid, message, where=str(self.path), hint="x07 arch check shows every fault of the file"
        )


def _load_profile(root: Path, index_path: str, path_key: str, profile_id: str, codes: _Codes) -> _Loaded:
    path = root / index_path
    index = read_object(path, code=codes.index, hint="copy docs/examples/contracts_project/arch to start from")
    entry = find_by_id(index, "profiles", profile_id)
    relative = entry.get(path_key) if entry else None
    if entry is None or not isinstance(relative, str) or not relative:
        raise _unknown(codes.missing, "profile", profile_id, path, ids_of(index, "profiles"))
    file = resolve_inside(root, relative)
    document = read_object(file, code=codes.file, hint=f"{index_path} names this file")
    return _Loaded(entry, document, file, codes)


def _unknown(code: int, what: str, wanted: str, path: Path, known: list[str]) -> ContractError:
    hint = f"there are: {', '.join(known)}" if known else f"the index lists no {what}"
    return ContractError(code, f"no {what} has the id {wanted!r}", where=str(path), hint=hint)


def _limits(loaded: _Loaded, codes: _Codes, names: tuple[str, ...]) -> dict[str, int]:
    table = loaded.document.get("limits")
    where = str(loaded.path)
    if not isinstance(table, dict):
        raise ContractError(codes.no_limits, "the profile has no limits", where=where, hint="add: " + ", ".join(names))
    for name in names:
        value = table.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_I31:
            raise ContractError(
                codes.limits, f"limits.{name} is not a number from 0 to {MAX_I31}", where=where, hint="correct it"
            )
    return {name: table[name] for name in names}


def _text(loaded: _Loaded, table: JsonObject, name: str, default: str | None) -> str:
    value: Any = table.get(name, default)
    if not isinstance(value, str) or (default is None and not value):
        raise loaded.invalid(f"{name} must be a string")
    return value


def _authorities(loaded: _Loaded, table: JsonObject, root: Path) -> str | None:
    """Return the absolute path of the file of certificate authorities, None for the system's."""
    path = _text(loaded, table, "ca_path", "")
    return str(root / path) if path else None


def _flag(loaded: _Loaded, table: JsonObject, name: str, *, default: bool) -> bool:
    value = table.get(name, default)
    if not isinstance(value, bool):
        raise loaded.invalid(f"{name} must be true or false")
    return value


def _choice(loaded: _Loaded, table: JsonObject, name: str, allowed: tuple[str, ...]) -> str:
    value = _text(loaded, table, name, allowed[0])
    if value not in allowed:
        raise loaded.invalid(f"{name} must be one of {', '.join(allowed)}")
    return value
