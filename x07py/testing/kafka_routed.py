"""confluent-kafka's own clients, led to the cassette by their settings; everything else about them is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from confluent_kafka import cimpl
from confluent_kafka.admin import AdminClient

from x07py.rr.known_secrets import register_settings
from x07py.testing.kafka_tape import LIBRARY
from x07py.testing.registry import tape_for

if TYPE_CHECKING:
    from x07py.wire.process.librdkafka import Librdkafka


def _settings(args: tuple[Any, ...], conf: dict[str, Any]) -> dict[str, Any]:
    """Return a client's settings, with another broker where a cassette is in use."""
    settings = {**(args[0] if args else {}), **conf}
    way = cast("Librdkafka | None", tape_for(LIBRARY, "confluent_kafka"))
    if way is not None:
        register_settings(settings)
    return settings if way is None else way.routed(settings)


class RoutedProducerBase(cimpl.Producer):
    """The constructor; without fields of its own, so that existing subclasses can be put on top of it."""

    __slots__ = ()

    def __init__(self, *args: Any, **conf: Any) -> None:
        super().__init__(_settings(args, conf))


class RoutedProducer(RoutedProducerBase):
    """What stands in place of `confluent_kafka.Producer` while a cassette is in use."""


class RoutedConsumerBase(cimpl.Consumer):
    """The constructor; without fields of its own, so that existing subclasses can be put on top of it."""

    __slots__ = ()

    def __init__(self, *args: Any, **conf: Any) -> None:
        super().__init__(_settings(args, conf))


class RoutedConsumer(RoutedConsumerBase):
    """What stands in place of `confluent_kafka.Consumer` while a cassette is in use."""


_OWN_INIT = AdminClient.__init__


def _init(self: Any, *args: Any, **conf: Any) -> None:
    _OWN_INIT(self, _settings(args, conf))


METHODS: dict[str, Any] = {"__init__": _init}
"""What stands in place of the methods of `AdminClient` while a cassette is in use."""
