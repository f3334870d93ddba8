"""Drivers: the only place where x07py touches a broker.

Public for authors of drivers, besides what programs use: `DriverPlugin`, `Dialect`, the protocol `Backend`,
`Subscription`, `Limits`, `ClientOptions`, `DevelopmentBroker`, `addresses_of_environment`, `read_contract`,
`ContractCheck`, `Workload`, `KedaTriggers`. docs/reference/drivers.md documents them; `x07py.testing.conformance` holds
a driver to them. Each name is imported when it is first used: `x07 run` asks for kinds of drivers alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from x07py.brokers.kinds import DevelopmentBroker
    from x07py.drivers.base import Ack, Backend, Delivery, Dialect, Subscription, canonical_json
    from x07py.drivers.contract_check import ContractCheck
    from x07py.drivers.driver import Driver
    from x07py.drivers.open import open_driver
    from x07py.drivers.plugin import (
        ClientOptions,
        DriverPlugin,
        KedaTriggers,
        Limits,
        Workload,
        addresses_of_environment,
        read_contract,
    )
    from x07py.drivers.subjects import know_writer, open_subjects

__all__ = [
    "Ack",
    "Backend",
    "ClientOptions",
    "ContractCheck",
    "Delivery",
    "DevelopmentBroker",
    "Dialect",
    "Driver",
    "DriverPlugin",
    "KedaTriggers",
    "Limits",
    "Subscription",
    "Workload",
    "addresses_of_environment",
    "canonical_json",
    "know_writer",
    "open_driver",
    "open_subjects",
    "read_contract",
]

_PLACES = {
    "Ack": "x07py.drivers.base",
    "Backend": "x07py.drivers.base",
    "ClientOptions": "x07py.drivers.plugin",
    "ContractCheck": "x07py.drivers.contract_check",
    "Delivery": "x07py.drivers.base",
    "DevelopmentBroker": "x07py.brokers.kinds",
    "Dialect": "x07py.drivers.base",
    "Driver": "x07py.drivers.driver",
    "DriverPlugin": "x07py.drivers.plugin",
    "KedaTriggers": "x07py.drivers.plugin",
    "Limits": "x07py.drivers.plugin",
    "Subscription": "x07py.drivers.base",
    "Workload": "x07py.drivers.plugin",
    "addresses_of_environment": "x07py.drivers.plugin",
    "canonical_json": "x07py.drivers.base",
    "know_writer": "x07py.drivers.subjects",
    "open_driver": "x07py.drivers.open",
    "open_subjects": "x07py.drivers.subjects",
    "read_contract": "x07py.drivers.plugin",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value
