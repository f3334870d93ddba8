"""The client libraries that have drop-ins: which classes stand in place of which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.drivers.base import KAFKA
from x07py.testing.patching import rebase_subclasses, replace_everywhere, replace_methods, restore_methods

if TYPE_CHECKING:
    from x07py.drivers.base import Dialect

_LEFT_ALONE = ("x07py", "confluent_kafka.cimpl", "cimpl")


class Library(NamedTuple):
    """A client library and what is replaced of it.

    Args:
        name: name of the distribution; it is the key of every entry.
        dialect: which broker it speaks to.
        classes: its own classes and their drop-ins.
        derived: own class, drop-in base and drop-in, where classes derived from the own one are put on the base.
        methods: classes whose methods are replaced, and by what.
    """

    name: str
    dialect: Dialect
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


def installed_libraries() -> list[Library]:
    """Return the libraries with drop-ins that are installed."""
    found = []
    try:
        found.append(_confluent_kafka())
    except ModuleNotFoundError as error:
        if error.name != "confluent_kafka":
            raise
    return found


def _confluent_kafka() -> Library:
    from confluent_kafka import admin, cimpl

    from x07py.testing.kafka_admin import METHODS
    from x07py.testing.kafka_consumer import TapeConsumer, TapeConsumerBase
    from x07py.testing.kafka_producer import LIBRARY, TapeProducer, TapeProducerBase

    return Library(
        LIBRARY,
        KAFKA,
        ((cimpl.Producer, TapeProducer), (cimpl.Consumer, TapeConsumer)),
        ((cimpl.Producer, TapeProducerBase, TapeProducer), (cimpl.Consumer, TapeConsumerBase, TapeConsumer)),
        ((admin.AdminClient, METHODS),),
    )
