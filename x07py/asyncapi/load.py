"""From AsyncAPI 3 to contracts: what a document says, and sizes, policies and budgets of the example for the rest."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from x07py.contracts.loader import parse_json
from x07py.contracts.starter import (
    MAX_VALUE_BYTES,
    RR_POLICY,
    Starter,
    StarterProfile,
    starter_profile,
    starter_topology,
    topic_row,
)
from x07py.errors import FileError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.contracts.loader import JsonObject

_PROTOCOLS = {"kafka": "kafka", "kafka-secure": "kafka", "amqp": "amqp", "amqps": "amqp"}
_SASL = {"plain": "plain_v1", "userPassword": "plain_v1", "scramSha256": "scram_v1"}
_PORTS = {"kafka": 9092, "kafka-secure": 9093, "amqp": 5672, "amqps": 5671}


@dataclass(slots=True)
class _Reader:
    """A document with the notes about what could not be taken from it."""

    document: JsonObject
    notes: list[str] = field(default_factory=list)

    def table(self, owner: Any, name: str) -> dict[str, Any]:
        """Return a table below `owner`, references followed; an empty one if it is not there."""
        value = self.follow(owner.get(name)) if isinstance(owner, dict) else None
        return value if isinstance(value, dict) else {}

    def follow(self, value: Any) -> Any:
        """Return what a reference inside the document means; None, with a note, for one that leads elsewhere."""
        seen: set[str] = set()
        while isinstance(value, dict) and isinstance(value.get("$ref"), str):
            reference: str = value["$ref"]
            if not reference.startswith("#/") or reference in seen:
                self.notes.append(f"left out: {reference} does not lead to a place in the document")
                return None
            seen.add(reference)
            value = self.document
            for part in reference[2:].split("/"):
                value = value.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
        return value


def load_asyncapi(path: Path) -> tuple[Starter, list[str]]:
    """Return what contracts a document asks for, and notes about what it holds and contracts cannot say.

    Raises:
        FileError: ``X07IO_READ``.
        UsageError: ``X07_ASYNCAPI_PARSE`` if it is neither JSON nor YAML with an object, ``X07_ASYNCAPI_VERSION`` for
            another version than 3, ``X07_ASYNCAPI_EMPTY`` if no channel can become a topic.
    """
    document = _parse(path)
    version = str(document.get("asyncapi", ""))
    if not version.startswith("3."):
        raise UsageError(
            "X07_ASYNCAPI_VERSION",
            f"the document says asyncapi {version or 'nothing'}, and version 3 is needed",
            where=str(path),
            hint="convert it with the AsyncAPI command line: asyncapi convert FILE --target-version=3.0.0",
        )
    reader = _Reader(document)
    topics, queues, exchanges = _topics(reader)
    if not topics:
        raise UsageError(
            "X07_ASYNCAPI_EMPTY",
            "no channel of the document can become a topic" + "".join(f"; {note}" for note in reader.notes[:3]),
            where=str(path),
            hint="give the channels addresses without parameters",
        )
    profiles = _profiles(reader)
    extension = reader.table(document, "x-x07")
    rows = extension.get("topologies")
    topologies = [_kept(row) for row in rows] if isinstance(rows, list) else []
    if profiles["amqp"] and not topologies:
        made = starter_topology("app_v1", queues or [row["id"] for row in topics])
        made.document["exchanges"] = exchanges
        topologies = [made]
    starter = Starter(
        tuple(topics),
        tuple(profiles["kafka"]),
        tuple(profiles["amqp"]),
        tuple(topologies),
        str(extension.get("rr_policy_id") or RR_POLICY),
    )
    return starter, reader.notes


def _parse(path: Path) -> JsonObject:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(
            "X07IO_READ", f"cannot read: {error.strerror}", where=str(path), hint="check the path"
        ) from None
    try:
        document = parse_json(data) if data.lstrip()[:1] == b"{" else _yaml(data, path)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, str(error)) from None
    if not isinstance(document, dict):
        raise _unreadable(path, "it holds no object")
    return document


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(
        "X07_ASYNCAPI_PARSE", f"not an AsyncAPI document: {why}", where=str(path), hint="give a JSON or YAML file"
    )


def _yaml(data: bytes, path: Path) -> Any:
    try:
        yaml = import_module("yaml")
    except ImportError:
        raise _unreadable(path, "YAML needs the distribution PyYAML: pip install 'x07py[asyncapi]'") from None
    try:
        return json.loads(json.dumps(yaml.safe_load(data), default=str))
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _topics(reader: _Reader) -> tuple[list[JsonObject], list[str], list[JsonObject]]:
    """Return topic rows, names of queues, and exchanges."""
    topics: dict[str, JsonObject] = {}
    queues: list[str] = []
    exchanges: dict[str, JsonObject] = {}
    for name in reader.table(reader.document, "channels"):
        channel = reader.table(reader.document["channels"], name)
        address = channel.get("address")
        if not isinstance(address, str) or not address or "{" in address:
            reader.notes.append(f"left out: channel {name} has no address without parameters")
            continue
        topics.setdefault(address, _row(reader, address, channel))
        binding = reader.table(reader.table(channel, "bindings"), "amqp")
        queue, exchange = reader.table(binding, "queue"), reader.table(binding, "exchange")
        if queue.get("name"):
            queues.append(str(queue["name"]))
        if exchange.get("name") and exchange.get("type") in {"direct", "topic", "fanout", "headers"}:
            durable = bool(exchange.get("durable", True))
            row = {"name": exchange["name"], "type": exchange["type"], "durable": durable}
            exchanges.setdefault(str(exchange["name"]), row)
    return list(topics.values()), sorted(set(queues)), list(exchanges.values())


def _row(reader: _Reader, address: str, channel: JsonObject) -> JsonObject:
    row = topic_row(address)
    messages = reader.table(channel, "messages")
    limits = []
    for name in messages:
        message = reader.table(messages, name)
        row |= {key: value for key, value in reader.table(message, "x-x07").items() if key in row}
        limits.append(reader.table(message, "payload").get("maxLength"))
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit <= 2**30]
    if known and row["max_value_bytes"] == MAX_VALUE_BYTES:
        row["max_value_bytes"] = max(known)
    return row


def _profiles(reader: _Reader) -> dict[str, list[StarterProfile]]:
    found: dict[str, list[StarterProfile]] = {"kafka": [], "amqp": []}
    for name in reader.table(reader.document, "servers"):
        server = reader.table(reader.document["servers"], name)
        kind = _PROTOCOLS.get(str(server.get("protocol")))
        host = str(server.get("host", ""))
        if kind is None or not host or "{" in host:
            reader.notes.append(f"left out: server {name}, {server.get('protocol')} at {host or 'no host'}")
            continue
        kept = reader.table(server, "x-x07")
        profile = _kept(kept) if kept else starter_profile(kind, re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-"))
        _address(reader, kind, profile.document, server, known=bool(kept))
        found[kind].append(profile)
    return found


def _kept(extension: JsonObject) -> StarterProfile:
    document = extension.get("document")
    return StarterProfile(
        dict(document) if isinstance(document, dict) else {},
        str(extension.get("budget_profile_id", "")),
        str(extension.get("rr_policy_id", "")),
    )


def _address(reader: _Reader, kind: str, profile: JsonObject, server: JsonObject, *, known: bool) -> None:
    """Put a server's address into a profile, and what it says of security where the profile is not one of ours."""
    host, colon, port = str(server["host"]).rpartition(":")
    if not colon or not port.isdigit():
        host, port = str(server["host"]), str(_PORTS[server["protocol"]])
    secure = str(server["protocol"]) in {"kafka-secure", "amqps"}
    if kind == "kafka":
        profile["bootstrap"] = [f"{host}:{port}", *profile.get("bootstrap", [])[1:]]
    else:
        path = str(server.get("pathname", "/"))
        profile |= {"host": host, "port": int(port), "vhost": "/" if path in {"", "/"} else path.removeprefix("/")}
    if known:
        return
    schemes = server.get("security", [])
    types = [(reader.follow(row) or {}).get("type") for row in schemes] if isinstance(schemes, list) else []
    if kind == "kafka":
        mode = next((_SASL[name] for name in types if name in _SASL), "none_v1")
        ids = ("", "") if mode == "none_v1" else (f"{profile['id']}_username", f"{profile['id']}_password")
        profile["security"] |= {"tls": secure, "sasl_mode": mode}
        profile["security"] |= {"username_secret_id": ids[0], "password_secret_id": ids[1]}
    elif secure:
        profile["auth"]["tls"] = True
