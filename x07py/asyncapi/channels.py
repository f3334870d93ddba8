"""Channels become rows of the topic catalogue, and their AMQP bindings queues and exchanges."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from x07py.arch.place import escaped
from x07py.asyncapi.reader import reference_of
from x07py.contracts.starter import topic_row

_BRANDS = ("key_brand", "value_brand", "max_value_bytes")
_USUAL_BYTES = 1_048_576
"""What is meant where nothing is said, so that a message may say less."""

if TYPE_CHECKING:
    from x07py.asyncapi.reader import Reader
    from x07py.asyncapi.schemas import Pinned
    from x07py.contracts.loader import JsonObject

_PARAMETER = re.compile(r"\{([^{}]+)\}")
_OF_PARAMETER = ("enum", "default", "description", "examples", "location")
_EXCHANGES = {"direct", "topic", "fanout", "headers"}
_BYTES = "application/octet-stream"
_OPAQUE = {"type": "string", "format": "binary"}
"""The content type and the payload that `asyncapi_document` writes where nothing is known of a message."""


@dataclass(slots=True)
class Channels:
    """What channels and operations of a document say.

    Args:
        topics: rows of the catalogue by id.
        queues: by name, whether they are durable.
        exchanges: rows by name.
    """

    reader: Reader
    pinned: Pinned
    topics: dict[str, JsonObject] = field(default_factory=dict)
    queues: dict[str, bool] = field(default_factory=dict)
    exchanges: dict[str, JsonObject] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)

    def read(self) -> None:
        """Read all channels, then the operations on them."""
        for name in sorted(self.reader.table(self.reader.document, "channels")):
            self._channel(name, self.reader.table(self.reader.document["channels"], name))
        for name in sorted(self.reader.table(self.reader.document, "operations")):
            self._operation(name, self.reader.table(self.reader.document["operations"], name))
        for row in self.topics.values():
            row.get("messages", []).sort(key=lambda said: json.dumps(said, sort_keys=True))

    def _channel(self, name: str, channel: JsonObject) -> None:
        address = channel.get("address")
        if not isinstance(address, str) or not 1 <= len(address) <= 256:
            why = "is known at run time only" if address is None and channel else "is no text of 1 to 256 characters"
            self.reader.note(f"left out: channel {name}, whose address {why}")
            return
        self._ids[f"{self.reader.name}#/channels/{escaped(name)}"] = address
        row = self.topics.get(address)
        if row is None:
            row = self.topics[address] = topic_row(address)
            parameters = self._parameters(address, channel)
            if parameters:
                row["parameters"] = parameters
        self._messages(name, channel, row)
        self._bindings(address, channel)
        places = self.reader.rows(channel, "servers")
        if places and len(places) < len(self.reader.table(self.reader.document, "servers")):
            servers = ", ".join(str(reference_of(one)).rpartition("/")[2] for one in channel["servers"])
            self.reader.note(f"left out: that channel {name} is on some servers only ({servers})")

    def _parameters(self, address: str, channel: JsonObject) -> JsonObject:
        declared = self.reader.table(channel, "parameters")
        made: JsonObject = {}
        for name in _PARAMETER.findall(address):
            rule = self.reader.table(declared, name)
            known = {key: rule[key] for key in _OF_PARAMETER if key in rule}
            for key in ("enum", "examples"):
                if key in known:
                    known[key] = [str(one) for one in known[key] if str(one)] if isinstance(known[key], list) else []
            if not known.get("enum"):
                known.pop("enum", None)
            made[name] = {key: one if isinstance(one, list) else str(one) for key, one in known.items()}
        return made

    def _messages(self, channel_name: str, channel: JsonObject, row: JsonObject) -> None:
        messages = self.reader.table(channel, "messages")
        limits = []
        for name in sorted(messages):
            message = self._with_traits(self.reader.table(messages, name))
            row |= {key: one for key, one in self.reader.table(message, "x-x07").items() if key in _BRANDS}
            limits.append(self.reader.table(message, "payload").get("maxLength"))
            said = self._message(name, message, f"message {name} of channel {channel_name}")
            if said:
                _add(row.setdefault("messages", []), said, channel_name)
        known = [limit for limit in limits if type(limit) is int and 0 < limit <= 2**30]
        if known and row.get("max_value_bytes", _USUAL_BYTES) == _USUAL_BYTES:
            row["max_value_bytes"] = max(known)

    def _message(self, name: str, message: JsonObject, what: str) -> JsonObject | None:
        """Return what the catalogue says of a kind of message; None if that is nothing."""
        said: JsonObject = {"id": name[:256]}
        kind = message.get("contentType", self.reader.document.get("defaultContentType"))
        if isinstance(kind, str) and kind:
            said["content_type"] = kind
        payload = message.get("payload")
        opaque = self.reader.follow(payload) in (None, _OPAQUE)
        for part, given in (("payload", None if opaque else payload), ("headers", message.get("headers"))):
            if given is not None:
                path = self.pinned.pin(given, f"{name}_{part}", f"the {part} of {what}")
                if path is not None:
                    said[f"{part}_path"] = path
        unknown = opaque and "headers_path" not in said and kind in {None, _BYTES}
        return None if unknown and name == "message" else said

    def _with_traits(self, message: JsonObject) -> JsonObject:
        """Return a message with what its traits add; its own words win."""
        made: JsonObject = {}
        for trait in self.reader.rows(message, "traits"):
            made = _merged(made, trait) if isinstance(trait, dict) else made
        return _merged(made, message) if made else message

    def _bindings(self, address: str, channel: JsonObject) -> None:
        binding = self.reader.table(self.reader.table(channel, "bindings"), "amqp")
        queue, exchange = self.reader.table(binding, "queue"), self.reader.table(binding, "exchange")
        name = str(queue.get("name") or (address if binding.get("is") == "queue" else ""))
        if name and (queue.get("exclusive") or "{" in name):
            self.reader.note(f"left out: queue {name}, which is made at run time")
        elif name:
            self.queues.setdefault(name, bool(queue.get("durable", True)))
        if exchange.get("name") and exchange.get("type") in _EXCHANGES:
            durable = bool(exchange.get("durable", True))
            row = {"name": str(exchange["name"]), "type": exchange["type"], "durable": durable}
            self.exchanges.setdefault(row["name"], row)

    def _operation(self, name: str, operation: JsonObject) -> None:
        address = self._ids.get(reference_of(operation.get("channel")) or "")
        action = operation.get("action")
        if address is None or action not in {"send", "receive"}:
            self.reader.note(f"left out: operation {name}, which is on no channel that was taken")
            return
        said: JsonObject = {"id": name[:256], "action": action}
        reply = self.reader.table(operation, "reply")
        if reply:
            topic = self._ids.get(reference_of(reply.get("channel")) or "")
            location = self.reader.table(reply, "address").get("location")
            answer = {"topic": topic, "location": location if isinstance(location, str) else None}
            said["reply"] = {key: one for key, one in answer.items() if one is not None}
        if operation.get("security"):
            self.reader.note(f"left out: the security of operation {name}; contracts have that of servers")
        self.topics[address].setdefault("operations", []).append(said)


def _add(rows: list[JsonObject], said: JsonObject, channel: str) -> None:
    """Add a kind of message, once; another one of the same name gets that of its channel before its own."""
    if said in rows:
        return
    if any(row["id"] == said["id"] for row in rows):
        said = said | {"id": f"{channel}.{said['id']}"[:256]}
    rows.append(said)


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict) or reference_of(above) or reference_of(below):
        return above
    return {**below, **{key: _merged(below.get(key), one) for key, one in above.items()}}
