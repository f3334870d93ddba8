"""``x07 pkg``: capability packages and their lock. The commands stand in the two modules imported here."""

from __future__ import annotations

import gc

from x07py.cli import pkg_change, pkg_show
from x07py.cli.pkg_common import app

__all__ = ["app", "pkg_change", "pkg_show"]

gc.disable()  # a short run that builds large tables of plain data: looking for cycles in them only costs time
