"""Drivers: the only place where x07py touches a broker.

Public for authors of drivers, besides what programs use: `DriverPlugin`, `Dialect`, the protocol `Backend`,
`Subscription`, `Limits`, `ClientOptions`, `DevelopmentBroker`, `addresses_of_environment`, `read_contract`,
`ContractCheck`, `Workload`, `KedaTriggers`. docs/reference/drivers.md documents them; `x07py.testing.conformance` holds
a driver to them.
"""

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
