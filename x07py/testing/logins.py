"""Clients of Kafka that log in by a proof and not by the password itself: the guard learns what they were given.

On the wire, SCRAM shows neither the password nor anything that it could be looked for by. So the constructors of their
connections say what they were told; nothing else about them changes. Clients of AMQP send their password, which the
wire learns there.
"""

from __future__ import annotations

import sys
from typing import Any

from x07py.rr.known_secrets import register_settings
from x07py.wire.kafka.scram import learn_password

_CONNECTIONS = {
    "aiokafka": (("aiokafka.conn", "AIOKafkaConnection"),),
    "kafka": (("kafka.net.connection", "KafkaConnection"), ("kafka.conn", "BrokerConnection")),
}
"""Module and class of a package's connection; that of kafka-python moved with version 3."""


class Logins:
    """What a cassette has of such a library: nothing but its connections, which the tapes know."""

    last_activity = None


def methods(package: str) -> tuple[tuple[type, dict[str, Any]], ...]:
    """Return the constructors that tell the guard, of a package that is loaded."""
    found = []
    for module, name in _CONNECTIONS[package]:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None:
            found.append((kind, {"__init__": _telling(kind)}))
    return tuple(found)


def _telling(kind: type) -> Any:
    own: Any = kind.__init__  # type: ignore[misc]

    def __init__(self: Any, *args: Any, **settings: Any) -> None:  # noqa: N807
        register_settings(settings)
        learn_password(settings.get("sasl_plain_username"), settings.get("sasl_plain_password"))
        own(self, *args, **settings)

    return __init__
