"""Values of confluent-kafka as JSON and back: messages, errors, offsets, cluster metadata.

Results of administration are plain objects of confluent-kafka's own classes; they are written as class name and fields,
and read back into the installed version's class of that name. Only classes of confluent_kafka are ever looked up.
"""

from __future__ import annotations

import base64
import importlib
from enum import Enum
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from x07py.drivers.base import canonical_json
from x07py.errors import CassetteError
from x07py.msg import from_kafka, to_kafka
from x07py.testing.tape import LIBRARY_ERROR

if TYPE_CHECKING:
    from x07py.drivers.base import Json
    from x07py.msg import Envelope

_PACKAGE = "confluent_kafka"


class KafkaCodec:
    """Results and errors of confluent-kafka."""

    errors: tuple[type[Exception], ...] = (KafkaException,)
    err = LIBRARY_ERROR

    def dump(self, result: Any) -> Json:
        """Return a result as JSON."""
        return dump(result)

    def dump_error(self, error: Any) -> Json:
        """Return the `KafkaError` in an exception as JSON."""
        return dump(error.args[0])

    def dump_error_bytes(self, error: KafkaError) -> bytes:
        """Return an error as canonical JSON."""
        return canonical_json(dump(error))

    def load(self, data: Json) -> Any:
        """Return the result that `dump` was given."""
        return load(data)

    def load_error(self, data: Json) -> Exception:
        """Return the exception that `dump_error` was given."""
        return KafkaException(load(data))


CODEC = KafkaCodec()


def dump(value: Any) -> Json:
    """Return a value of confluent-kafka as JSON.

    Raises:
        CassetteError: 2071 for a value that has no form in a cassette.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, list | tuple | set | frozenset):
        return [dump(item) for item in value]
    if isinstance(value, dict):
        return {"$map": [[dump(key), dump(item)] for key, item in value.items()]}
    if isinstance(value, KafkaError):
        return {"$error": dump_error(value)}
    if isinstance(value, KafkaException):
        return {"$exception": dump_error(value.args[0])}
    if isinstance(value, TopicPartition):
        fields = [value.topic, value.partition, value.offset, value.metadata, value.leader_epoch]
        return {"$partition": fields}
    kind = type(value)
    if kind.__module__.partition(".")[0] == _PACKAGE:
        name = f"{kind.__module__}:{kind.__qualname__}"
        if isinstance(value, Enum):
            return {"$enum": name, "name": value.name}
        return {"$object": name, "fields": {key: dump(item) for key, item in vars(value).items()}}
    raise CassetteError(2071, f"a {kind.__name__} has no form in a cassette", hint="report the call that returned it")


def load(data: Json) -> Any:
    """Return the value that `dump` was given.

    Raises:
        CassetteError: 2071 for a form that this version does not know.
    """
    if isinstance(data, list):
        return [load(item) for item in data]
    if not isinstance(data, dict):
        return data
    if "$bytes" in data:
        return base64.b64decode(data["$bytes"])
    if "$map" in data:
        return {load(key): load(item) for key, item in data["$map"]}
    if "$error" in data:
        return KafkaError(*data["$error"])
    if "$exception" in data:
        return KafkaException(KafkaError(*data["$exception"]))
    if "$partition" in data:
        topic, partition, offset, metadata, epoch = data["$partition"]
        extra = {} if epoch is None else {"leader_epoch": epoch}
        return TopicPartition(topic, partition, offset, **({} if metadata is None else {"metadata": metadata}), **extra)
    return _load_object(data)


def _load_object(data: Json) -> Any:
    name = data.get("$object") or data.get("$enum") or ""
    module, _, path = name.partition(":")
    try:
        if module.partition(".")[0] != _PACKAGE:
            raise ImportError(name)
        kind: Any = importlib.import_module(module)
        for part in path.split("."):
            kind = getattr(kind, part)
    except (ImportError, AttributeError):
        raise CassetteError(
            2071,
            f"the cassette holds a {name!r}, which the installed confluent-kafka does not have",
            hint="install the version that recorded it, or record again",
        ) from None
    if "$enum" in data:
        return kind[data["name"]]
    value = object.__new__(kind)
    value.__dict__.update({key: load(item) for key, item in data["fields"].items()})
    return value


def dump_error(error: KafkaError) -> list[Json]:
    """Return the arguments of the constructor that make this error."""
    return [error.code(), error.str(), error.fatal(), error.retriable(), error.txn_requires_abort()]


def to_bytes(value: str | bytes | None) -> bytes | None:
    """Return a key, value or header value as confluent-kafka sends it."""
    return value.encode() if isinstance(value, str) else None if value is None else bytes(value)


def envelope_of(topic: str, key: Any, value: Any, headers: Any) -> Envelope:
    """Return the envelope of a message as a program gives it to `produce`."""
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    return from_kafka(topic, to_bytes(key), to_bytes(value), [(name, to_bytes(text)) for name, text in pairs])


def meta_of(message: Message) -> dict[str, Json]:
    """Return what the broker said about a message."""
    kind, milliseconds = message.timestamp()
    meta = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp_type": kind,
        "timestamp": milliseconds,
        "leader_epoch": message.leader_epoch(),
    }
    return {name: value for name, value in meta.items() if value is not None}


def message_of(envelope: Envelope, meta: Json, *, error: KafkaError | None = None, headers: bool = True) -> Message:
    """Return the message that a program sees."""
    key, value, native = to_kafka(envelope)
    pairs: list[tuple[str, str | bytes | None]] = [*native]
    return Message(
        topic=meta.get("topic", envelope.topic),
        partition=meta.get("partition", -1),
        offset=meta.get("offset", -1001),
        key=key,
        value=value,
        headers=pairs if headers and pairs else None,
        error=error,
        timestamp=(meta.get("timestamp_type", 0), meta.get("timestamp", 0)),
        **({"leader_epoch": meta["leader_epoch"]} if "leader_epoch" in meta else {}),
    )
