"""The client libraries that have drop-ins: which classes stand in place of which."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.rr import Mode
from x07py.testing.patching import rebase_subclasses, replace_everywhere, replace_methods, restore_methods
from x07py.wire.protocols import KAFKA
from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.door import Door

_LEFT_ALONE = ("x07py", "confluent_kafka.cimpl", "cimpl")


class Library(NamedTuple):
    """A client library and what is replaced of it.

    Args:
        name: what its clients are known by.
        way: makes, for a cassette's door, what its clients use of the cassette.
        classes: its own classes and their drop-ins.
        derived: own class, drop-in base and drop-in, where classes derived from the own one are put on the base.
        methods: classes whose methods are replaced, and by what.
    """

    name: str
    way: Callable[[Door], Any]
    classes: tuple[tuple[type, type], ...]
    derived: tuple[tuple[type, type, type], ...]
    methods: tuple[tuple[type, dict[str, Any]], ...]

    def install(self) -> None:
        """Put the drop-ins in place."""
        replace_everywhere(self.classes, but=_LEFT_ALONE)
        for own, base, drop_in in self.derived:
            rebase_subclasses(own, base, but=drop_in)
        for kind, methods in self.methods:
            replace_methods(kind, methods)

    def remove(self) -> None:
        """Put the library's own classes back."""
        replace_everywhere(((drop_in, own) for own, drop_in in self.classes), but=_LEFT_ALONE)
        for own, base, drop_in in self.derived:
            rebase_subclasses(base, own, but=drop_in)
        for kind, methods in self.methods:
            restore_methods(kind, methods)


def library(package: str, mode: Mode) -> Library:
    """Return the library of a package that is loaded, one of `PACKAGES`.

    Args:
        package: its name.
        mode: the cassette's.
    """
    return _MAKE[package](mode)


def _confluent_kafka(mode: Mode) -> Library:
    """Replace confluent-kafka's classes; before 2.13, whose messages only librdkafka can make, lead them to a port."""
    if _makes_messages() or current_world().solve or mode is Mode.RECORD_MISSING:
        return _replaced()
    from confluent_kafka import admin, cimpl

    from x07py.testing.kafka_routed import (
        METHODS,
        RoutedConsumer,
        RoutedConsumerBase,
        RoutedProducer,
        RoutedProducerBase,
    )
    from x07py.testing.kafka_share import share_consumers
    from x07py.testing.kafka_tape import LIBRARY
    from x07py.wire.process.librdkafka import Librdkafka

    classes = (
        (cimpl.Producer, RoutedProducerBase, RoutedProducer),
        (cimpl.Consumer, RoutedConsumerBase, RoutedConsumer),
        *share_consumers(),
    )
    pairs = tuple((own, drop_in) for own, _, drop_in in classes)
    return Library(LIBRARY, Librdkafka, pairs, classes, ((admin.AdminClient, METHODS),))


def _makes_messages() -> bool:
    from confluent_kafka import cimpl

    try:
        cimpl.Message(topic="")
    except TypeError:
        return False
    return True


def _replaced() -> Library:
    from confluent_kafka import admin, cimpl

    from x07py.testing.kafka_admin import METHODS
    from x07py.testing.kafka_consumer import TapeConsumer, TapeConsumerBase
    from x07py.testing.kafka_producer import TapeProducer, TapeProducerBase
    from x07py.testing.kafka_share import share_consumers
    from x07py.testing.kafka_tape import KafkaTape

    classes = (
        (cimpl.Producer, TapeProducerBase, TapeProducer),
        (cimpl.Consumer, TapeConsumerBase, TapeConsumer),
        *share_consumers(),
    )
    pairs = tuple((own, drop_in) for own, _, drop_in in classes)
    return Library(
        KafkaTape.library, lambda door: door.tape(KafkaTape), pairs, classes, ((admin.AdminClient, METHODS),)
    )


def _uvloop(_: Mode) -> Library:
    from x07py.testing.uvloop_sockets import NAME, Sockets, methods

    return Library(NAME, lambda _: Sockets(), (), (), methods())


def _logins(package: str, _: Mode) -> Library:
    from x07py.testing.logins import Logins, methods

    def way(door: Door) -> Logins:
        if not current_world().solve:
            door.prepare(KAFKA, tapes=False)
        return Logins()

    return Library(package, way, (), (), methods(package))


_MAKE: dict[str, Callable[[Mode], Library]] = {
    "confluent_kafka": _confluent_kafka,
    "uvloop": _uvloop,
    "aiokafka": partial(_logins, "aiokafka"),
    "kafka": partial(_logins, "kafka"),
}
PACKAGES = tuple(_MAKE)
"""The packages of which something is replaced, by the names that they are imported by."""
