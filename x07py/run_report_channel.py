"""What a program tells ``x07 run`` about itself as it ends: cassettes and budgets, for the report of the run.

It is told through a descriptor that the runner passes on, because a program in a solve world can write no file. What a
program says is its own word: the report marks it as such, and nothing is decided by it.
"""

from __future__ import annotations

import atexit
import json
import os
from contextlib import suppress
from typing import Any

ENV_REPORT_CHANNEL = "X07_RUN_REPORT"
MAX_BYTES = 1 << 20
_kept: dict[str, list[dict[str, Any]]] = {}


def wanted() -> bool:
    """Tell whether anybody asks for facts: whether this program runs under ``x07 run``."""
    return ENV_REPORT_CHANNEL in os.environ


def note(kind: str, row: dict[str, Any]) -> None:
    """Keep a row of facts to tell at exit; a row may change until then. Nothing is kept outside of ``x07 run``."""
    if not wanted():
        return
    if not _kept:
        atexit.register(_tell, os.getpid())
    _kept.setdefault(kind, []).append(row)


def kept(kind: str) -> bool:
    """Tell whether any row of a kind has been kept."""
    return kind in _kept


def _tell(process: int) -> None:
    if os.getpid() != process:
        return
    data = json.dumps(_kept, sort_keys=True).encode()
    with suppress(OSError, ValueError, KeyError):  # no place to tell, or too much to tell: the report has none
        handle = int(os.environ[ENV_REPORT_CHANNEL])
        if len(data) <= MAX_BYTES:
            os.pwrite(handle, data, 0)


def open_channel() -> int:
    """Return a descriptor for a program to tell its facts through; it cannot grow beyond `MAX_BYTES`."""
    if not hasattr(os, "memfd_create"):
        return _unnamed_file()
    import fcntl

    handle = os.memfd_create("x07-run-report", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(handle, MAX_BYTES)
    fcntl.fcntl(handle, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return handle


def _unnamed_file() -> int:
    """Return what stands in for a piece of memory where there are none: a file that has no name any more."""
    import tempfile

    handle, name = tempfile.mkstemp(prefix="x07-run-report-")
    with suppress(OSError):
        os.unlink(name)  # noqa: PTH108 (pathlib is not loaded otherwise)
    os.ftruncate(handle, MAX_BYTES)
    return handle


def read_channel(handle: int) -> dict[str, Any] | None:
    """Return what a program told, or None if it told nothing that can be meant; closes the descriptor."""
    told_anything = os.pread(handle, 1, 0) not in {b"", b"\0"}
    data = os.pread(handle, MAX_BYTES, 0).rstrip(b"\0") if told_anything else b""
    os.close(handle)
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
