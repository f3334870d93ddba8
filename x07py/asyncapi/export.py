"""From ``arch/msg`` to AsyncAPI: topics are channels, profiles are servers, queues are bindings.

What AsyncAPI has no field for (limits, ids of secrets, budgets and policies, exchanges and their bindings) stands under
``x-x07``, so that `load_asyncapi` gives the same contracts back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.place import escaped
from x07py.asyncapi.reader import with_references
from x07py.asyncapi.schemas import SUFFIX
from x07py.contracts.loader import JsonObject, read_contract, read_object, resolve_inside
from x07py.contracts.messaging import read_topics, schema_paths
from x07py.contracts.profiles import TOPIC_INDEX, has_index, read_index
from x07py.drivers.amqp_contract import INDEX as AMQP_INDEX
from x07py.drivers.kafka_contract import INDEX as KAFKA_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from x07py.contracts.messaging import Topic

_HINT = "x07 arch check tells what is wrong with the contracts"


def _oauth(security: JsonObject) -> JsonObject:
    scopes = str(security.get("token_scope", "")).split()
    flow = {"tokenUrl": security.get("token_url", ""), "availableScopes": {scope: scope for scope in scopes}}
    if not flow["tokenUrl"]:
        return {"type": "http", "scheme": "bearer"}
    return {"type": "oauth2", "flows": {"clientCredentials": flow}, "scopes": scopes}


_SCHEMES: dict[str, Callable[[JsonObject], JsonObject]] = {
    "plain_v1": lambda _: {"type": "plain"},
    "scram_v1": lambda _: {"type": "scramSha512"},
    "scram_sha256_v1": lambda _: {"type": "scramSha256"},
    "oauthbearer_v1": _oauth,
}
"""By login of a Kafka profile, what AsyncAPI calls it."""


def asyncapi_document(root: Path, *, title: str, version: str) -> JsonObject:
    """Return the AsyncAPI 3.0.0 document of the contracts at `root`.

    Raises:
        ContractError: 9501 for the topic catalogue, 9701 and 9703 for Kafka's files, 9801, 9803 and 9844 for AMQP's,
            ``X07_CONTRACT_PATH`` for a path that leaves the project.
    """
    catalogue = read_contract(
        root / TOPIC_INDEX, root=root, code=9501, hint=f"list the project's topics in {TOPIC_INDEX}"
    )
    topologies = list(_documents(root, AMQP_INDEX, "topologies", "path", (9801, 9844)))
    servers, schemes = _servers(root)
    queues = {row["name"]: row for _, document in topologies for row in document.get("queues", [])}
    rows = {row["id"]: row for row in catalogue.get("topics", [])}
    channels = {topic.id: _channel(topic, rows[topic.id], queues.get(topic.id)) for topic in read_topics(root).values()}
    schemas = {
        _stem(path): _in_document(
            read_object(resolve_inside(root, path), root=root, code=9501, hint=_HINT), _stem(path)
        )
        for row in rows.values()
        for path in schema_paths(row)
    }
    operations = dict(_operations(rows.values()))
    document: JsonObject = {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version},
        "channels": channels,
    }
    if servers:
        document["servers"] = servers
    if operations:
        document["operations"] = operations
    components = {"securitySchemes": schemes, "schemas": schemas}
    if schemes or schemas:
        document["components"] = {name: table for name, table in components.items() if table}
    extension: JsonObject = {"rr_policy_id": catalogue.get("rr_policy_id", "")}
    if topologies:
        extension["topologies"] = [_extension(entry, found) for entry, found in topologies]
    return document | {"x-x07": extension}


def _documents(
    root: Path, index_path: str, collection: str, path_key: str, codes: tuple[int, int]
) -> Iterator[tuple[JsonObject, JsonObject]]:
    """Yield each entry of an index with its document; nothing if the project has no such index."""
    if not has_index(root, index_path):
        return
    for entry in read_index(root, index_path, codes[0], _HINT).get(collection, []):
        path = str(entry.get(path_key, ""))
        found = entry.get("document")
        yield entry, found or read_contract(resolve_inside(root, path), root=root, code=codes[1], hint=_HINT)


def _extension(entry: JsonObject, document: JsonObject) -> JsonObject:
    ids = {name: entry.get(name, "") for name in ("budget_profile_id", "rr_policy_id")}
    of_file = {"schema_version": document.get("schema_version"), "v": 1}
    kept = {key: value for key, value in document.items() if key not in of_file or value != of_file[key]}
    return {"document": kept, **ids}


def _servers(root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    servers: dict[str, Any] = {}
    schemes: dict[str, Any] = {}
    for entry, document in _documents(root, KAFKA_INDEX, "profiles", "profile_path", (9701, 9703)):
        security = document.get("security", {})
        name = f"kafka-{entry['id']}"
        protocol = "kafka-secure" if security.get("tls", True) else "kafka"
        servers[name] = {"host": document["bootstrap"][0], "protocol": protocol, "x-x07": _extension(entry, document)}
        scheme = _SCHEMES.get(security.get("sasl_mode", "none_v1"))
        if scheme is not None:
            schemes[name] = scheme(security)
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


def _channel(topic: Topic, row: JsonObject, queue: JsonObject | None) -> JsonObject:
    brands = {"key_brand": topic.key_brand, "value_brand": topic.value_brand, "max_value_bytes": topic.max_value_bytes}
    messages = {one["id"]: _message(one, brands) for one in row.get("messages", [])}
    channel: JsonObject = {
        "address": topic.id,
        "messages": messages or {"message": _message({"content_type": "application/octet-stream"}, brands)},
    }
    if "parameters" in row:
        channel["parameters"] = row["parameters"]
    if queue is not None:
        settings = {"name": queue["name"], "durable": queue.get("durable", True)}
        channel["bindings"] = {"amqp": {"is": "queue", "queue": settings, "bindingVersion": "0.3.0"}}
    return channel


def _message(said: JsonObject, brands: JsonObject) -> JsonObject:
    message: JsonObject = {
        "payload": {"type": "string", "format": "binary"},
        "bindings": {"kafka": {"key": {"type": "string", "format": "binary"}, "bindingVersion": "0.5.0"}},
        "x-x07": brands,
    }
    if "content_type" in said:
        message["contentType"] = said["content_type"]
    for part in ("payload", "headers"):
        if f"{part}_path" in said:
            message[part] = {"$ref": f"#/components/schemas/{_stem(said[f'{part}_path'])}"}
    return message


def _operations(rows: Iterable[JsonObject]) -> Iterator[tuple[str, JsonObject]]:
    for row in rows:
        for said in row.get("operations", []):
            operation: JsonObject = {"action": said["action"], "channel": _to_channel(row["id"])}
            reply = said.get("reply")
            if reply is not None:
                operation["reply"] = {"channel": _to_channel(reply["topic"])} if "topic" in reply else {}
                if "location" in reply:
                    operation["reply"]["address"] = {"location": reply["location"]}
            yield said["id"], operation


def _to_channel(topic: str) -> JsonObject:
    return {"$ref": f"#/channels/{escaped(topic)}"}


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(SUFFIX)


def _in_document(schema: JsonObject, stem: str) -> JsonObject:
    """Return a pinned schema as a component: its own references start at the document's top there."""
    place = f"#/components/schemas/{stem}"
    made: JsonObject = with_references(schema, lambda reference: place + reference.removeprefix("#"))
    return made
