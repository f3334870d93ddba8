"""``x07 pkg``: capability packages and their lock."""

from __future__ import annotations

import gc

from x07py.cli.commands import Commands

app: Commands = Commands("Add, lock, install and understand packages.")
app.add(
    (
        ("add", "x07py.cli.pkg_change:add"),
        ("remove", "x07py.cli.pkg_change:remove"),
        ("update", "x07py.cli.pkg_change:update"),
        ("lock", "x07py.cli.pkg_change:lock"),
        ("sync", "x07py.cli.pkg_change:sync"),
        ("tree", "x07py.cli.pkg_show:tree"),
        ("why", "x07py.cli.pkg_show:why"),
        ("list", "x07py.cli.pkg_show:list_packages"),
        ("info", "x07py.cli.pkg_show:info"),
        ("outdated", "x07py.cli.pkg_show:outdated"),
        ("verify", "x07py.cli.pkg_show:verify"),
        ("provides", "x07py.cli.pkg_show:provides"),
    )
)

gc.disable()  # a short run that builds large tables of plain data: looking for cycles in them only costs time
