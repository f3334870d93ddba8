"""The adapter loop that programs would else write themselves: `pump`."""

from x07py.pumping.loop import pump
from x07py.pumping.options import PumpOptions, PumpReport
from x07py.pumping.stores import PostgresStore, SqliteStore, Store

__all__ = ["PostgresStore", "PumpOptions", "PumpReport", "SqliteStore", "Store", "pump"]
