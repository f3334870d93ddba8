"""Programs on every AMQP client for Python: recorded on RabbitMQ, replayed without a network, refused by name."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from x07py.brokers.process import RunningBroker

PROGRAMS = Path(__file__).parent / "programs"
NOWHERE = "amqp://guest:guest@rabbit.example:5672/%2F"
RANDOM = ("--ignore-header", "correlation-id", "--ignore-header", "timestamp")
DECLARED = {
    "celery_prefork": ("--capture", "uuid", "--ignore-header", "origin", "--ignore-field", "$.date_done"),
    "dramatiq_actor": ("--capture", "uuid", "--ignore-field", "$.message_timestamp"),
    "taskiq_task": ("--capture", "uuid"),
}
"""What programs of frameworks have to declare, because it is another in each run."""
CLIENTS = (
    *DECLARED,
    "aio_pika_uvloop",
    "aio_pika_rpc",
    "kombu_queue",
    "pika_blocking",
    "pika_select",
    "pika_threads",
    "processes",
    "py_amqp",
)
PACKAGES = {
    "aio": "aiormq",
    "celery": "amqp",
    "dramatiq": "pika",
    "kombu": "amqp",
    "pika": "pika",
    "processes": "pika",
    "py": "amqp",
    "taskiq": "aiormq",
}
SWITCHED_OFF = """
import runpy, sys
from x07py import use_cassette
from x07py.errors import CassetteError
from x07py.wire import protocols

protocols.SWITCHED_OFF.add("AMQP 0-9-1")
try:
    with use_cassette("off.x07rr.bin"):
        try:
            runpy.run_path(sys.argv.pop(1), run_name="__main__")
        except Exception:
            pass
except CassetteError as error:
    print(error)
"""
WITHOUT_NETWORK = ("unshare", "-n") if os.getuid() == 0 else ()


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False)


def x07(*args: str) -> tuple[str, ...]:
    return (str(Path(sys.executable).parent / "x07"), *args)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_is_recorded_and_replayed_without_a_network(
    project: Path, live_amqp: RunningBroker, name: str
) -> None:
    program, cassette = str(PROGRAMS / f"{name}.py"), f"{name}.x07rr.bin"
    declared = DECLARED.get(name, RANDOM)
    command = x07("rr", "exec", "--cassette", cassette, *declared, "--", sys.executable, program)
    recorded = run(project, *command, f"amqp://guest:guest@{live_amqp.address}/%2F")
    assert recorded.returncode == 0, recorded.stderr
    assert recorded.stdout
    replayed = run(project, *WITHOUT_NETWORK, *command, NOWHERE)
    assert (replayed.returncode, replayed.stdout) == (0, recorded.stdout), replayed.stderr


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_is_refused_by_name_without_its_stand_in(project: Path, live_amqp: RunningBroker, name: str) -> None:
    (project / "off.py").write_text(SWITCHED_OFF)
    url = f"amqp://guest:guest@{live_amqp.address}/%2F"
    refused = run(project, sys.executable, "off.py", str(PROGRAMS / f"{name}.py"), url)
    assert "[X07_CASSETTE_CONNECTION]" in refused.stdout, refused.stderr
    assert f"connects to {live_amqp.address}, over AMQP 0-9-1" in refused.stdout
    assert PACKAGES[name.partition("_")[0]] in refused.stdout


KAFKA_IN_A_CHILD = """
import multiprocessing
from confluent_kafka import Producer
from x07py import use_cassette

def produce():
    Producer({"bootstrap.servers": "127.0.0.1:1"}).produce("t", "v")

if __name__ == "__main__":
    with use_cassette("k.x07rr.bin", allow_empty=True):
        child = multiprocessing.get_context("HOW").Process(target=produce)
        child.start()
        child.join(60)
"""


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_what_a_child_cannot_do_on_the_cassette_is_refused(project: Path, how: str) -> None:
    (project / "child.py").write_text(KAFKA_IN_A_CHILD.replace("HOW", how))
    done = run(project, sys.executable, "child.py")
    assert "[X07_CASSETTE_CONNECTION]" in done.stderr
    assert "from a child process, in which clients of confluent_kafka cannot be on the cassette" in done.stderr


def test_a_connection_that_is_no_brokers_is_listed_and_then_refused(project: Path, live_amqp: RunningBroker) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{server.getsockname()[1]}"
    (project / "web.py").write_text(
        f"import socket\nsocket.create_connection({server.getsockname()!r}).sendall(b'GET /')\n"
    )
    program = str(PROGRAMS / "py_amqp.py")
    (project / "both.py").write_text(f"import runpy\nrunpy.run_path('web.py')\nrunpy.run_path({program!r})\n")
    command = ("--cassette", "w.x07rr.bin", "--", sys.executable, "both.py")
    url = f"amqp://guest:guest@{live_amqp.address}/%2F"
    with server:
        recorded = run(project, *x07("rr", "exec", *command), url)
        assert recorded.returncode == 0, recorded.stderr
        assert f"not on the cassette: {address} (the program, web.py:2)" in recorded.stderr
        replayed = run(project, *x07("rr", "exec", *command), url)
        assert replayed.returncode == 125
        assert f"web.py:2 connects to {address}" in replayed.stderr
        named = run(project, *x07("rr", "exec", "--passthrough", address, *command), url)
        assert (named.returncode, named.stdout) == (0, recorded.stdout), named.stderr


def test_the_output_says_what_holds_a_replay(project: Path, live_amqp: RunningBroker) -> None:
    command = x07("rr", "exec", "--cassette", "h.x07rr.bin", "--", sys.executable, str(PROGRAMS / "py_amqp.py"))
    assert "network: open" in run(project, *command, f"amqp://guest:guest@{live_amqp.address}/%2F").stderr
    replayed = run(project, *command, NOWHERE)
    assert replayed.returncode == 0, replayed.stderr
    if WITHOUT_NETWORK:
        assert "network: none (kernel namespace)" in replayed.stderr


SERVICE = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("up", flush=True)
signal.pause()
"""


def test_signals_reach_the_program_and_are_waited_for(project: Path) -> None:
    (project / "service.py").write_text(SERVICE)
    command = x07("rr", "exec", "--cassette", "s.x07rr.bin", "--allow-empty", "--", sys.executable, "service.py")
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"up\n"
        started.terminate()
        assert started.wait(60) == 7
