"""The client libraries that have drop-ins: which classes stand in place of which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.testing.patching import rebase_subclasses, replace_everywhere, replace_methods, restore_methods

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.testing.tape import Tape

_LEFT_ALONE = ("x07py", "confluent_kafka.cimpl", "cimpl")


class Library(NamedTuple):
    """A client library and what is replaced of it.

    Args:
        tape: how its clients use a cassette.
        classes: its own classes and their drop-ins.
        derived: own class, drop-in base and drop-in, where classes derived from the own one are put on the base.
        methods: classes whose methods are replaced, and by what.
    """

    tape: type[Tape]
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


def library(package: str) -> Library:
    """Return the library of a package that is loaded, one of `PACKAGES`."""
    return _MAKE[package]()


def _aio_pika() -> Library:
    import aiormq

    from x07py.testing.amqp_drop_in import CHANNEL_METHODS, CONNECTION_METHODS
    from x07py.testing.amqp_tape import AmqpTape

    replaced = ((aiormq.Connection, CONNECTION_METHODS), (aiormq.Channel, CHANNEL_METHODS))
    return Library(AmqpTape, (), (), replaced)


def _confluent_kafka() -> Library:
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
    return Library(
        KafkaTape,
        tuple((own, drop_in) for own, _, drop_in in classes),
        classes,
        ((admin.AdminClient, METHODS),),
    )


_MAKE: dict[str, Callable[[], Library]] = {"confluent_kafka": _confluent_kafka, "aiormq": _aio_pika}
PACKAGES = tuple(_MAKE)
"""The packages that have drop-ins, by the names that they are imported by."""
