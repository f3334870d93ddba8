"""SIGKILL at every step of `add --sync` and `remove --sync` in a real environment, the manager's steps included.

Whenever the process dies, manifest, environment and lock are as they were, or as they shall be, or the next command
says what is half done, and `x07 pkg sync` mends it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pkg.test_crash import facts
from tests.support.campaign import CAMPAIGN
from tests.support.installed import wheel
from tests.support.project import REPOSITORY

KILLS = 30 if CAMPAIGN else 1
"""Of each of the two commands; `make packages` asks for all."""
STEPS = {"add": 30, "remove": 30}
"""Among how many steps of a command one is drawn."""
KILLER = """
import os, signal, sys
step, root = int(sys.argv[1]), sys.argv[2]
seen = 0
WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "subprocess.Popen", "shutil.rmtree"}

def watch(event, args):
    global seen
    changes = event in WRITES
    if event == "open":
        path, mode, flags = args
        changes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and root in str(path)
    seen += bool(changes)
    if changes and seen == step:
        os.killpg(0, signal.SIGKILL)

sys.argv = ["x07", "pkg", *sys.argv[3:]]
from x07py.cli.main import main
sys.addaudithook(watch)
main()
"""


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that sees this one's distributions, with a place of its own to install into."""
    place = tmp_path_factory.mktemp("environment")
    tools = Path(sys.executable).parent
    subprocess.run([str(tools / "uv"), "venv", "--quiet", "--python", sys.executable, str(place / "venv")], check=True)
    site = next((place / "venv/lib").glob("python3*/site-packages"))
    here = next(Path(sys.prefix, "lib").glob("python3*/site-packages"))
    (site / "below.pth").write_text(f"{here}\n{REPOSITORY}\n", encoding="utf-8")
    for name in ("x07-base", "x07-greet"):
        needs = ["x07-base"] if name == "x07-greet" else []
        wheel(place, name, "1.0.0", needs, requires_packages=[f"{one}@>=1" for one in needs])
    return place


def run(venv: Path, project: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PIP_FIND_LINKS": str(venv), "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    python = str(venv / "venv/bin/python")
    return subprocess.run(
        [python, *command],
        cwd=project,
        env=env,
        capture_output=True,
        check=False,
        start_new_session=True,
        timeout=300,
    )


def pkg(venv: Path, project: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    return run(venv, project, "-m", "x07py", "pkg", *args)


def here(venv: Path, project: Path) -> tuple[object, list[str]]:
    """Return what manifest, lock and environment hold."""
    site = next((venv / "venv/lib").glob("python3*/site-packages"))
    return facts(project), sorted(one.name for one in site.glob("x07_*") if one.name.endswith(".dist-info"))


def killed_at(venv: Path, project: Path, step: int, command: str) -> bool:
    """Run a command that dies, with what it started, at its n-th step; return whether it lived so long."""
    args = ("-c", KILLER, str(step), str(project), command, "x07-greet", "--sync")
    done = run(venv, project, *args)
    assert done.returncode in {0, -signal.SIGKILL}, (step, done.stderr.decode())
    return done.returncode != 0


def mend(venv: Path, project: Path) -> None:
    """Do what the guide says after a crash; an `add` without a version may have come no further than ``*``."""
    for command in ("sync", "update"):
        done = pkg(venv, project, command)
        assert done.returncode == 0, done.stderr.decode()
    assert pkg(venv, project, "lock", "--check").returncode == 0


@pytest.mark.parametrize(("command", "other"), [("add", "remove"), ("remove", "add")])
def test_killed_at_any_step_the_next_command_says_or_mends(
    command: str, other: str, venv: Path, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\ndependencies = []\n')
    states = {}
    for one in ("add", "remove", "add")[: 2 if command == "add" else 3]:
        done = pkg(venv, tmp_path, one, "x07-greet", "--sync")
        assert done.returncode == 0, done.stderr.decode()
        states[one] = here(venv, tmp_path)
    steps, outcomes = random.Random(7), {"old": 0, "new": 0, "half": 0}
    while sum(outcomes.values()) < KILLS:
        step = steps.randint(1, STEPS[command])
        if killed_at(venv, tmp_path, step, command):
            now = here(venv, tmp_path)
            outcome = "old" if now == states[other] else "new" if now == states[command] else "half"
            outcomes[outcome] += 1
            told = pkg(venv, tmp_path, "lock", "--check").returncode == 20
            assert told == (outcome == "half"), (step, now)
            if outcome == "half":
                mend(venv, tmp_path)
                assert here(venv, tmp_path) in states.values(), (step, now)
        if here(venv, tmp_path) != states[other]:
            assert pkg(venv, tmp_path, other, "x07-greet", "--sync").returncode == 0
            assert here(venv, tmp_path) == states[other]
    sys.stdout.write(f"{command}: killed {KILLS} times, left {outcomes}\n")
