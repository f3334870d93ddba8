"""Real brokers for live tests: Apache Kafka and RabbitMQ, started once a test process, ended with it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.listeners import Listeners
from tests.support.proxy import Proxy
from x07py.brokers.process import RunningBroker, broker_folder, start_native, stop_broker

SKIP = os.environ.get("X07_SKIP_LIVE") == "1"
SKIPPED = "live tests were NOT run: X07_SKIP_LIVE=1; nothing here says that x07py works with a real broker"


def started(root: Path, kind: str, settings: Mapping[str, str] | None = None, port: int = 0) -> Iterator[RunningBroker]:
    """Start a native broker of a kind, at a free port if none is given, for a fixture's time."""
    if SKIP:
        pytest.skip(SKIPPED)
    try:
        yield start_native(root, kind, port=port, settings=settings)
    finally:
        stop_broker(root, kind)


def rabbitmqctl(root: Path, *args: str, tool: str = "rabbitmqctl") -> None:
    """Run RabbitMQ's own control program, or another tool, against the node that was started for `root`."""
    folder = broker_folder(root, "amqp")
    program = next(Path("/usr/lib/rabbitmq/lib").glob(f"rabbitmq_server-*/sbin/{tool}"))
    node = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": (folder / "epmd.port").read_text(),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_NODENAME": "x07@localhost",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
    }
    subprocess.run([str(program), *args], env={**os.environ, **node}, check=True, capture_output=True, timeout=300)


@pytest.fixture(scope="session")
def kafka_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the live Kafka's data and state stand in."""
    return tmp_path_factory.mktemp("live-kafka")


@pytest.fixture(scope="session")
def kafka_listeners(kafka_root: Path) -> Listeners:
    """Where the live Kafka listens."""
    return Listeners(kafka_root, "kafka")


@pytest.fixture(scope="session")
def live_kafka(kafka_root: Path, kafka_listeners: Listeners) -> Iterator[RunningBroker]:
    """An Apache Kafka; tests use topics and groups of their own, and leave it running."""
    yield from started(kafka_root, "kafka", kafka_listeners.settings, kafka_listeners.port)


@pytest.fixture(scope="session")
def amqp_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the live RabbitMQ's data and state stand in."""
    return tmp_path_factory.mktemp("live-amqp")


@pytest.fixture(scope="session")
def amqp_listeners(amqp_root: Path) -> Listeners:
    """Where the live RabbitMQ listens."""
    return Listeners(amqp_root, "amqp")


@pytest.fixture(scope="session")
def live_amqp(amqp_root: Path, amqp_listeners: Listeners) -> Iterator[RunningBroker]:
    """A RabbitMQ; tests use queues of their own, and leave it running."""
    yield from started(amqp_root, "amqp", amqp_listeners.settings, amqp_listeners.port)


@pytest.fixture
def proxied(request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """A proxy, not yet started, that the project's profile of `kind` leads to and that leads to the live broker."""
    listeners: Listeners = request.getfixturevalue(f"{kind}_listeners")
    proxy = Proxy(listeners.address("PROXIED" if kind == "kafka" else "PLAINTEXT", "127.0.0.1"), listeners.proxy_port)
    monkeypatch.setenv(f"X07_{kind.upper()}_LOCAL_DEV_V1", f"127.0.0.1:{listeners.proxy_port}")
    return proxy


@pytest.fixture
def on_kafka(project: Path, live_kafka: RunningBroker, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, with its Kafka profile pointing at the live Kafka."""
    monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", live_kafka.address)
    return project


@pytest.fixture
def on_amqp(project: Path, live_amqp: RunningBroker, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, with its AMQP profile pointing at the live RabbitMQ and the secrets of its user."""
    monkeypatch.setenv("X07_AMQP_LOCAL_DEV_V1", live_amqp.address)
    monkeypatch.setenv("X07_SECRET_RABBIT_USERNAME", "guest")
    monkeypatch.setenv("X07_SECRET_RABBIT_PASSWORD", "guest")
    return project
