"""The brokers' protocols: how a client of each begins, so that none passes by unseen, and which have stand-ins."""

from __future__ import annotations

import struct
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import NotInstalledError
from x07py.wire.http.greeting import is_registry_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.stand_in import StandIn

KAFKA = "Kafka"
"""What people call Kafka's protocol."""
AMQP = "AMQP 0-9-1"
"""What people call RabbitMQ's protocol."""
_AMQP = b"AMQP"
_KAFKA = struct.Struct(">ihhIh")
_KAFKA_LARGEST, _KAFKA_LAST_KEY, _KAFKA_LAST_VERSION = 2**27, 100, 30
_KAFKA_LAST_CORRELATION, _KAFKA_LONGEST_NAME = 2**24, 4096
_MQTT_CONNECT = 0x10
_STOMP = (b"CONNECT\n", b"STOMP\n")


class Protocol(NamedTuple):
    """One protocol of a broker.

    Args:
        name: what people call it.
        begins: whether a client that begins with some bytes speaks it; None if that takes more of them.
        stand_in: module and class of its stand-in; empty if there is none, and its clients are refused by its name.
        ops: what the names of its operations in a cassette begin with.
    """

    name: str
    begins: Callable[[bytes], bool | None]
    stand_in: str = ""
    ops: bytes = b""

    def load(self) -> StandIn | None:
        """Return the protocol's stand-in; what serves a connection is loaded with it.

        Raises:
            NotInstalledError: 9625 if a distribution that it needs is not installed.
        """
        module, _, kind = self.stand_in.partition(":")
        if not kind or self.name in SWITCHED_OFF:
            return None
        try:
            made: StandIn = getattr(import_module(module), kind)()
        except ModuleNotFoundError as error:
            raise NotInstalledError(
                9625,
                f"a client speaks {self.name}, and its stand-in needs {error.name}, which is not installed",
                hint="pip install 'x07py[wire]'",
            ) from None
        return made


def _starts(first: bytes, *prefixes: bytes) -> bool | None:
    if any(first.startswith(prefix) for prefix in prefixes):
        return True
    return None if any(prefix.startswith(first) for prefix in prefixes) else False


def _is_kafka(first: bytes) -> bool | None:
    """Tell whether a request of Kafka begins: of a known kind, with a small correlation id and the name of a client.

    PostgreSQL's first message has a length and a version that could be a request's; its correlation id would be huge.
    """
    if len(first) < _KAFKA.size:
        return None if first[:1] in (b"", b"\0") else False
    size, key, version, correlation, name = _KAFKA.unpack_from(first)
    return bool(
        _KAFKA.size - 4 <= size <= _KAFKA_LARGEST
        and 0 <= key <= _KAFKA_LAST_KEY
        and 0 <= version <= _KAFKA_LAST_VERSION
        and correlation < _KAFKA_LAST_CORRELATION
        and -1 <= name <= min(_KAFKA_LONGEST_NAME, size)
    )


def _is_amqp(first: bytes) -> bool | None:
    return _starts(first, _AMQP + b"\0\0\x09\1")


def _is_mqtt(first: bytes) -> bool | None:
    if first and first[0] != _MQTT_CONNECT:
        return False
    rest = first[1:].lstrip(b"\x80\xff")[1:] if len(first) > 1 else b""
    return _starts(rest, b"\0\4MQTT", b"\0\6MQIsdp")


PROTOCOLS = (
    Protocol(AMQP, _is_amqp, "x07py.wire.amqp.stand_in:AmqpStandIn", b"std.msg.amqp."),
    Protocol("AMQP 1.0", lambda first: _starts(first, _AMQP + b"\0\1\0\0", _AMQP + b"\3\1\0\0")),
    Protocol(KAFKA, _is_kafka, "x07py.wire.kafka.stand_in:KafkaStandIn", b"std.msg.kafka."),
    Protocol("MQTT", _is_mqtt),
    Protocol("STOMP", lambda first: _starts(first, *_STOMP)),
    Protocol("Schema Registry", is_registry_client, "x07py.wire.http.stand_in:RegistryStandIn", b"schema_registry."),
)
SWITCHED_OFF: set[str] = set()
"""Names of protocols whose stand-ins are not used: a client of them is refused, as of any that has none."""


def protocol_of(first: bytes) -> Protocol | None:
    """Return the protocol of a client that begins with some bytes, or None."""
    return next((one for one in PROTOCOLS if one.begins(first)), None) if first else None


def is_open(first: bytes) -> bool:
    """Tell whether more bytes are needed to know the protocol."""
    answers = [one.begins(first) for one in PROTOCOLS]
    return True not in answers and None in answers
