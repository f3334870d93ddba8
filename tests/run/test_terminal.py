"""Job control on a real terminal: a shell in a pseudo-terminal stops, continues and interrupts a run."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

PROGRAM = """
import sys, time
try:
    print("ready", flush=True)
    for _ in range(600): time.sleep(0.1)
except KeyboardInterrupt:
    print("inter" + "rupted", flush=True); sys.exit(7)
"""
SHORT = 'print("done here")\n'


class Terminal:
    """An interactive shell, and what it shows."""

    def __init__(self, folder: Path) -> None:
        self.shown = ""
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            env = {**os.environ, "PATH": path, "PS1": "$ ", "TERM": "dumb"}
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], env)

    def type(self, text: str) -> None:
        os.write(self.handle, text.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` is shown, and forget what came before its end."""
        end = time.monotonic() + 120
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} was not shown in two minutes, but {self.shown!r}"
            if select.select([self.handle], [], [], 1)[0]:
                self.shown += os.read(self.handle, 4096).decode(errors="replace")
        self.shown = self.shown.partition(text)[2]

    def wait_for_hand_over(self) -> None:
        """Return when a command has the terminal, which the shell gives it after it has printed the command."""
        while os.tcgetpgrp(self.handle) == self.pid:
            time.sleep(0.01)


@pytest.fixture
def terminal(project: Path) -> Iterator[Terminal]:
    (project / "app.py").write_text(PROGRAM)
    (project / "short.py").write_text(SHORT)
    (project / "x07.toml").write_text('entry = "app.py"\n')
    shell = Terminal(project)
    yield shell
    os.close(shell.handle)
    with suppress(ChildProcessError):
        os.waitpid(shell.pid, 0)


@pytest.mark.parametrize("profile", ["sandbox", "os"])
def test_a_run_stops_continues_and_is_interrupted_by_the_terminal(terminal: Terminal, profile: str) -> None:
    terminal.type(f"x07 run --profile {profile}\n")
    terminal.wait_for("ready")
    terminal.type("\x1a")
    terminal.wait_for("Stopped")
    terminal.type("echo the shell is ba''ck\n")
    terminal.wait_for("the shell is back")
    terminal.type("fg\n")
    terminal.wait_for("x07 run")
    terminal.wait_for_hand_over()
    terminal.type("\x03")
    terminal.wait_for("interrupted")
    terminal.type("echo code $?\n")
    terminal.wait_for("code 7")


def test_a_terminal_gets_a_summary(terminal: Terminal) -> None:
    terminal.type("x07 run --profile sandbox --entry short.py\n")
    terminal.wait_for("done here")
    terminal.wait_for("x07 run: run-os-sandboxed (sandbox): exit code 0")
    terminal.type("x07 run --profile sandbox --entry short.py 2>/dev/null; echo quiet\n")
    terminal.wait_for("done here\r\nquiet")
