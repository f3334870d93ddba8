"""The real brokers by ``x07 broker``: started once, answering, ended, found where they already run; clear errors."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from threading import Thread

import pytest

from tests.cli.test_bad_input import refused
from tests.cli.test_reports import report
from x07py.brokers.answers import answers
from x07py.brokers.docker import compose_file
from x07py.brokers.process import RunningBroker, find_broker

KINDS = ("kafka", "amqp")


@pytest.mark.live
@pytest.mark.parametrize("kind", KINDS)
def test_a_native_broker_starts_once_keeps_its_port_and_ends(project: Path, kind: str) -> None:
    if os.environ.get("X07_SKIP_LIVE") == "1":
        pytest.skip("X07_SKIP_LIVE=1")
    first = report("broker", "up", kind, "--native", "--port", "0", cwd=project)["broker"]
    try:
        assert first["flavour"] == "native"
        host, _, port = first["address"].rpartition(":")
        assert answers(kind, host, int(port))
        assert report("broker", "up", kind, "--native", cwd=project)["broker"] == first
        assert report("broker", "status", kind, cwd=project)["broker"] == first
        found = report("broker", "up", kind, "--port", port, cwd=project.parent)["broker"]
        assert (found["flavour"], found["address"], found["pid"]) == ("found", first["address"], 0)
    finally:
        assert report("broker", "down", kind, cwd=project)["ended"] is True
    assert not answers(kind, host, int(port))
    assert find_broker(project, kind) is None
    assert report("broker", "down", kind, cwd=project)["ended"] is False


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


@pytest.mark.live
def test_a_taken_port_is_an_error_that_names_the_log(project: Path, live_amqp: RunningBroker) -> None:
    port = live_amqp.address.rpartition(":")[2]
    error = refused("broker", "up", "kafka", "--native", "--port", port, cwd=project, code="9628")
    assert "kafka.log" in error
    assert find_broker(project, "kafka") is None


def test_missing_programs_and_contradictions(project: Path) -> None:
    nothing = {"PATH": str(Path(sys.executable).parent)}
    refused("broker", "up", "kafka", "--native", "--port", "0", cwd=project, code="9629", **nothing)
    refused("broker", "up", "kafka", "--docker", "--port", "0", cwd=project, code="9630", **nothing)
    refused("broker", "up", "kafka", "--docker", "--native", cwd=project, code="X07_USAGE")
    refused("broker", "up", "amqp", "--embedded", cwd=project, code="X07_USAGE")
    refused("broker", "up", "kafka", "--embedded", "--port", "9092", cwd=project, code="X07_USAGE")


def test_the_compose_file_names_both_brokers_on_the_loopback_interface() -> None:
    text = compose_file().read_text(encoding="utf-8")
    for line in ('- "127.0.0.1:${X07_KAFKA_PORT:-9092}:9092"', '- "127.0.0.1:${X07_AMQP_PORT:-5672}:5672"'):
        assert line in text
    ports = [line for line in text.splitlines() if line.strip().startswith('- "')]
    assert all('"127.0.0.1:' in line for line in ports)
