"""Small programs print in each replay what they print outside of x07; `make repeat` tries them all, five times each."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run import varying_programs, waiting_programs
from tests.run.small_programs import PROGRAMS, QUICK, UNABLE
from tests.support.project import x07

REPLAYS = int(os.environ.get("X07_REPLAYS", "1"))
"""How often each is replayed; once means that only the quick ones are."""
ALL = PROGRAMS | waiting_programs.PROGRAMS
VARYING = varying_programs.PROGRAMS if REPLAYS > 1 else {"what is free": varying_programs.PROGRAMS["what is free"]}


def replayed(project: Path) -> subprocess.CompletedProcess[str]:
    return x07("run", "--profile", "replay", "--entry", "program.py", "--timeout", "120", cwd=project)


@pytest.mark.parametrize("name", sorted(QUICK) if REPLAYS == 1 else ALL)
def test_each_replay_prints_what_the_program_prints_bare(name: str, project: Path) -> None:
    if name == "numpy" and importlib.util.find_spec("numpy") is None:
        pytest.skip("numpy is not installed")
    (project / "x07.toml").write_text("")
    (project / "program.py").write_text(ALL[name])
    bare = subprocess.run(
        [sys.executable, "program.py"],
        cwd=project,
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert bare.stdout
    for _ in range(REPLAYS):
        done = replayed(project)
        assert (done.returncode, done.stdout, done.stderr) == (0, bare.stdout, "")


@pytest.mark.parametrize("name", VARYING)
def test_what_varies_bare_is_the_same_in_each_replay(name: str, project: Path) -> None:
    (project / "x07.toml").write_text("")
    (project / "program.py").write_text(VARYING[name])
    first, *others = [replayed(project) for _ in range(max(2, REPLAYS))]
    assert (first.returncode, first.stderr, bool(first.stdout)) == (0, "", True)
    assert [one.stdout for one in others] == [first.stdout] * len(others)


@pytest.mark.parametrize("name", UNABLE)
def test_what_cannot_be_replayed_says_why(name: str, project: Path) -> None:
    program, reason = UNABLE[name]
    (project / "x07.toml").write_text("")
    (project / "program.py").write_text(program)
    done = replayed(project)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert reason in done.stderr
