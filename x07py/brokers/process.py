"""Development brokers as background processes: start, find and end them; their state stands in ``.x07/broker``.

The state file is written by the broker's own process once it answers, and names that process: its id and when it
started, so that an id which the system has given to another process is never taken for it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.errors import DriverError
from x07py.rr.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable

_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker that was started here: kind (``kafka``), flavour (``embedded``), address, process."""

    kind: str
    flavour: str
    address: str
    pid: int
    started: str

    def alive(self) -> bool:
        """Tell whether its process still runs."""
        return _started(self.pid) == self.started


def state_file(root: Path, kind: str) -> Path:
    """Return the file that describes the running broker of this kind."""
    return root / ".x07" / "broker" / f"{kind}.json"


def find_broker(root: Path, kind: str) -> RunningBroker | None:
    """Return the running broker of this kind, or None."""
    try:
        broker = RunningBroker(**json.loads(state_file(root, kind).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return broker if broker.alive() else None


def start_broker(root: Path, kind: str, topics: Iterable[str]) -> RunningBroker:
    """Start the embedded broker in the background and return when it answers; a running one is returned as it is.

    Args:
        root: the project.
        kind: ``kafka``.
        topics: topics that a new broker has from the start.

    Raises:
        DriverError: 9625 or 9626 from the broker's process, 9628 if it ended without saying why.
    """
    running = find_broker(root, kind)
    if running is not None:
        return running
    file = state_file(root, kind)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    log = file.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "x07py.brokers.host", str(file), *topics],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = find_broker(root, kind)
        if found is not None:
            return found
        time.sleep(0.02)
    process.kill()
    process.wait()
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    raise DriverError(
        9628, f"the {kind} broker did not start: {text or 'no answer'}", where=str(log), hint="see the log; try again"
    )


def stop_broker(root: Path, kind: str) -> bool:
    """End the broker and return True, or False if none runs.

    Raises:
        DriverError: 9628 if it has not ended after ten seconds.
    """
    broker = find_broker(root, kind)
    if broker is None:
        state_file(root, kind).unlink(missing_ok=True)
        return False
    os.kill(broker.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while broker.alive():
        if time.monotonic() > deadline:
            raise DriverError(9628, f"process {broker.pid} did not end", where=broker.address, hint="end it with kill")
        time.sleep(0.02)
    state_file(root, kind).unlink(missing_ok=True)
    return True


def announce(file: Path, kind: str, flavour: str, address: str) -> None:
    """Write the state file of the broker that runs in this process."""
    pid = os.getpid()
    broker = RunningBroker(kind, flavour, address, pid, _started(pid) or "")
    write_atomically(file, json.dumps(asdict(broker), sort_keys=True).encode())


def _started(pid: int) -> str | None:
    """Return when a living process started, in clock ticks since boot; None if there is none, or only its corpse."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
