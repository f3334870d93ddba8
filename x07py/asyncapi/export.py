"""From ``arch/msg`` to AsyncAPI: topics are channels, profiles are servers, queues are bindings.

What AsyncAPI has no field for (limits, ids of secrets, budgets and policies, exchanges and their bindings) stands under
``x-x07``, so that `load_asyncapi` gives the same contracts back. Who sends and who receives is not in the contracts, so
there are no operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.contracts.loader import JsonObject, read_object, resolve_inside
from x07py.contracts.messaging import AMQP_INDEX, KAFKA_INDEX, TOPIC_INDEX, read_topics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from x07py.contracts.messaging import Topic

_HINT = "x07 arch check tells what is wrong with the contracts"


def asyncapi_document(root: Path, *, title: str, version: str) -> JsonObject:
    """Return the AsyncAPI 3.0.0 document of the contracts at `root`.

    Raises:
        ContractError: 9501 for the topic catalogue, 9701 and 9703 for Kafka's files, 9801, 9803 and 9844 for AMQP's,
            ``X07_CONTRACT_PATH`` for a path that leaves the project.
    """
    catalogue = read_object(root / TOPIC_INDEX, code=9501, hint=f"list the project's topics in {TOPIC_INDEX}")
    topologies = list(_documents(root, AMQP_INDEX, "topologies", "path", (9801, 9844)))
    servers, schemes = _servers(root)
    queues = {row["name"]: row for _, document in topologies for row in document.get("queues", [])}
    channels = {topic.id: _channel(topic, queues.get(topic.id)) for topic in read_topics(root).values()}
    document: JsonObject = {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version},
        "defaultContentType": "application/octet-stream",
        "channels": channels,
    }
    if servers:
        document["servers"] = servers
    if schemes:
        document["components"] = {"securitySchemes": schemes}
    extension: JsonObject = {"rr_policy_id": catalogue.get("rr_policy_id", "")}
    if topologies:
        extension["topologies"] = [_extension(entry, found) for entry, found in topologies]
    return document | {"x-x07": extension}


def _documents(
    root: Path, index_path: str, collection: str, path_key: str, codes: tuple[int, int]
) -> Iterator[tuple[JsonObject, JsonObject]]:
    """Yield each entry of an index with its document; nothing if the project has no such index."""
    if not (root / index_path).is_file():
        return
    for entry in read_object(root / index_path, code=codes[0], hint=_HINT).get(collection, []):
        yield entry, read_object(resolve_inside(root, str(entry.get(path_key, ""))), code=codes[1], hint=_HINT)


def _extension(entry: JsonObject, document: JsonObject) -> JsonObject:
    ids = {name: entry.get(name, "") for name in ("budget_profile_id", "rr_policy_id")}
    return {"document": document, **ids}


def _servers(root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    servers: dict[str, Any] = {}
    schemes: dict[str, Any] = {}
    for entry, document in _documents(root, KAFKA_INDEX, "profiles", "profile_path", (9701, 9703)):
        security = document.get("security", {})
        name = f"kafka-{entry['id']}"
        protocol = "kafka-secure" if security.get("tls", True) else "kafka"
        servers[name] = {"host": document["bootstrap"][0], "protocol": protocol, "x-x07": _extension(entry, document)}
        scheme = {"plain_v1": "plain", "scram_v1": "scramSha256"}.get(security.get("sasl_mode", "none_v1"))
        if scheme:
            schemes[name] = {"type": scheme}
    for entry, document in _documents(root, AMQP_INDEX, "profiles", "path", (9801, 9803)):
        auth = document.get("auth", {})
        name = f"amqp-{entry['id']}"
        servers[name] = {
            "host": f"{document['host']}:{document['port']}",
            "pathname": "/" + document["vhost"].removeprefix("/"),
            "protocol": "amqps" if auth.get("tls") else "amqp",
            "x-x07": _extension(entry, document),
        }
        if auth.get("username_secret_id"):
            schemes[name] = {"type": "userPassword"}
    for name in schemes:
        servers[name]["security"] = [{"$ref": f"#/components/securitySchemes/{name}"}]
    return servers, schemes


def _channel(topic: Topic, queue: JsonObject | None) -> JsonObject:
    brands = {"key_brand": topic.key_brand, "value_brand": topic.value_brand, "max_value_bytes": topic.max_value_bytes}
    message = {
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary"},
        "bindings": {"kafka": {"key": {"type": "string", "format": "binary"}, "bindingVersion": "0.5.0"}},
        "x-x07": brands,
    }
    channel: JsonObject = {"address": topic.id, "messages": {"message": message}}
    if queue is not None:
        settings = {"name": queue["name"], "durable": queue.get("durable", True)}
        channel["bindings"] = {"amqp": {"is": "queue", "queue": settings, "bindingVersion": "0.3.0"}}
    return channel
