"""Traces the system calls of this process's children by the kernel's own tracing, which a sandbox does not notice.

strace cannot: x07 traces a program itself when it starts it in a solve world. Needs root and a kernel with
CONFIG_FTRACE_SYSCALLS; growth: one line a call that is looked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Self

from x07py.sandbox.kernel import syscall_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

ROOT = Path("/sys/kernel/tracing")
NETWORK = ("socket", "connect", "bind", "listen", "accept", "accept4", "io_uring_setup")
"""Nothing reaches a network without one of these; a socketpair leads nowhere."""
_CALL = re.compile(r"sys_enter: NR (\d+) ")


class Trace:
    """Counts calls of all children that start between its beginning and its end, and of theirs.

    Args:
        names: the calls to look for.
    """

    def __init__(self, names: Iterable[str]) -> None:
        numbers = syscall_numbers()
        self._names = {numbers[name]: name for name in names}
        self._folder = ROOT / "instances" / f"x07-{os.getpid()}"
        self.calls: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            SystemExit: this machine cannot trace.
        """
        try:
            if not (ROOT / "instances").exists():
                subprocess.run(["mount", "-t", "tracefs", "tracefs", ROOT], check=True, capture_output=True)
            self._folder.mkdir()
            self._write("options/event-fork", "1")
            self._write("set_event_pid", str(os.getpid()))
            self._write("events/raw_syscalls/sys_enter/filter", " || ".join(f"id == {one}" for one in self._names))
            self._write("events/raw_syscalls/sys_enter/enable", "1")
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"cannot trace system calls here: {error}; it takes root and a kernel with CONFIG_FTRACE_SYSCALLS")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop, and count what was seen."""
        self._write("events/raw_syscalls/sys_enter/enable", "0")
        text = (self._folder / "trace").read_text()
        stats = "".join(path.read_text() for path in self._folder.glob("per_cpu/*/stats"))
        lost = sum(int(count) for count in re.findall(r"^overrun: (\d+)", stats, re.MULTILINE))
        self._folder.rmdir()
        if lost:
            sys.exit(f"the trace lost {lost} events, so it proves nothing")
        self.calls = Counter(self._names[int(number)] for number in _CALL.findall(text))

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)
