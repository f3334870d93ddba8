"""The real brokers by ``x07 broker``: started once, answering, ended, found where they already run; clear errors."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cli.test_bad_input import refused
from tests.cli.test_reports import report
from tests.support.project import x07
from x07py.brokers.health import answers
from x07py.brokers.native import fetch_kafka
from x07py.brokers.process import RunningBroker, broker_folder, find_broker, state_file
from x07py.errors import DriverError

KINDS = ("kafka", "amqp")


def started_once(project: Path, kind: str) -> dict[str, Any]:
    """Hold that a broker that was started here is known, answers, is not started again, and is found elsewhere."""
    first: dict[str, Any] = report("broker", "up", kind, "--native", "--port", "0", cwd=project)["broker"]
    assert first["flavour"] == "native"
    host, _, port = first["address"].rpartition(":")
    assert answers(kind, host, int(port))
    assert report("broker", "up", kind, "--native", cwd=project)["broker"] == first
    assert report("broker", "status", kind, cwd=project)["broker"] == first
    found = report("broker", "up", kind, "--port", port, cwd=project.parent)["broker"]
    assert (found["flavour"], found["address"], found["pid"]) == ("found", first["address"], 0)
    return first


@pytest.mark.live
def test_a_kafka_whose_start_was_killed_is_taken_up_and_ended(project: Path) -> None:
    """The command is killed while the broker starts: `up` waits for that very broker, `down` ends it."""
    command = [str(Path(sys.executable).with_name("x07")), "broker", "up", "kafka", "--native", "--port", "0"]
    state = state_file(project, "kafka")
    with subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
        while not state.exists():
            assert starting.poll() is None
            time.sleep(0.02)
        starting.kill()
    try:
        begun = find_broker(project, "kafka")
        assert begun is not None
        first = started_once(project, "kafka")
        assert (first["pid"], first["address"]) == (begun.pid, begun.address)
    finally:
        assert report("broker", "down", "kafka", cwd=project)["ended"] is True
    host, _, port = first["address"].rpartition(":")
    assert not answers("kafka", host, int(port))
    assert find_broker(project, "kafka") is None
    assert left_of(broker_folder(project, "kafka")) == []
    assert report("broker", "down", "kafka", cwd=project)["ended"] is False


@pytest.mark.live
def test_a_rabbitmq_that_died_is_told_and_cleaned_up(project: Path) -> None:
    try:
        broker = started_once(project, "amqp")
        os.kill(broker["pid"], signal.SIGKILL)
        while find_broker(project, "amqp") is not None:
            time.sleep(0.02)
        done = x07("broker", "status", "amqp", cwd=project)
        assert (done.returncode, "has ended by itself: see" in done.stdout) == (1, True)
    finally:
        ended = report("broker", "down", "amqp", cwd=project)["ended"]
    assert ended is False
    assert left_of(broker_folder(project, "amqp")) == []
    assert x07("broker", "status", "amqp", cwd=project).stdout == "no amqp broker was started here\n"


@pytest.mark.live
def test_each_broker_answers_in_its_own_protocol_only(live_kafka: RunningBroker, live_amqp: RunningBroker) -> None:
    for broker in (live_kafka, live_amqp):
        host, _, port = broker.address.rpartition(":")
        assert [answers(kind, host, int(port)) for kind in KINDS] == [broker.kind == kind for kind in KINDS]


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x0c\0\0\0\x07\0\0\0\0\0\0\0\0"])
def test_another_service_is_not_taken_for_a_broker(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in KINDS:
                link, _ = server.accept()
                with link:
                    link.recv(100)
                    link.sendall(reply)

        thread = Thread(target=serve)
        thread.start()
        assert not any(answers(kind, "127.0.0.1", server.getsockname()[1]) for kind in KINDS)
        thread.join()


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_that_something_else_has(project: Path, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert port in refused("broker", "up", kind, "--native", "--port", port, cwd=project, code="9628")
    assert find_broker(project, kind) is None
    assert report("broker", "status", kind, cwd=project, exit_code=1)["broker"] is None


def left_of(root: Path) -> list[str]:
    """Return the command lines of processes that know of a folder and do not end within a minute."""
    deadline = time.monotonic() + 60
    while (found := processes_of(root)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def processes_of(root: Path) -> list[str]:
    """Return the command lines of living processes that know of a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if str(root).encode() in file.read_bytes() + file.with_name("cmdline").read_bytes():
                found.append(file.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.live
def test_a_rabbitmq_that_does_not_start_leaves_nothing_behind(project: Path) -> None:
    """Its data folder is a file; the name server, which outlives the node, is ended too."""
    folder = broker_folder(project, "amqp")
    folder.mkdir(parents=True)
    (folder / "data").write_text("")
    done = x07("broker", "up", "amqp", "--native", "--port", "0", cwd=project)
    assert done.returncode == 20
    assert "error[9628]" in done.stderr
    assert "amqp.log" in done.stderr
    assert not state_file(project, "amqp").exists()
    assert left_of(folder) == []


def test_missing_programs_and_contradictions(project: Path) -> None:
    nothing: dict[str, Any] = {"PATH": str(Path(sys.executable).parent)}
    refused("broker", "up", "kafka", "--native", "--port", "0", cwd=project, code="9629", **nothing)
    refused("broker", "up", "kafka", "--docker", "--native", cwd=project, code="X07_USAGE")
    refused("broker", "up", "amqp", "--embedded", cwd=project, code="X07_USAGE")
    refused("broker", "up", "kafka", "--embedded", "--port", "9092", cwd=project, code="X07_USAGE")


@pytest.mark.live
@pytest.mark.parametrize("change", ["a byte", "a file more", "a file less"])
def test_jars_are_held_to_their_checksums_each_time(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fetch_kafka(print, tmp_path)
    jars = tmp_path / "cache" / "x07py" / real.name
    shutil.copytree(real, jars, copy_function=os.link)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert fetch_kafka(print, tmp_path / "project") == jars
    one = min(jars.glob("kafka-clients-*.jar"))
    if change == "a file more":
        (jars / "evil.jar").write_bytes(b"PK")
    else:
        data = one.read_bytes()
        one.unlink()
        if change == "a byte":
            one.write_bytes(data[:-1] + b"!")
    with pytest.raises(DriverError) as caught:
        fetch_kafka(print, tmp_path / "project")
    assert (caught.value.code, caught.value.where) == (9629, str(jars))
    assert ("evil.jar" if change == "a file more" else one.name) in caught.value.message
