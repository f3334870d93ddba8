"""The shards of an exploration run what one run would, each its part, and their reports are shown as one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.explore.programs import BUGS, RIGHT
from tests.explore.test_explore import order_of
from tests.support.project import x07_here
from x07py.errors import UsageError
from x07py.explore.campaign import Explored, explore
from x07py.explore.report import joined, report_of, text_report

HISTORIES = 240


@pytest.fixture
def parts(project: Path) -> list[Explored]:
    order = order_of(project, RIGHT["a loop"])
    return [explore(order, HISTORIES, shard=(number, 3)) for number in (1, 2, 3)]


def test_shards_have_all_single_faults_and_no_pair_twice(project: Path, parts: list[Explored]) -> None:
    whole = explore(order_of(project, RIGHT["a loop"]), HISTORIES)
    assert sum(one.coverage.histories for one in parts) == whole.coverage.histories == HISTORIES
    assert sum(one.space.singles_run for one in parts) == whole.space.singles
    assert sum(one.space.pairs for one in parts) == whole.space.pairs
    pairs = [tuple(pair.items()) for one in parts if one.plan is not None for pair in one.plan.pairs]
    assert len(pairs) == len({*pairs}) > 0


def test_their_reports_are_shown_as_one(project: Path, parts: list[Explored]) -> None:
    order = order_of(project, RIGHT["a loop"])
    (project / "reports").mkdir()
    for number, one in enumerate(parts, 1):
        (project / f"reports/{number}.json").write_text(json.dumps(report_of(order, one, [])))
    ran = x07_here("explore", "reports", "--join", cwd=project)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("shards 1, 2, 3 of 3\n240 histories")
    assert "every single fault of the undisturbed run" in ran.stdout
    (project / "reports/2.json").unlink()
    assert "not explored: shards 2;" in x07_here("explore", "reports", "--join", cwd=project).stdout


def test_what_a_shard_has_found_is_found(project: Path) -> None:
    order = order_of(project, BUGS["commits before it produces"])
    found = explore(order, 60, shard=(1, 2))
    report = report_of(order, found, [project / "kept.x07rr.bin"] * len(found.found))
    text = text_report(joined([report]))
    assert text[-1].startswith(f"{len(found.found)} finding")
    assert any("kept.x07rr.bin" in line for line in text)


def test_reports_that_do_not_belong_together_are_refused(project: Path) -> None:
    order = order_of(project, RIGHT["a loop"])
    one = report_of(order, explore(order, 8, shard=(1, 2)), [])
    other = report_of(replace(order, seed=5), explore(order, 8, shard=(2, 2)), [])
    for reports in ([one, one], [one, other]):
        with pytest.raises(UsageError, match=r"twice|different explorations"):
            joined(reports)
    (project / "odd.json").write_text("[]")
    ran = x07_here("explore", ".", "--join", cwd=project)
    assert (ran.returncode, "X07EXPLORE_SHARD" in ran.stderr) == (20, True)
