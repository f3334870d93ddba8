"""Documents of version 2 as version 3 would say them.

In version 2 channels are called by their addresses, ``publish`` is what others send to the application, and
``subscribe`` what it sends. References are followed here, so that parts in other files are of version 2 as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from x07py.arch.place import escaped
from x07py.asyncapi.reader import reference_of
from x07py.asyncapi.schemas import JSON_SCHEMA_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.asyncapi.reader import Reader
    from x07py.contracts.loader import JsonObject

_ACTIONS = {"publish": "receive", "subscribe": "send"}
_OF_SCHEMA = ("enum", "default", "examples", "description")
_SCHEME = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://")


def to_version_3(reader: Reader) -> None:
    """Let a reader's document say the same in version 3."""
    document = reader.document
    servers = reader.table(document, "servers")
    channels = reader.table(document, "channels")
    made: JsonObject = {key: value for key, value in document.items() if key not in {"servers", "channels"}}
    reader.document = made | {
        "asyncapi": "3.0.0",
        "servers": {name: _server(reader, name, reader.table(servers, name)) for name in servers},
        "channels": {},
        "operations": {},
    }
    for address in sorted(channels):
        _channel(reader, address, reader.table(channels, address))


def _server(reader: Reader, name: str, server: JsonObject) -> JsonObject:
    host, slash, path = _SCHEME.sub("", str(server.get("url", "")), count=1).partition("/")
    found = server | {"host": host, "security": list(_security(reader, name, server))}
    return found | ({"pathname": slash + path} if path else {})


def _security(reader: Reader, name: str, server: JsonObject) -> Iterator[JsonObject]:
    """Yield the schemes that a server asks for, with the scopes that it names."""
    schemes = reader.table(reader.table(reader.document, "components"), "securitySchemes")
    for asked in reader.rows(server, "security"):
        for scheme, scopes in asked.items() if isinstance(asked, dict) else ():
            found = reader.table(schemes, scheme)
            if found:
                yield found | ({"scopes": scopes} if isinstance(scopes, list) and scopes else {})
            else:
                reader.note(f"left out: security {scheme} of server {name}, which the document does not describe")


def _channel(reader: Reader, address: str, channel: JsonObject) -> None:
    place = f"{reader.name}#/channels/{escaped(address)}"
    made = channel | {"address": address, "messages": {}, "parameters": _parameters(reader, channel)}
    made["servers"] = [{"$ref": f"{reader.name}#/servers/{escaped(name)}"} for name in reader.rows(channel, "servers")]
    reader.document["channels"][address] = made
    for word, action in _ACTIONS.items():
        operation = _with_traits(reader, reader.table(channel, word))
        if not operation:
            continue
        name = str(operation.get("operationId") or f"{word}.{address}")
        for key, message in _messages(reader, name, operation):
            made["messages"][key] = message
        kept = {key: operation[key] for key in ("security", "bindings") if key in operation}
        reader.document["operations"][name] = kept | {"action": action, "channel": {"$ref": place}}


def _with_traits(reader: Reader, operation: JsonObject) -> JsonObject:
    """Return an operation with what its traits add; its own words win."""
    made: JsonObject = {}
    for trait in reader.rows(operation, "traits"):
        made |= trait if isinstance(trait, dict) else {}
    return made | operation


def _parameters(reader: Reader, channel: JsonObject) -> JsonObject:
    """Return parameters with the values of their schemas, which version 3 has beside their description."""
    declared = reader.table(channel, "parameters")
    made: JsonObject = {}
    for name in declared:
        rule = reader.table(declared, name)
        schema = reader.table(rule, "schema")
        said = {key: schema[key] for key in _OF_SCHEMA if key in schema}
        if said.keys() != schema.keys() - {"type"}:
            more = ", ".join(sorted(schema.keys() - {"type", *_OF_SCHEMA}))
            reader.note(f"left out: what parameter {name} may be besides its values ({more})")
        made[name] = said | {key: value for key, value in rule.items() if key != "schema"}
    return made


def _messages(reader: Reader, operation: str, owner: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    given: Any = owner.get("message")
    found = reader.follow(given)
    choices = found["oneOf"] if isinstance(found, dict) and isinstance(found.get("oneOf"), list) else [given]
    for number, choice in enumerate(choices):
        message = reader.follow(choice)
        if not isinstance(message, dict):
            continue
        last = (reference_of(choice) or "").rpartition("/")[2]
        own = message.get("messageId") or message.get("name") or last
        name = str(own or (f"{operation}.{number + 1}" if len(choices) > 1 else operation))
        yield name, _message(message)


def _message(message: JsonObject) -> JsonObject:
    """Return a message whose payload says the format of its schema, if that is another than JSON Schema."""
    form = message.get("schemaFormat")
    if not isinstance(form, str) or JSON_SCHEMA_FORMATS.fullmatch(form) or "payload" not in message:
        return message
    return message | {"payload": {"schemaFormat": form, "schema": message["payload"]}}
