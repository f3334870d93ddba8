"""confluent-kafka's own clients, led to one port of whoever explores them; everything else about them is theirs."""

from __future__ import annotations

from typing import Any

from confluent_kafka import cimpl
from confluent_kafka.admin import AdminClient

from x07py.testing.patching import rebase_subclasses, replace_everywhere, replace_methods
from x07py.wire.process.led import led_to

_LEFT_ALONE = ("x07py", "confluent_kafka.cimpl", "cimpl")
_port = ""


def _settings(args: tuple[Any, ...], conf: dict[str, Any]) -> dict[str, Any]:
    return led_to({**(args[0] if args else {}), **conf}, _port)


class LedProducerBase(cimpl.Producer):
    """The constructor; without fields of its own, so that existing subclasses can be put on top of it."""

    __slots__ = ()

    def __init__(self, *args: Any, **conf: Any) -> None:
        super().__init__(_settings(args, conf))


class LedProducer(LedProducerBase):
    """What stands in place of `confluent_kafka.Producer`."""


class LedConsumerBase(cimpl.Consumer):
    """The constructor; without fields of its own, so that existing subclasses can be put on top of it."""

    __slots__ = ()

    def __init__(self, *args: Any, **conf: Any) -> None:
        super().__init__(_settings(args, conf))


class LedConsumer(LedConsumerBase):
    """What stands in place of `confluent_kafka.Consumer`."""


_OWN_INIT = AdminClient.__init__


def _init(self: Any, *args: Any, **conf: Any) -> None:
    _OWN_INIT(self, _settings(args, conf))


def lead_to(port: str) -> None:
    """Lead every client that is made from now on, of a subclass too, to a port."""
    global _port  # noqa: PLW0603  (one a process)
    _port = port
    pairs = ((cimpl.Producer, LedProducer), (cimpl.Consumer, LedConsumer))
    replace_everywhere(pairs, but=_LEFT_ALONE)
    rebase_subclasses(cimpl.Producer, LedProducerBase, but=LedProducer)
    rebase_subclasses(cimpl.Consumer, LedConsumerBase, but=LedConsumer)
    replace_methods(AdminClient, {"__init__": _init})
