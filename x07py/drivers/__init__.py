"""Drivers: the only place where x07py touches a broker."""

from x07py.drivers.base import Ack, Delivery
from x07py.drivers.driver import Driver
from x07py.drivers.open import open_driver

__all__ = ["Ack", "Delivery", "Driver", "open_driver"]
