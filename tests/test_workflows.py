"""The project's own workflows: actions pinned by commit, no more rights than each job needs, no stored token."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def test_there_are_workflows_for_tests_and_for_releases() -> None:
    assert {path.stem for path in WORKFLOWS} >= {"ci", "release"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_commit_and_says_its_version(path: Path) -> None:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        action, _, version = line.split("uses:")[1].partition("#")
        assert PINNED.fullmatch(action.strip()), line
        assert re.fullmatch(r"v\d+\.\d+\.\d+", version.strip()), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_and_a_job_adds_what_it_names(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        extra = {name for name, right in job.get("permissions", {}).items() if right == "write"}
        assert extra <= {"id-token", "attestations"}
        assert job["timeout-minutes"] <= 60


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_secret_is_used_and_no_credentials_stay_in_the_checkout(path: Path) -> None:
    assert "secrets." not in path.read_text(encoding="utf-8")
    for job in load(path)["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nothing_that_strangers_write_reaches_a_shell(path: Path) -> None:
    for job in load(path)["jobs"].values():
        for step in job["steps"]:
            assert "github.event" not in step.get("run", "")
            assert "github.head_ref" not in step.get("run", "")
