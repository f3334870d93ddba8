"""Development brokers as background processes: start, find and end them.

What runs stands in the user's runtime folder, what a broker keeps in the user's state folder, both by the project's
path: a file of a checkout is neither an address for a shell nor a process to end. The state file names the broker's
process: its id and when it started, so that an id which the system has given to another process is never taken for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.brokers.docker import compose_down, compose_up
from x07py.brokers.health import answers
from x07py.brokers.kinds import ADDED, PORTS
from x07py.brokers.native import Launch, end_name_server, free_port, kafka_launch, rabbitmq_launch
from x07py.errors import DevelopmentBrokerError
from x07py.files import load_json, read_file, replace_file
from x07py.files.own import project_id, runtime_folder, state_folder
from x07py.rr.secret_names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 30.0
_STEP_S = 0.05
_STATE_BYTES, _LOG_BYTES = 8192, 2**28
_PROJECT = "project"
_PASSWORD = re.compile(r"://[^/\s:@]{0,256}:[^/\s@]{1,4096}@")
_ADDRESS = re.compile(r"[A-Za-z0-9.-]{1,253}:[0-9]{1,5}")
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
    """Return the file that describes the running broker of this kind: in a folder of the user, never in the checkout.

    Raises:
        FileError: ``X07IO_WRITE`` if the user has no such folder.
    """
    return runtime_folder(root) / f"broker-{project_id(root)}-{kind}.json"


def broker_folder(root: Path, kind: str) -> Path:
    """Return the folder of a native broker's data and configuration; its log stands beside it, as ``KIND.log``.

    It is not the project's: a broker runs what its configuration and its home folder say.

    Raises:
        FileError: ``X07IO_WRITE`` if the user has no folder for state.
    """
    return state_folder(root) / "broker" / project_id(root) / kind


def find_broker(root: Path, kind: str) -> RunningBroker | None:
    """Return the running broker of this kind, or None."""
    broker = _described(state_file(root, kind))
    return broker if broker is not None and broker.kind == kind and broker.alive() else None


def _described(file: Path) -> RunningBroker | None:
    """Return the broker that a state file describes; None for a file that describes none."""
    try:
        row = load_json(read_file(file, limit=_STATE_BYTES))
        broker = RunningBroker(row["kind"], row["flavour"], row["address"], row["pid"], row["started"])
    except (OSError, ValueError, TypeError, LookupError):
        return None
    texts = (broker.kind, broker.flavour, broker.address, broker.started)
    if not all(isinstance(text, str) for text in texts) or type(broker.pid) is not int:
        return None
    return broker if _ADDRESS.fullmatch(broker.address) and (broker.pid > 1 or broker.flavour == "docker") else None


def _announced(file: Path) -> RunningBroker:
    broker = _described(file)
    if broker is None:
        raise DevelopmentBrokerError(9628, "the broker's state was lost", where=str(file), hint="start it again")
    return broker


@contextmanager
def starting(root: Path, kind: str) -> Iterator[None]:
    """Keep other processes from starting a broker of this kind in this project during the block."""
    with state_file(root, kind).with_suffix(".lock").open("wb") as lock:
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
    launch = Launch([sys.executable, "-P", "-m", "x07py.brokers.host", str(file), *topics], {})
    _spawn(file, _log(root, "kafka"), launch, lambda: find_broker(root, "kafka") is not None)
    return _announced(file)


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
        kind: ``kafka``, ``amqp`` or one of `x07py.brokers.kinds.ADDED`.
        port: where it listens on 127.0.0.1; the broker's usual port if None, any free one if 0.
        settings: lines of server.properties (Kafka) or rabbitmq.conf on top of the usual ones.
        say: gets one line when something takes longer.

    Raises:
        DriverError: 9628 if it does not start, 9629 if a program that it needs is not installed.
    """
    running = find_broker(root, kind)
    if running is not None and _comes_to_answer(root, running):
        return running
    number = PORTS[kind] if port is None else port or free_port()
    _refuse_taken(number)
    file = state_file(root, kind)
    _sweep(root)
    folder = broker_folder(root, kind)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    launch = _launch(root, kind, number, settings or {}, say)
    try:
        _spawn(file, _log(root, kind), launch, lambda: answers(kind, "127.0.0.1", number), f"127.0.0.1:{number}")
    except BaseException:
        if kind == "amqp":
            end_name_server(folder)
        raise
    return _announced(file)


def _launch(root: Path, kind: str, port: int, settings: Mapping[str, str], say: Callable[[str], None]) -> Launch:
    folder = broker_folder(root, kind)
    if kind in ADDED:
        return Launch(ADDED[kind].command(folder, port), {})
    if kind == "kafka":
        return kafka_launch(folder, port, settings, say, project=root)
    return rabbitmq_launch(folder, port, settings)


def _comes_to_answer(root: Path, broker: RunningBroker) -> bool:
    """Tell whether a broker answers or ends: both may take a while if it is starting or shutting down.

    Raises:
        DriverError: 9628 if it does neither in time.
    """
    host, _, port = broker.address.rpartition(":")
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not answers(broker.kind, host, int(port)):
        if not broker.alive():
            return False
        if time.monotonic() > deadline:
            raise DevelopmentBrokerError(
                9628,
                f"process {broker.pid}, the {broker.kind} broker at {broker.address}, does not answer",
                where=str(_log(root, broker.kind)),
                hint=f"x07 broker down {broker.kind}, then up again",
            )
        time.sleep(_STEP_S)
    return True


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DevelopmentBrokerError(
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
            raise DevelopmentBrokerError(9628, f"the {kind} container does not answer", hint="see docker compose logs")
        time.sleep(_STEP_S)
    file = state_file(root, kind)
    announce(file, kind, "docker", f"127.0.0.1:{number}", 0)
    return _announced(file)


def _log(root: Path, kind: str) -> Path:
    """Return the log of a broker in the background."""
    log = log_file(root, kind)
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(log.with_name(_PROJECT), os.fsencode(root.resolve()))
    return log


def log_file(root: Path, kind: str) -> Path:
    """Return where a broker in the background logs.

    Raises:
        FileError: ``X07IO_WRITE`` if the user has no folder for state.
    """
    return broker_folder(root, kind).with_suffix(".log")


def _sweep(root: Path) -> None:
    """Remove the data of brokers whose projects are gone."""
    for note in broker_folder(root, "").parent.glob(f"*/{_PROJECT}"):
        with suppress(OSError):
            project = Path(os.fsdecode(read_file(note, limit=_STATE_BYTES)))
            if not project.exists() and not any(find_broker(project, kind) for kind in PORTS):
                shutil.rmtree(note.parent)


def _harmless(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables without those that hold secrets: a broker needs none, and shows its own in ``/proc``."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("X07_SECRET_") and not is_secret_name(name) and not _PASSWORD.search(value)
    }


def _spawn(file: Path, log: Path, launch: Launch, ready: Callable[[], bool], address: str = "") -> None:
    """Start a background process and return when `ready` says so; end it if that takes too long.

    With an address the state file is there from the start, so that `down` ends the broker also if this process is
    killed while it waits.
    """
    file.unlink(missing_ok=True)
    _take_away_corpses()
    with log.open("wb") as output:
        process = subprocess.Popen(
            launch.command,
            cwd=log.parent,  # not the project's folder, where Erlang would run a .erlang
            env={**_harmless(os.environ), **launch.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        if address:
            announce(file, log.stem, "native", address, process.pid)
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
    lines = read_file(log, limit=_LOG_BYTES).decode("utf-8", "replace").strip().splitlines()[-5:]
    raise DevelopmentBrokerError(
        9628,
        f"the {log.stem} broker did not start: {' / '.join(lines) or 'no answer'}",
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
                raise DevelopmentBrokerError(
                    9628, f"process {broker.pid} did not end", where=broker.address, hint="end it with kill"
                )
            time.sleep(_STEP_S)
        if broker.pid in _children:
            _children.pop(broker.pid).wait()
    _take_away_corpses()
    state_file(root, kind).unlink(missing_ok=True)
    if kind == "amqp":
        end_name_server(broker_folder(root, kind))
    return broker is not None


def announce(file: Path, kind: str, flavour: str, address: str, pid: int) -> None:
    """Write the state file of a broker."""
    broker = RunningBroker(kind, flavour, address, pid, _started(pid) or "")
    replace_file(file, json.dumps(asdict(broker), sort_keys=True).encode(), mode=0o600)


def _started(pid: int) -> str | None:
    """Return when a living process started, in clock ticks since boot; None if there is none, or only its corpse.

    It lives as long as one of its threads does: those of a killed broker may hold its port when the first is gone.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" and fields[17] == "1" else fields[19]
