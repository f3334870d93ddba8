"""Other orders of turns: a seed stands for one, which repeats, and a race shows in one of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.project import x07, x07_here

RACE = """
import threading
count, lock = 0, threading.Lock()
def work():
    global count
    for _ in range(50):
        seen = count
        print(end="", flush=True)
        count = seen + 1
def work_with_lock():
    with lock: work()
threads = [threading.Thread(target=WORK) for _ in range(3)]
for one in threads: one.start()
for one in threads: one.join()
print(count)
"""


@pytest.fixture
def app(project: Path) -> Path:
    (project / "x07.toml").write_text("")
    (project / "race.py").write_text(RACE.replace("WORK", "work"))
    (project / "safe.py").write_text(RACE.replace("WORK", "work_with_lock"))
    return project


def replay(app: Path, entry: str, *options: str) -> tuple[int, str, str]:
    done = x07("run", "--profile", "replay", "--entry", entry, *options, cwd=app)
    return done.returncode, done.stdout, done.stderr


def test_a_race_shows_in_another_order_and_again_with_its_seed(app: Path) -> None:
    assert replay(app, "race.py") == (0, "150\n", "")
    code, out, told = replay(app, "race.py", "--schedules", "20")
    assert code == 126
    assert out != "150\n"
    assert "prints something else (the usual order: '150\\n')" in told
    seed = told.split()[-1]
    for _ in range(2):
        assert replay(app, "race.py", "--schedule-seed", seed, "--report", "report.json") == (0, out, "")
    assert json.loads((app / "report.json").read_text())["schedule_seed"] == int(seed)


def test_what_has_no_race_ends_the_same_in_each_order(app: Path) -> None:
    code, out, told = replay(app, "safe.py", "--schedules", "3")
    assert (code, out, told) == (0, "150\n", "x07 run: 3 other orders of turns end as the usual one\n")


def test_refused_runs_show_nothing(app: Path) -> None:
    (app / "refused.py").write_text("import smtplib")
    code, _, told = replay(app, "refused.py", "--schedules", "3")
    assert (code, "the usual run was refused, which shows nothing" in told) == (126, True)


@pytest.mark.parametrize(
    "options",
    [
        ("--profile", "sandbox", "--schedule-seed", "1"),
        ("--profile", "os", "--schedules", "2"),
        ("--profile", "replay", "--schedules", "2", "--schedule-seed", "1"),
        ("--profile", "replay", "--schedules", "2", "--verify-determinism", "2"),
    ],
)
def test_orders_are_for_solve_worlds_and_chosen_in_one_way(app: Path, options: tuple[str, ...]) -> None:
    done = x07_here("run", *options, "--entry", "safe.py", cwd=app)
    assert (done.returncode, "error[X07RUN_CONTRADICTION]" in done.stderr) == (126, True)
