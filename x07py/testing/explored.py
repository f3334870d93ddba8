"""A program that is explored over the wire: its connections lead to the simulated brokers of whoever started it.

Runs in each process that it starts too, so it loads little.
"""

from __future__ import annotations

import os
import sys

from x07py.testing.arrivals import Arrivals
from x07py.wire.process.control import VARIABLE, ChildEntrance
from x07py.wire.process.sockets import WAY

EXPLORED = "X07_EXPLORED"
"""The environment variable of such a program: where librdkafka, which has sockets of its own, finds its broker."""
_LIBRDKAFKA = "confluent_kafka"


def begin() -> None:
    """Lead the connections of this process to the simulated brokers from now on."""
    WAY.open(ChildEntrance(os.environ[VARIABLE]))
    if _LIBRDKAFKA in sys.modules:
        _lead(_LIBRDKAFKA)
    else:
        Arrivals([_LIBRDKAFKA], _lead).watch()


def _lead(_: str) -> None:
    from x07py.testing.kafka_led import lead_to

    lead_to(os.environ[EXPLORED])
