"""How ``x07 broker up`` decides for or against Docker, and what it asks of it; by a stub, for there is no engine here.

The stub is a program called ``docker`` that writes down its arguments. Nothing here shows that the containers work;
that the compose file is one, its published schema does.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.cli.test_bad_input import refused
from tests.cli.test_reports import report
from x07py.brokers.docker import compose_file
from x07py.brokers.process import RunningBroker, state_file

STUB = """#!/bin/sh
echo "$X07_KAFKA_PORT $*" >> {log}
[ "$1" = info ] && exit {info}
echo "pulling" >&2
echo "no space left on device" >&2
exit {compose}
"""


class Docker:
    """A ``docker`` on the path; ``asked`` are the command lines that it was given, after the port for Kafka."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "docker.log"

    def answers(self, *, info: int, compose: int = 0) -> None:
        """Set with what its commands exit, and forget what was asked."""
        program = self._folder / "docker"
        program.write_text(STUB.format(log=self._log, info=info, compose=compose))
        program.chmod(0o755)
        self._log.unlink(missing_ok=True)

    @property
    def asked(self) -> list[str]:
        return self._log.read_text().splitlines()


@pytest.fixture
def docker(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """The stub, not yet there; the path leads to it and to x07 alone."""
    folder = tmp_path_factory.mktemp("docker")
    monkeypatch.setenv("PATH", str(folder))
    return Docker(folder)


def test_without_an_engine_it_says_what_to_do(project: Path, docker: Docker) -> None:
    for kind, advice in (("kafka", "start it, or use --native or --embedded"), ("amqp", "start it, or use --native")):
        shown = refused("broker", "up", kind, "--docker", "--port", "0", cwd=project, code="9630")
        assert shown.endswith(f"  help: {advice}\n")
    docker.answers(info=1)
    refused("broker", "up", "kafka", "--docker", "--port", "0", cwd=project, code="9630")
    assert {line.strip() for line in docker.asked} == {"info"}


def test_an_engine_that_runs_is_preferred_and_one_that_does_not_is_no_hindrance(project: Path, docker: Docker) -> None:
    """Without a flavour. The native broker is told by what it misses: Java is not on this path."""
    docker.answers(info=0, compose=17)
    shown = refused("broker", "up", "kafka", "--port", "0", cwd=project, code="9630")
    assert "docker compose: no space left on device" in shown
    assert docker.asked[-1].endswith(f"compose --file {compose_file()} up --detach kafka")
    docker.answers(info=1)
    refused("broker", "up", "kafka", "--port", "0", cwd=project, code="9629")
    assert not state_file(project, "kafka").exists()


@pytest.mark.live
def test_a_container_is_started_at_the_port_found_again_and_removed(
    project: Path, docker: Docker, live_kafka: RunningBroker
) -> None:
    """The stub starts nothing: what answers at the port is the Kafka of these tests."""
    docker.answers(info=0)
    port = live_kafka.address.rpartition(":")[2]
    up = ("broker", "up", "kafka", "--docker", "--port", port)
    first = report(*up, cwd=project)["broker"]
    assert (first["flavour"], first["address"]) == ("docker", f"127.0.0.1:{port}")
    assert report(*up, cwd=project)["broker"] == first
    for other in ("--native", "--port 1"):
        shown = refused("broker", "up", "kafka", *other.split(), cwd=project, code="9628")
        assert f"runs already, docker at 127.0.0.1:{port}\n  at: {other}\n" in shown
    assert report("broker", "status", "kafka", cwd=project)["broker"] == first
    assert report("broker", "down", "kafka", cwd=project)["ended"] is True
    compose = f"compose --file {compose_file()}"
    assert docker.asked == [" info", f"{port} {compose} up --detach kafka", f" {compose} rm --stop --force kafka"]


def test_the_compose_file_is_one_and_names_both_brokers_on_the_loopback_interface() -> None:
    document = yaml.safe_load(compose_file().read_text(encoding="utf-8"))
    jsonschema.validate(document, json.loads(Path(__file__).with_name("compose-spec.json").read_text()))
    ports = {kind: service["ports"] for kind, service in document["services"].items()}
    assert ports["kafka"] == ["127.0.0.1:${X07_KAFKA_PORT:-9092}:9092"]
    assert ports["amqp"][0] == "127.0.0.1:${X07_AMQP_PORT:-5672}:5672"
    assert all(port.startswith("127.0.0.1:") for several in ports.values() for port in several)
