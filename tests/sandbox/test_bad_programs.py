"""Programs that misbehave: the documented exit code, one clear line, and nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sandbox.conftest import drive
from tests.sandbox.test_launch import ANYBODY, PYTHON, SPACES, running

X07 = (sys.executable, "-c", "from x07py.cli.main import main; main()")
REPOSITORY = str(Path(__file__).parents[2])
FORKS = """
import os, sys, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(0.05)
    except OSError:
        time.sleep(0.01)
"""
IGNORES = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)\n"
PRINTS = "import os\nblock = b'x' * (1 << 20)\nwhile True: os.write(1, block)\n"


def x07_run(tmp_path: Path, program: str, *options: str, profile: str = "sandbox") -> subprocess.CompletedProcess[str]:
    (tmp_path / "x07.toml").write_text('entry = "main.py"\n')
    (tmp_path / "main.py").write_text(program)
    return subprocess.run(
        [*X07, "run", "--profile", profile, *options],
        cwd=tmp_path,
        env={"PYTHONPATH": REPOSITORY, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("program", "options", "code", "line"),
    [
        (FORKS, ["--timeout", "1", "--max-procs", "20"], 124, "x07 run: the time limit of 1 s ended the program"),
        (IGNORES, ["--timeout", "0.5"], 124, "x07 run: the time limit of 0.5 s ended the program"),
        ("while True: pass\n", ["--timeout", "0.5"], 124, "x07 run: the time limit of 0.5 s ended the program"),
        ("bytearray(1 << 34)\n", ["--max-memory", str(1 << 29)], 1, "MemoryError"),
        ("import os\nos.abort()\n", [], 128 + signal.SIGABRT, "x07 run: signal SIGABRT ended the program"),
        ("import ctypes\nctypes.string_at(0)\n", [], 128 + signal.SIGSEGV, "x07 run: signal SIGSEGV ended the program"),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
            [],
            137,
            "x07 run: signal SIGKILL ended the program",
        ),
        ("raise ValueError('wrong')\n", [], 1, "ValueError: wrong"),
    ],
    ids=["forks", "ignores SIGTERM", "hangs", "fills memory", "aborts", "crashes", "killed", "raises"],
)
def test_exit_code_and_line(tmp_path: Path, program: str, options: list[str], code: int, line: str) -> None:
    done = x07_run(tmp_path, program, *options)
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert (lines[-1] if lines else "") == line
    assert running(str(tmp_path)) == []


LEAVES = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]])
if sys.argv[2] == "stay": time.sleep(600)
"""


def test_limits_hold_in_run_os_and_what_is_left_ends_with_the_time_limit(tmp_path: Path) -> None:
    full = x07_run(tmp_path, "bytearray(1 << 34)\n", "--max-memory", str(1 << 29), profile="os")
    assert (full.returncode, full.stderr.splitlines()[-1]) == (1, "MemoryError")
    mark = f"left{os.getpid()}"
    late = x07_run(tmp_path, LEAVES, "--timeout", "1", "--", mark, "stay", profile="os")
    assert (late.returncode, late.stderr) == (124, "x07 run: the time limit of 1 s ended the program\n")
    assert running(mark) == []


def test_gigabytes_of_output_pass_through_and_end_with_the_reader(tmp_path: Path) -> None:
    (tmp_path / "x07.toml").write_text('entry = "main.py"\n')
    (tmp_path / "main.py").write_text(PRINTS)
    process = subprocess.Popen(
        [*X07, "run", "--profile", "sandbox"],
        cwd=tmp_path,
        env={"PYTHONPATH": REPOSITORY, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    seen = 0
    while seen < 1 << 30:
        block = os.read(process.stdout.fileno(), 1 << 20)
        assert block
        seen += len(block)
    process.stdout.close()
    assert process.wait(300) == 1
    assert b"BrokenPipeError" in process.stderr.read()
    process.stderr.close()
    assert running(str(tmp_path)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_x07_reaches_the_program(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import signal, time\nfor one in (1, 2, 15):\n signal.signal(one, lambda n, _: (print('got', n), exit(9)))\n"
    )
    program += "print('ready', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "x07.toml").write_text('entry = "main.py"\n')
    (tmp_path / "main.py").write_text(program)
    process = subprocess.Popen(
        [*X07, "run", "--profile", "sandbox"],
        cwd=tmp_path,
        env={"PYTHONPATH": REPOSITORY, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.read() == f"got {int(number)}\n"
    assert process.wait(120) == 9
    process.stdout.close()


def test_flooding_x07_with_forks_leaves_nothing(tmp_path: Path) -> None:
    """Killed outright while its program forks without end, x07 takes everything with it."""
    (tmp_path / "x07.toml").write_text('entry = "main.py"\n')
    (tmp_path / "main.py").write_text(
        "print('ready', flush=True)\n" + FORKS.replace("time.sleep(0.05)", "time.sleep(9)")
    )
    process = subprocess.Popen(
        [*X07, "run", "--profile", "sandbox", "--max-procs", "20"],
        cwd=tmp_path,
        env={"PYTHONPATH": REPOSITORY, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 120
    while running(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running(str(tmp_path)) == []


COUNT = """
import os, time
made = 0
while made < 60:
    try:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
    except BlockingIOError:
        break
    made += 1
print(made)
"""


def test_a_program_may_get_less_memory_than_x07_has(tmp_path: Path) -> None:
    done = x07_run(tmp_path, "print('small')\n", "--max-memory", "30000000")
    assert done.stdout == "small\n", done.stderr


@SPACES
@ANYBODY
def test_the_number_of_processes_is_bounded(uid: int | None, namespaces: bool) -> None:
    outcome, text = drive(argv=[PYTHON, "-c", COUNT], uid=uid, namespaces=namespaces, limits={"processes": 20})
    if uid is not None and not namespaces:
        assert "a bound on processes needs" in outcome["message"]
    else:
        assert text == "19\n", outcome
    unbounded, text = drive(argv=[PYTHON, "-c", COUNT], uid=uid, namespaces=namespaces)
    assert text == "60\n", unbounded
