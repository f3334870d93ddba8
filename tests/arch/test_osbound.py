"""The table of what reaches the operating system: whole, and read as the worlds say."""

from __future__ import annotations

import tomllib

import pytest

from x07py.effects.analysis import CAPABILITIES
from x07py.osbound import TABLE as FILE
from x07py.osbound import os_bound_table
from x07py.worlds import WORLDS

TABLE = os_bound_table()


@pytest.mark.parametrize(
    ("module", "world", "refused"),
    [
        ("smtplib", "solve-pure", True),
        ("smtplib", "run-os", False),
        ("smtplibx", "solve-pure", False),
        ("logging.handlers", "solve-rr", False),
        ("sqlite3", "solve-pure", False),
        ("xmlrpc.server", "solve-rr", True),
        ("logging", "solve-pure", False),
        ("http", "solve-pure", False),
        ("confluent_kafka.admin", "solve-full", True),
        ("httpx", "solve-pure", False),
        ("json", "solve-pure", False),
    ],
)
def test_modules(module: str, world: str, refused: bool) -> None:
    assert (TABLE.refused_module(module, world) is not None) is refused


def test_every_solve_world_has_a_row_and_every_row_a_reason() -> None:
    assert set(TABLE.admits) == {world.name for world in WORLDS.values() if world.solve}
    rows = TABLE.modules.values()
    assert len(rows) > 100
    assert [row.name for row in rows if not row.reason or row.reason.endswith(".")] == []
    assert {admitted for world in TABLE.admits.values() for admitted in world} <= set(CAPABILITIES)


def test_it_is_read_as_a_parser_reads_it() -> None:
    document = tomllib.loads(FILE.read_text())
    assert {world: frozenset(names) for world, names in document["admits"].items()} == TABLE.admits
    groups = {"modules": "standard library", "distributions": "distribution"}
    expected = {
        (name, capability, reason, origin)
        for group, origin in groups.items()
        for capability, names in document[group].items()
        for name, reason in names.items()
    }
    rows = TABLE.modules.values()
    assert {(row.name, row.capability, row.reason, row.origin) for row in rows} == expected
    assert len(rows) == len(expected)
