"""Values of confluent-kafka as JSON and back: messages, errors, offsets, cluster metadata.

Results of administration are plain objects of confluent-kafka's own classes; those of `kafka_objects` are written as
name and fields and made again by that table. A cassette is data: nothing else can be in it, whatever it says.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition, Uuid

from x07py.drivers.base import canonical_json
from x07py.errors import CassetteError
from x07py.msg import from_native, to_native
from x07py.testing.kafka_objects import ENUMS, KINDS
from x07py.wire.decoding import decoding, misshapen
from x07py.wire.tape import LIBRARY_ERROR

if TYPE_CHECKING:
    from x07py.drivers.base import Json
    from x07py.msg import Envelope


class FailedPartition(TopicPartition):
    """A partition with the error of a recorded answer; confluent-kafka's own constructor takes none."""

    def __init__(self, *args: Any, error: KafkaError, **options: Any) -> None:
        super().__init__(*args, **options)
        self._error = error

    @property
    def error(self) -> KafkaError:  # type: ignore[override]  # the client's cannot be written either
        """The error."""
        return self._error

    def __repr__(self) -> str:
        return f"{super().__repr__().removesuffix('error=None}')}error={self._error}}}"

    __str__ = __repr__


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
        return KafkaException(load_error(data))


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
        return {"$partition": [*fields, *([dump(value.error)] if value.error is not None else [])]}
    if isinstance(value, Uuid):
        bits: Any = value
        return {"$uuid": [bits.get_most_significant_bits(), bits.get_least_significant_bits()]}
    name = type(value).__name__
    if type(value) is ENUMS.get(name):
        return {"$enum": name, "name": value.name}
    if name in KINDS and type(value) is KINDS[name].made:
        return {"$object": name, "fields": {key: dump(item) for key, item in KINDS[name].read(value).items()}}
    raise CassetteError(2071, f"a {name} has no form in a cassette", hint="report the call that returned it")


def load(data: Json) -> Any:
    """Return the value that `dump` was given.

    Raises:
        CassetteError: 2071 for a form or a class that is not in the table, 2072 for one that does not hold what it
            says.
    """
    with decoding("a value of confluent-kafka"):
        return _load(data)


def load_error(data: Json) -> KafkaError:
    """Return the error that `dump` was given.

    Raises:
        CassetteError: 2072 if it is none.
    """
    error = load(data)
    if not isinstance(error, KafkaError):
        raise misshapen(f"a {type(error).__name__} where an error belongs")
    return error


def load_partitions(data: Json) -> list[TopicPartition]:
    """Return the partitions that `dump` was given.

    Raises:
        CassetteError: 2072 if they are none.
    """
    partitions = load(data)
    if not isinstance(partitions, list) or not all(isinstance(one, TopicPartition) for one in partitions):
        raise misshapen(f"a {type(partitions).__name__} where partitions belong")
    return partitions


def _load(data: Json) -> Any:
    if isinstance(data, list):
        return [_load(item) for item in data]
    if not isinstance(data, dict):
        return data
    match data:
        case {"$bytes": str(text), **rest} if not rest:
            return base64.b64decode(text, validate=True)
        case {"$map": list(pairs), **rest} if not rest:
            return {_load(key): _load(item) for key, item in pairs}
        case {"$error": list(args), **rest} if not rest:
            return _error(args)
        case {"$exception": list(args), **rest} if not rest:
            return KafkaException(_error(args))
        case {"$partition": list(fields), **rest} if not rest:
            return _partition(fields)
        case {"$uuid": [int(most), int(least)], **rest} if not rest:
            return Uuid(most, least)
        case {"$enum": str(kind), "name": str(name), **rest} if not rest and kind in ENUMS:
            return ENUMS[kind].__members__[name]
        case {"$object": str(kind), "fields": dict(fields), **rest} if not rest and kind in KINDS:
            return KINDS[kind].build({name: _load(item) for name, item in fields.items()})
    name = str(data.get("$object") or data.get("$enum") or " ".join(map(str, data)))
    raise CassetteError(
        2071,
        f"the cassette holds {name[:80]!r}, which is not a value that a cassette can hold",
        hint="nothing was made of it: record again, and review where the cassette comes from",
    )


def _partition(fields: list[Json]) -> TopicPartition:
    match fields:
        case [str(topic), int(partition), int(offset), str() | None as text, int() | None as epoch, *error]:
            further: Any = {"metadata": text, "leader_epoch": epoch}
            given = {name: value for name, value in further.items() if value is not None}
            if not error:
                return TopicPartition(topic, partition, offset, **given)
            if len(error) == 1:
                return FailedPartition(topic, partition, offset, error=load_error(error[0]), **given)
    raise misshapen("a partition with other fields")


def _error(args: list[Json]) -> KafkaError:
    code, text, fatal, retriable, abort = args
    if type(code) is not int or type(text) is not str or {type(fatal), type(retriable), type(abort)} != {bool}:
        raise misshapen("an error with arguments of other types")
    return KafkaError(code, text, fatal, retriable, abort)


def dump_error(error: KafkaError) -> list[Json]:
    """Return the arguments of the constructor that make this error."""
    return [error.code(), error.str(), error.fatal(), error.retriable(), error.txn_requires_abort()]


def to_bytes(value: str | bytes | None) -> bytes | None:
    """Return a key, value or header value as confluent-kafka sends it."""
    return value.encode() if isinstance(value, str) else None if value is None else bytes(value)


def envelope_of(topic: str, key: Any, value: Any, headers: Any) -> Envelope:
    """Return the envelope of a message as a program gives it to `produce`."""
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    return from_native(topic, to_bytes(key), to_bytes(value), [(name, to_bytes(text)) for name, text in pairs])


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
        "latency": message.latency(),
    }
    return {name: value for name, value in meta.items() if value is not None}


def message_of(envelope: Envelope, meta: Json, *, error: KafkaError | None = None, headers: bool = True) -> Message:
    """Return the message that a program sees.

    Raises:
        CassetteError: 2072 if what the broker said has other types.
    """
    key, value, native = to_native(envelope)
    pairs: list[tuple[str, str | bytes | None]] = [*native]
    with decoding("the metadata of a message"):
        return Message(
            topic=meta.get("topic", envelope.topic),
            partition=meta.get("partition", -1),
            offset=meta.get("offset", -1001),
            key=key,
            value=value,
            headers=pairs if headers and pairs else None,
            error=error,
            timestamp=(meta.get("timestamp_type", 0), meta.get("timestamp", 0)),
            **{name: meta[name] for name in ("leader_epoch", "latency") if name in meta},
        )


def failed_message(error: KafkaError, meta: dict[str, Json], text: Json) -> Message:
    """Return the message that tells a consumer of an error.

    Args:
        error: what it tells of.
        meta: topic, partition and offset.
        text: its value, as `dump` gave it: librdkafka puts the words of the error there.

    Raises:
        CassetteError: 2072 if what the broker said has other types.
    """
    with decoding("the metadata of an error"):
        return Message(
            topic=meta.get("topic"),
            partition=meta.get("partition", -1),
            offset=meta.get("offset", -1001),
            value=_load(text),
            error=error,
            timestamp=(meta.get("timestamp_type", 0), meta.get("timestamp", -1)),
        )
