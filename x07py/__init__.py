"""x07py: pure services on Kafka and RabbitMQ.

The names below are the public ones. Each is imported when it is first used, so that a command line starts fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py._version import __version__

if TYPE_CHECKING:
    from x07py.budgets import budget
    from x07py.drivers import Delivery, open_driver
    from x07py.errors import X07Error
    from x07py.msg import Envelope
    from x07py.pumping import PumpOptions, PumpReport, pump
    from x07py.testing import use_cassette

__all__ = [
    "Delivery",
    "Envelope",
    "PumpOptions",
    "PumpReport",
    "X07Error",
    "__version__",
    "budget",
    "open_driver",
    "pump",
    "use_cassette",
]

_LATER = {
    "Delivery": "x07py.drivers",
    "Envelope": "x07py.msg",
    "PumpOptions": "x07py.pumping",
    "PumpReport": "x07py.pumping",
    "X07Error": "x07py.errors",
    "budget": "x07py.budgets",
    "open_driver": "x07py.drivers",
    "pump": "x07py.pumping",
    "use_cassette": "x07py.testing",
}


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module 'x07py' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)
