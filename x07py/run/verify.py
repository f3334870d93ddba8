"""Runs a program several times under different conditions, and shows the first byte in which two runs differ."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from x07py.errors import RunError

_CONDITIONS = (
    {"TZ": "UTC", "LANG": "C"},
    {"TZ": "Asia/Kolkata", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "7"},
    {"TZ": "America/New_York", "LANG": "C.UTF-8", "PYTHONHASHSEED": "random"},
)
_CONTEXT = 60


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run shows to the outside; `report` is empty if the program was not run."""

    code: int
    output: bytes
    errors: bytes
    report: bytes


def verify(args: list[str], times: int, root: Path) -> Observed:
    """Run ``x07 run ARGS`` `times` times, each with a report, and return what all runs showed.

    The runs differ in time, entropy, environment, working folder (where the project has a subfolder) and load.

    Raises:
        RunError: ``X07RUN_NOT_DETERMINISTIC`` with the first difference.
    """
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))][:2]
    with tempfile.TemporaryDirectory(prefix="x07-verify-") as place:
        first = _observe(args, 0, folders, Path(place))
        for number in range(1, times):
            other = _observe(args, number, folders, Path(place))
            if other != first:
                raise _differs(first, other, number + 1)
    return first


def _observe(args: list[str], number: int, folders: list[Path], place: Path) -> Observed:
    report = place / str(number)
    env = {**os.environ, **_CONDITIONS[number % len(_CONDITIONS)], "X07_VERIFY_NOISE": secrets.token_hex(number + 1)}
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if number % 2 else None
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from x07py.cli.entry import main; main()", "run", "--report", report, *args],
            cwd=folders[number % len(folders)],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    finally:
        if busy is not None:
            busy.kill()
            busy.wait()
    told = report.read_bytes() if report.exists() else b""
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
