"""``x07 arch watch`` as a process: one check at first, one after each burst of saves, and Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.arch.trees import manifest, node, run, write
from tests.support.project import x07
from x07py.arch.watch import inputs_before, inputs_of, wait_for_change

WATCHING = b"Ctrl-C ends"
PATIENCE_S = 120


class Watch:
    """A running watch and what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.process = process
        self.text = b""
        self._output = output

    def after(self, checks: int) -> bytes:
        """Return everything printed until that many checks were made."""
        ends = time.monotonic() + PATIENCE_S
        while self.text.count(WATCHING) < checks:
            assert time.monotonic() < ends, self.text
            self.text += os.read(self._output, 65536)
        return self.text

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the watch for the block, so that all that is saved in it is one burst to it."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        yield
        self.process.send_signal(signal.SIGCONT)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


@contextmanager
def watching(root: Path, *options: str, terminal: bool = False) -> Iterator[Watch]:
    ends = pty.openpty() if terminal else os.pipe()
    program = Path(sys.executable).parent / "x07"
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([program, "arch", "watch", *options], cwd=root, stdout=ends[1], stderr=ends[1], env=env)
    os.close(ends[1])
    try:
        yield Watch(process, ends[0])
    finally:
        process.kill()
        process.wait()
        os.close(ends[0])


def test_saves_that_go_on_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, manifest(node("a")), {"a.py": ""})
    saves = iter(["", "import", "import json", None, "import json, re", "import json, re\n", None])
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        """Save in a pause, as an editor or a formatter does; None saves nothing."""
        pauses.append(seconds)
        if text := next(saves):
            (tmp_path / "a.py").write_text(text)

    monkeypatch.setattr(time, "sleep", sleep)
    for expected in (4, 3):
        seen = inputs_of(tmp_path, inputs_before(tmp_path, []), run(tmp_path))
        wait_for_change(tmp_path, seen)
        assert len(pauses) == expected
        pauses.clear()


def test_each_burst_of_saves_gives_one_check(tmp_path: Path) -> None:
    write(tmp_path, manifest(node("a")), {"a.py": ""})
    with watching(tmp_path) as watch:
        assert b": 0 errors" in watch.after(1)
        with watch.stopped():
            (tmp_path / "a.py").write_text("import numpy\n")
            (tmp_path / "b.py").write_text("")
        assert watch.after(2).count(b": 2 errors") == 1
        (tmp_path / "b.py").unlink()
        watch.after(3)
        with watch.stopped():
            (tmp_path / "x07.toml").write_text("[arch]\nmodule_root = []\n")
        assert watch.after(4).count(b"E_ARCH_SETTINGS") == 1
        with watch.stopped():
            (tmp_path / "x07.toml").unlink()
            (tmp_path / "arch/manifest.x07arch.json").write_text("{")
        assert watch.after(5).count(b"E_ARCH_MANIFEST_JSON_PARSE") == 1
        with watch.stopped():
            write(tmp_path, manifest(node("a")), {"a.py": "pass\n"})
        text = watch.after(6)
        assert text.count(b"] checking") == 6
        assert text.count(b": 0 errors") == 2
        assert b"\x1b" not in text
        assert watch.interrupt() == 130


def test_a_terminal_keeps_what_it_showed_and_a_baseline_is_watched(tmp_path: Path) -> None:
    write(tmp_path, manifest(node("a")), {"a.py": "import numpy\n"})
    x07("arch", "check", "--baseline", "base.json", "--update-baseline", cwd=tmp_path)
    with watching(tmp_path, "--baseline", "base.json", terminal=True) as watch:
        assert b"1 in the baseline" in watch.after(1)
        (tmp_path / "base.json").unlink()
        assert b"there is no baseline" in watch.after(2)
        assert b"\x1b[2J" not in watch.text
        assert watch.text.count("─".encode() * 20) >= 2
        assert watch.interrupt() == 130


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    done = x07("arch", "watch", "--repo-root", "nowhere", cwd=tmp_path)
    assert (done.returncode, "E_ARCH_ROOT" in done.stderr) == (3, True)
