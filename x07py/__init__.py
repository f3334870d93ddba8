"""x07py: pure services on Kafka and RabbitMQ.

The names below are the public ones. Those that need more than the standard library's basics are imported when they
are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py._version import __version__
from x07py.errors import X07Error
from x07py.msg import Envelope

if TYPE_CHECKING:
    from x07py.drivers import Delivery, open_driver

__all__ = ["Delivery", "Envelope", "X07Error", "__version__", "open_driver"]

_LATER = {"Delivery": "x07py.drivers", "open_driver": "x07py.drivers"}


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module 'x07py' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)
