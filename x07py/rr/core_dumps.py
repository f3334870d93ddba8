"""A process that records holds passwords and messages: its memory is not to lie about in a file when it crashes."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

_FILTER = Path("/proc/self/coredump_filter")
_NO_MEMORY = b"0"


def leave_memory_out() -> None:
    """Let core dumps of this process, and of those that it starts from now on, hold nothing of its memory.

    Two ways, since neither does alone: no limit holds a program that the system pipes dumps to, and the filter is
    Linux's own. Unlike a process that is not dumpable, this one can still be debugged and profiled.
    """
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with suppress(OSError):
        _FILTER.write_bytes(_NO_MEMORY)
