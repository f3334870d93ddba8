"""The conformance suite finds a driver that gives a message to two members of one group; the template's does not."""

from __future__ import annotations

import os
from importlib import invalidate_caches
from pathlib import Path

import pytest

from tests.support.installed import install, site
from x07py.drivers import Driver
from x07py.scaffold.create import create_project
from x07py.testing.conformance import Subject, conformance, suite_of

__all__ = ["site"]
SHARE = "members of one group, or consumers of one queue, share what comes: no message goes to two of them"
NOT_SHARED = {
    "PRIMARY KEY (reader, number)": "PRIMARY KEY (reader, number, owner)",
    "reader = :reader AND until > :now)": "reader = :reader AND until > :now"
    " AND (owner = :owner OR number <= :joined))",
    '"now": now,': '"now": now, "owner": self._owner, "joined": self._joined,',
    'first = 0 if start == "earliest"': 'self._joined = last\n            first = 0 if start == "earliest"',
}
"""What makes each member of the template's broker take whatever comes after it has joined, whoever else took it."""


async def lag_of_nothing(driver: Driver, place: str) -> None:
    await driver.lag([place], group=place)


SUBJECT = Subject("shelf", "local", fail=lag_of_nothing, traits=frozenset({"groups", "lag"}))


def shelf(tmp_path: Path, site: Path, changes: dict[str, str]) -> None:
    """Install the template's driver, changed, and go into its project."""
    create_project(tmp_path / "x07-shelf", "driver")
    source = tmp_path / "x07-shelf/src/x07_shelf"
    files = {f"x07_shelf/{path.name}": path.read_text() for path in source.iterdir() if path.is_file()}
    for old, new in changes.items():
        assert files["x07_shelf/backend.py"].count(old) == 1
        files["x07_shelf/backend.py"] = files["x07_shelf/backend.py"].replace(old, new)
    points = {"x07.packages": {"x07-shelf": "x07_shelf"}, "x07.drivers": {"shelf": "x07_shelf.plugin:DRIVER"}}
    install(site, "x07-shelf", "0.1.0", files, points, ["x07py"])
    invalidate_caches()
    os.chdir(tmp_path / "x07-shelf/tests/project")


def end_broker() -> None:
    """Take the template's broker away: a file in the working directory."""
    Path("queues.db").unlink()


async def test_the_driver_of_the_template_conforms(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shelf(tmp_path, site, {})
    found = await conformance(SUBJECT, run="a", mode="record", timeout_s=60)
    assert found == {one.text: "yes" for one in suite_of(SUBJECT)}
    end_broker()
    assert await conformance(SUBJECT, run="a", mode="replay", timeout_s=60) == found


async def test_a_driver_that_gives_a_message_to_two_members_is_found(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shelf(tmp_path, site, NOT_SHARED)
    assert await conformance(SUBJECT, run="a", timeout_s=60) == {
        one.text: "no" if one.text == SHARE else "yes" for one in suite_of(SUBJECT)
    }
