"""Runs a program several times under different conditions, and shows the first byte in which two runs differ."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.errors import RunError
from x07py.files import read_file
from x07py.run.plan import EXIT_CANNOT, EXIT_REFUSED
from x07py.sandbox import kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONDITIONS = (
    {"TZ": "UTC", "LANG": "C"},
    {"TZ": "Asia/Kolkata", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "7"},
    {"TZ": "America/New_York", "LANG": "C.UTF-8", "PYTHONHASHSEED": "random"},
)
_SWEEP = """
import pathlib, sys
sys.path[:0] = sys.argv[1:2]
from x07py.files import remove_tree
sys.stdin.read()
remove_tree(pathlib.Path(sys.argv[2]))
"""
"""Waits until nobody holds the other end of its standard input."""
_CONTEXT, _MOST_BYTES = 60, 2**28


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run shows to the outside; `report` is empty if the program was not run."""

    code: int
    output: bytes
    errors: bytes
    report: bytes

    @property
    def refused(self) -> bool:
        """Whether it was refused or could not be started, so that it shows nothing about the program."""
        return not self.report or self.code in {EXIT_CANNOT, EXIT_REFUSED}


def verify(args: list[str], times: int, root: Path) -> Observed:
    """Run ``x07 run ARGS`` `times` times, each with a report, and return what all runs showed.

    The runs differ in time, entropy, environment, working folder (where the project has a subfolder) and load.

    Raises:
        RunError: ``X07RUN_NOT_DETERMINISTIC`` with the first difference.
    """
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))][:2]
    with _swept_folder() as place:
        first = _observe(args, 0, folders, place)
        for number in range(1, times):
            other = _observe(args, number, folders, place)
            if other != first:
                raise _differs(first, other, number + 1)
    return first


def try_schedules(args: list[str], times: int, root: Path) -> tuple[Observed, int, Observed | None]:
    """Run ``x07 run ARGS`` in the usual order of turns and then in others, until one run shows something else.

    Returns:
        What the usual order showed; the seed of the order that showed something else, and what; None for none.
    """
    with _swept_folder() as place:
        usual = _observe(args, 0, [root], place)
        for seed in range(1, times + 1 if not usual.refused else 0):
            other = _observe(["--schedule-seed", str(seed), *args], 0, [root], place)
            if (other.code, other.output, other.errors) != (usual.code, usual.output, usual.errors):
                return usual, seed, other
    return usual, 0, None


@contextmanager
def _swept_folder() -> Iterator[Path]:
    """Give a folder that goes with this process, however it ends: another one removes it when this one is gone."""
    place = tempfile.mkdtemp(prefix="x07-verify-")
    sweeping = [sys.executable, "-I", "-c", _SWEEP, str(Path(__file__).parents[2]), place]
    with subprocess.Popen(sweeping, stdin=subprocess.PIPE, start_new_session=True):
        yield Path(place)


def _die_with_parent() -> None:
    if kernel.LINUX:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _observe(args: list[str], number: int, folders: list[Path], place: Path) -> Observed:
    report = place / str(number)
    env = {**os.environ, **_CONDITIONS[number % len(_CONDITIONS)], "X07_VERIFY_NOISE": secrets.token_hex(number + 1)}
    env["TMPDIR"] = str(place)
    spinning = [sys.executable, "-c", "while True: pass"]
    busy = subprocess.Popen(spinning, preexec_fn=_die_with_parent) if number % 2 else None  # noqa: PLW1509
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", "from x07py.cli.start import main; main()", "run", "--report", report, *args],
            cwd=folders[number % len(folders)],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            preexec_fn=_die_with_parent,
        )
    finally:
        if busy is not None:
            busy.kill()
            busy.wait()
    told = read_file(report, limit=_MOST_BYTES) if report.exists() else b""
    return Observed(done.returncode, done.stdout, done.stderr, told)


def _differs(first: Observed, other: Observed, number: int) -> RunError:
    for name in ("code", "output", "errors", "report"):
        one, two = getattr(first, name), getattr(other, name)
        if one != two:
            break
    if name == "code":
        shown = f"exit code {one} in run 1, {two} in run {number}"
    else:
        pairs = enumerate(zip(one, two, strict=False))
        at = next((index for index, pair in pairs if pair[0] != pair[1]), min(len(one), len(two)))
        part = slice(max(0, at - _CONTEXT // 2), at + _CONTEXT)
        shown = f"{name}, byte {at}: {one[part]!r} in run 1, {two[part]!r} in run {number}"
    return RunError(
        "X07RUN_NOT_DETERMINISTIC",
        f"two runs differ: {shown}",
        hint="what differs depends on something outside: threads, file times, the machine",
    )
