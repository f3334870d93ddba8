"""``x07 pkg``: capability packages and their lock. The commands stand in the three modules imported here."""

from __future__ import annotations

from x07py.cli import pkg_change, pkg_publish, pkg_show
from x07py.cli.pkg_common import app

__all__ = ["app", "pkg_change", "pkg_publish", "pkg_show"]
