"""Where there is no Linux: everything but confinement works, and confinement refuses in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.project import x07

MACOS = """
import ctypes, os, select, signal, sys, sysconfig
sysconfig.get_config_vars()
sys.platform = "darwin"
for module, names in (
    (os, "memfd_create pidfd_open sched_getaffinity O_PATH eventfd getrandom getxattr setxattr MFD_CLOEXEC"),
    (signal, "pidfd_send_signal sigtimedwait sigwaitinfo"),
    (select, "epoll EPOLLIN EPOLLOUT EPOLLONESHOT"),
):
    for name in names.split():
        if hasattr(module, name): delattr(module, name)
class Library(ctypes.CDLL):
    def __getattr__(self, name):
        if name in {"prctl", "syscall", "unshare", "setns", "process_vm_readv"}: raise AttributeError(name)
        return super().__getattr__(name)
ctypes.CDLL = Library
"""
"""What CPython lacks on macOS of what it has on Linux, taken away before anything else is imported."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "simulated").mkdir()
    (tmp_path / "simulated/sitecustomize.py").write_text(MACOS)
    (tmp_path / "x07.toml").write_text('entry = "main.py"\n')
    (tmp_path / "main.py").write_text("import sys, time\nprint('ran', flush=True)\ntime.sleep(float(sys.argv[1]))\n")
    return tmp_path


def run(place: Path, *words: str) -> tuple[int, str, str]:
    done = x07(*words, cwd=place, PYTHONPATH=str(place / "simulated"))
    return done.returncode, done.stdout, done.stderr


def test_a_program_runs_unconfined_with_its_report_and_time_limit(place: Path) -> None:
    assert run(place, "run", "--profile", "os", "--report", "report.json", "--", "0") == (0, "ran\n", "")
    assert json.loads((place / "report.json").read_text())["exit"]["code"] == 0
    code, text, told = run(place, "run", "--profile", "os", "--timeout", "2", "--", "60")
    assert (code, text, told) == (124, "ran\n", "x07 run: the time limit of 2 s ended the program\n")


@pytest.mark.parametrize("profile", ["sandbox", "replay"])
def test_confinement_is_refused_in_one_line_and_nothing_runs(place: Path, profile: str) -> None:
    code, text, told = run(place, "run", "--profile", profile, "--", "0")
    assert (code, text) == (125, "")
    assert told.startswith("error[X07RUN_CANNOT_CONFINE]: ")
    assert "only Linux confines programs" in told.splitlines()[0]
    assert "Traceback" not in told


def test_policies_and_doctor_work(place: Path) -> None:
    code, policy, _ = run(place, "policy", "init", "job")
    (place / "job.json").write_text(policy)
    assert code == run(place, "policy", "check", "job.json")[0] == 0
    code, text, _ = run(place, "doctor")
    assert code == 0
    assert "only Linux confines programs" in text
