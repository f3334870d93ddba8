"""What a process that records leaves behind when it crashes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.project import REPOSITORY

PLANTED = "tok-SECRETabcdef0123456789"
CRASH = """
import os, resource, subprocess, sys
from contextlib import ExitStack
from pathlib import Path
from tests.rr.builders import opened
from x07py.rr import Mode

hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
Path("/proc/self/coredump_filter").write_text("0x33")  # the usual one: who started this may have recorded before
held = os.environ["PLANTED"] * 1000
other = ("#" * len(os.environ["PLANTED"])) * 1000  # registers are in every dump, and hold what was copied last
with ExitStack() as stack:
    if sys.argv[1] == "records":
        stack.enter_context(opened(Path.cwd(), Mode.RECORD))
    print(resource.getrlimit(resource.RLIMIT_CORE)[0], flush=True)
    print(Path("/proc/self/coredump_filter").read_text().strip(), flush=True)
    child = subprocess.run(["cat", "/proc/self/coredump_filter"], capture_output=True, text=True)
    print(child.stdout.strip(), flush=True)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))  # as if a program were piped the dump, which no limit holds
    os.abort()
"""


def crashed(folder: Path, how: str) -> tuple[list[str], bytes | None]:
    """Let a process crash; return what it printed, and its core dump if this machine writes one beside the program."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CRASH, how],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(REPOSITORY), "PLANTED": PLANTED, "HOME": str(folder)},
    )
    assert done.returncode == -signal.SIGABRT, done.stderr
    cores = sorted(folder.glob("core*"))
    return done.stdout.split(), cores[0].read_bytes() if cores else None


def test_a_crash_while_recording_leaves_no_memory(tmp_path: Path) -> None:
    _, usual = crashed(tmp_path / "usual", "only runs")
    said, core = crashed(tmp_path / "recording", "records")
    assert said == ["0", "00000000", "00000000"]
    if usual is not None:  # where the system pipes dumps elsewhere, the filter alone can be looked at
        assert PLANTED.encode() in usual
        assert core is not None
        assert PLANTED.encode() not in core
