"""What passes between the supervisor and those who answer for it: a waiting call, a refusal, a decision."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, NamedTuple

from x07py.sandbox.network import parse

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_TARGETS = 1024
UNKNOWN_PROGRAM = "unknown program"
UNREADABLE = "an address that cannot be read"


class SystemCall(NamedTuple):
    """One system call that waits for an answer."""

    id: int
    pid: int
    number: int
    args: tuple[int, ...]


class Access(NamedTuple):
    """What was decided about one access of the program.

    Args:
        kind: connect, listen or resolve; read, write or run.
        target: the address, the path, or ``@NAME`` for an abstract Unix socket.
        allowed: whether it was let through.
        pid: process, as the supervisor counts them.
        process: its name.
    """

    kind: str
    target: str
    allowed: bool
    pid: int
    process: str


class Refused(Exception):  # noqa: N818 (an answer, not a failure)
    """The answer to a call is an error number."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Denial:
    """A call that was refused, how often, and by whom: ``kind`` as of an `Access`."""

    def __init__(self, kind: str, target: str, pid: int, process: str, count: int = 1) -> None:
        self.kind, self.target, self.pid, self.process, self.count = kind, target, pid, process, count


class Denials:
    """What was refused in a run; any thread may add.

    Growth: one row for each target and program, at most 1,024; what comes after is counted in one more.

    Args:
        on_first: called at the first denial of each.
    """

    def __init__(self, on_first: Callable[[Denial], None] | None = None) -> None:
        self._on_first = on_first
        self._rows: dict[tuple[str, str, str], Denial] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, target: str, pid: int, process: str) -> None:
        """Count one denial."""
        with self._lock:
            known = self._rows.get((kind, target, process))
            if known is None and len(self._rows) >= _MAX_TARGETS:
                target, process = "more targets", UNKNOWN_PROGRAM
                known = self._rows.get((kind, target, process))
            if known is not None:
                known.count += 1
                return
            first = self._rows[kind, target, process] = Denial(kind, target, pid, process)
        if self._on_first is not None:
            self._on_first(first)

    def rows(self) -> list[Denial]:
        """Return all of them, sorted."""
        with self._lock:
            return sorted(self._rows.values(), key=lambda one: (one.kind, one.target, one.process))


def process_name(pid: int) -> str:
    """Return the name of a thread, or `UNKNOWN_PROGRAM`."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return UNKNOWN_PROGRAM


def target_of(data: bytes) -> str:
    """Return how a denial names what a ``struct sockaddr`` means."""
    return str(parse(data) or f"address family {struct.unpack_from('=H', data)[0]}")


def unix_target(name: bytes) -> str:
    """Return how an abstract name of a Unix socket is written: ``@NAME``."""
    return "@" + name[1:].decode(errors="backslashreplace").replace("\0", "\\0")
