"""Development brokers as background processes: start, find and end them; their state stands in ``.x07/broker``.

The state file names the broker's process: its id and when it started, so that an id which the system has given to
another process is never taken for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.brokers.answers import answers
from x07py.brokers.docker import compose_down, compose_up
from x07py.brokers.native import Launch, end_name_server, free_port, kafka_launch, rabbitmq_launch
from x07py.errors import DriverError
from x07py.rr.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 30.0
_STEP_S = 0.05
PORTS = {"kafka": 9092, "amqp": 5672}
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Brokers that this very process has started, so that their corpses are taken away when they end."""


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker that was started here: kind (``kafka``), flavour (``native``), address, process."""

    kind: str
    flavour: str
    address: str
    pid: int
    started: str

    def alive(self) -> bool:
        """Tell whether its process still runs; a container's process is not ours, so there the broker is asked."""
        if self.flavour == "docker":
            host, _, port = self.address.rpartition(":")
            return answers(self.kind, host, int(port))
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


@contextmanager
def starting(root: Path, kind: str) -> Iterator[None]:
    """Keep other processes from starting a broker of this kind in this project during the block."""
    file = state_file(root, kind).with_suffix(".lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start_embedded(root: Path, topics: Iterable[str]) -> RunningBroker:
    """Start the embedded Kafka in the background and return when it answers; a running broker is returned as it is.

    Args:
        root: the project.
        topics: topics that a new broker has from the start.

    Raises:
        DriverError: 9625 or 9626 from the broker's process, 9628 if it ended without saying why.
    """
    running = find_broker(root, "kafka")
    if running is not None:
        return running
    file = state_file(root, "kafka")
    launch = Launch([sys.executable, "-m", "x07py.brokers.host", str(file), *topics], {})
    _spawn(file, launch, lambda: find_broker(root, "kafka") is not None)
    return RunningBroker(**json.loads(file.read_bytes()))


def start_native(
    root: Path,
    kind: str,
    *,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> RunningBroker:
    """Start the real broker in the background and return when it answers; a running one is returned as it is.

    Args:
        root: the project; the broker's data stays in its ``.x07/broker`` folder from one start to the next.
        kind: ``kafka`` or ``amqp``.
        port: where it listens on 127.0.0.1; the broker's usual port if None, any free one if 0.
        settings: lines of server.properties (Kafka) or rabbitmq.conf on top of the usual ones.
        say: gets one line when something takes longer.

    Raises:
        DriverError: 9628 if it does not start, 9629 if a program that it needs is not installed.
    """
    running = find_broker(root, kind)
    if running is not None:
        return _answering(root, running)
    number = PORTS[kind] if port is None else port or free_port()
    _refuse_taken(number)
    file = state_file(root, kind)
    folder = file.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    more = settings or {}
    launch = kafka_launch(folder, number, more, say) if kind == "kafka" else rabbitmq_launch(folder, number, more)
    try:
        _spawn(file, launch, lambda: answers(kind, "127.0.0.1", number), f"127.0.0.1:{number}")
    except BaseException:
        if kind == "amqp":
            end_name_server(folder)
        raise
    return RunningBroker(**json.loads(file.read_bytes()))


def _answering(root: Path, broker: RunningBroker) -> RunningBroker:
    """Return a broker when it answers, which may take a while if the command that started it was killed."""
    host, _, port = broker.address.rpartition(":")
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not answers(broker.kind, host, int(port)):
        if time.monotonic() > deadline or not broker.alive():
            raise DriverError(
                9628,
                f"process {broker.pid}, the {broker.kind} broker at {broker.address}, does not answer",
                where=str(state_file(root, broker.kind).with_suffix(".log")),
                hint=f"x07 broker down {broker.kind}, then up again",
            )
        time.sleep(_STEP_S)
    return broker


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DriverError(
                9628,
                f"the broker cannot listen at 127.0.0.1:{port}: {error.strerror}",
                where="--port",
                hint="end what listens there, or take --port 0 for a free one",
            ) from None


def start_docker(root: Path, kind: str, *, port: int | None = None) -> RunningBroker:
    """Start the broker by docker compose and return when it answers; a running one is returned as it is.

    Args:
        root: the project.
        kind: ``kafka`` or ``amqp``.
        port: where it listens on 127.0.0.1; the broker's usual port if None, any free one if 0.

    Raises:
        DriverError: 9630 if no engine runs or compose fails, 9628 if the broker does not answer in time.
    """
    running = find_broker(root, kind)
    if running is not None:
        return running
    number = PORTS[kind] if port is None else port or free_port()
    compose_up(kind, number)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not answers(kind, "127.0.0.1", number):
        if time.monotonic() > deadline:
            raise DriverError(9628, f"the {kind} container does not answer", hint="see docker compose logs")
        time.sleep(_STEP_S)
    file = state_file(root, kind)
    file.parent.mkdir(parents=True, exist_ok=True)
    announce(file, kind, "docker", f"127.0.0.1:{number}", 0)
    return RunningBroker(**json.loads(file.read_bytes()))


def _spawn(file: Path, launch: Launch, ready: Callable[[], bool], address: str = "") -> None:
    """Start a background process and return when `ready` says so; end it if that takes too long.

    With an address the state file is there from the start, so that `down` ends the broker also if this process is
    killed while it waits.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    _take_away_corpses()
    log = file.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            launch.command,
            env={**os.environ, **launch.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        if address:
            announce(file, file.stem, "native", address, process.pid)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            if ready():
                _children[process.pid] = process
                return
            time.sleep(_STEP_S)
    except BaseException:
        _end_group(process)
        file.unlink(missing_ok=True)
        raise
    _end_group(process)
    file.unlink(missing_ok=True)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    raise DriverError(
        9628,
        f"the {file.stem} broker did not start: {' / '.join(lines) or 'no answer'}",
        where=str(log),
        hint="see the log",
    )


def _take_away_corpses() -> None:
    """Take note of the brokers of this process that have ended by themselves or were killed."""
    for pid in [pid for pid, process in _children.items() if process.poll() is not None]:
        del _children[pid]


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop_broker(root: Path, kind: str) -> bool:
    """End the broker and return True, or False if none runs.

    Raises:
        DriverError: 9628 if it has not ended after half a minute, 9630 if docker compose fails.
    """
    broker = find_broker(root, kind)
    if broker is not None and broker.flavour == "docker":
        compose_down(kind)
    elif broker is not None:
        os.kill(broker.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while broker.alive():
            if time.monotonic() > deadline:
                raise DriverError(
                    9628, f"process {broker.pid} did not end", where=broker.address, hint="end it with kill"
                )
            time.sleep(_STEP_S)
        if broker.pid in _children:
            _children.pop(broker.pid).wait()
    _take_away_corpses()
    state_file(root, kind).unlink(missing_ok=True)
    if kind == "amqp":
        end_name_server(state_file(root, kind).with_suffix(""))
    return broker is not None


def announce(file: Path, kind: str, flavour: str, address: str, pid: int) -> None:
    """Write the state file of a broker."""
    broker = RunningBroker(kind, flavour, address, pid, _started(pid) or "")
    write_atomically(file, json.dumps(asdict(broker), sort_keys=True).encode())


def _started(pid: int) -> str | None:
    """Return when a living process started, in clock ticks since boot; None if there is none, or only its corpse.

    It lives as long as one of its threads does: those of a killed broker may hold its port when the first is gone.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" and fields[17] == "1" else fields[19]
