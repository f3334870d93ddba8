"""The adapter loop that programs would else write themselves: `pump`."""

from x07py.pumping.loop import pump
from x07py.pumping.options import PumpOptions, PumpReport

__all__ = ["PumpOptions", "PumpReport", "pump"]
