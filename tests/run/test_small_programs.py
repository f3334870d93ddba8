"""Small programs print in each replay what they print outside of x07; `make repeat` tries them all, five times each."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run.small_programs import PROGRAMS, QUICK, UNABLE
from tests.support.project import x07

REPLAYS = int(os.environ.get("X07_REPLAYS", "1"))
"""How often each is replayed; once means that only the quick ones are."""


@pytest.mark.parametrize("name", sorted(QUICK) if REPLAYS == 1 else PROGRAMS)
def test_each_replay_prints_what_the_program_prints_bare(name: str, project: Path) -> None:
    if name == "numpy" and importlib.util.find_spec("numpy") is None:
        pytest.skip("numpy is not installed")
    (project / "x07.toml").write_text("")
    (project / "program.py").write_text(PROGRAMS[name])
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
        done = x07("run", "--profile", "replay", "--entry", "program.py", "--timeout", "120", cwd=project)
        assert (done.returncode, done.stdout, done.stderr) == (0, bare.stdout, "")


@pytest.mark.parametrize("name", UNABLE)
def test_what_cannot_be_replayed_says_why(name: str, project: Path) -> None:
    program, reason = UNABLE[name]
    (project / "x07.toml").write_text("")
    (project / "program.py").write_text(program)
    done = x07("run", "--profile", "replay", "--entry", "program.py", "--timeout", "120", cwd=project)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert reason in done.stderr
