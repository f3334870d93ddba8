"""The audit log: each decision about an access of a sandboxed program, one JSON object a line."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TextIO

from x07py.contracts.loader import parse_json
from x07py.errors import RunError
from x07py.files import open_folder, open_in, read_file
from x07py.run.own_files import check_own_file
from x07py.sandbox.network import parse_text
from x07py.sandbox.notifications import Access
from x07py.sandbox.unix_sockets import UnixRules

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from x07py.run.hosts import HostRule
    from x07py.run.plan import RunPlan

_MOST_BYTES = 2**30
_FIELDS = {"kind": str, "target": str, "allowed": bool, "pid": int, "process": str}


class AuditLog:
    """Appends decisions to a file before they take effect; a decision that cannot be written is a refusal.

    Args:
        path: the file; lines are added to what it holds.
        plan: what was granted, to name the grant that decided.

    Raises:
        RunError: ``X07RUN_FILE`` if the file cannot be written.
    """

    def __init__(self, path: Path, plan: RunPlan) -> None:
        self._lock = threading.Lock()
        self._plan = plan
        whole = check_own_file(path, plan.root, "--audit")
        try:
            self._file = _appending(whole)
        except OSError as error:
            raise RunError(
                "X07RUN_FILE", f"cannot write: {error.strerror}", where=str(path), hint="check the path of --audit"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, access: Access) -> None:
        """Add one line."""
        line = {name: getattr(access, name) for name in _FIELDS} | {
            "time": datetime.now(UTC).isoformat(),
            "world": self._plan.world,
            "rule": self._rule(access),
        }
        with self._lock:
            self._file.write(json.dumps(line, sort_keys=True) + "\n")
            self._file.flush()

    def _rule(self, access: Access) -> str | None:
        """Return the grant or the denial that decided, as its option was written."""
        if self._plan.observe:
            return "--learn"
        if access.target.startswith(("/", "@")) and access.kind in {"connect", "listen"}:
            unix = (one for one in self._plan.unix if UnixRules((one.target,)).permits(access.target))
            return next((f"{one.source} {one.target}" for one in unix), None)
        address = parse_text(access.target)
        granted = self._plan.allow if access.kind == "connect" else self._plan.listen
        rules: tuple[HostRule, ...] = granted if access.allowed else self._plan.deny
        for rule in rules:
            if address is not None and any(one.covers(address) for one in rule.ranges):
                return f"{rule.source} {rule.text}"
        return None


def _appending(path: Path) -> TextIO:
    """Open a file that nothing else is a name of, and that is none of a program's pipes."""
    folder = open_folder(path.parent)
    try:
        handle = open_in(folder, path.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
    finally:
        os.close(folder)
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        os.close(handle)
        raise OSError(errno.EMLINK, "it has another name as well, which a program may have given it")
    return open(handle, "a", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123


def read_audit(path: Path) -> list[Access]:
    """Return the decisions of an audit log.

    Raises:
        RunError: ``X07RUN_FILE`` if it cannot be read or a line is not one of an audit log.
    """
    try:
        lines = read_file(path, limit=_MOST_BYTES).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise RunError("X07RUN_FILE", f"cannot read: {why}", where=str(path), hint="check the path") from None
    return [_access(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]


def _access(line: str, where: str) -> Access:
    try:
        row: Any = parse_json(line)
        fields = {name: row[name] for name in _FIELDS}
    except (ValueError, RecursionError, KeyError, TypeError):
        fields = {}
    if not fields or not all(isinstance(fields[name], kind) for name, kind in _FIELDS.items()):
        raise RunError("X07RUN_FILE", "not a line of an audit log", where=where, hint="give a file of --audit")
    return Access(**fields)
