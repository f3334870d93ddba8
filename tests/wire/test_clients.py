"""Clients of other languages and frameworks: recorded on Apache Kafka, replayed with the same output."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.campaign import CAMPAIGN
from tests.support.project import REPOSITORY
from tests.wire.kafka.serving import RULES, cassette, served
from x07py.brokers.native import fetch_kafka
from x07py.brokers.process import RunningBroker
from x07py.rr import Mode
from x07py.rr.varying import Varying
from x07py.wire import protocols
from x07py.wire.door import Door
from x07py.wire.listener import Listener
from x07py.wire.stand_in import Address

pytestmark = pytest.mark.live
SOURCES = Path(__file__).parent / "clients"
BUILT, ROWS = REPOSITORY / ".venv" / "foreign", REPOSITORY / ".venv" / "rows"
KOMBU = RULES._replace(varying=Varying(ignore_fields=("$.properties.delivery_tag",)))
"""kombu gives each message a random tag."""


def java() -> list[str]:
    """Kafka's own client library."""
    return ["java", "-cp", f"{fetch_kafka(print, REPOSITORY)}/*", str(SOURCES / "Client.java")]


def franz_go() -> list[str]:
    """franz-go, built by ``make .venv/foreign``."""
    return [str(BUILT / "go-client")]


def kafkajs() -> list[str]:
    """kafkajs, installed by ``make .venv/foreign``."""
    return ["node", str(BUILT / "client.js")]


def faststream_aiokafka() -> list[str]:
    """FastStream on aiokafka."""
    return [sys.executable, str(SOURCES / "faststream_client.py"), "kafka"]


def faststream_confluent() -> list[str]:
    """FastStream on confluent-kafka."""
    return [sys.executable, str(SOURCES / "faststream_client.py"), "confluent"]


def kafka_python_2() -> list[str]:
    """kafka-python 2, in an environment of its own."""
    return [str(ROWS / "bin" / "python"), str(SOURCES / "kafka_python_client.py")]


def kafka_python_3() -> list[str]:
    """kafka-python 3."""
    return [sys.executable, str(SOURCES / "kafka_python_client.py")]


def faust() -> list[str]:
    """faust-streaming, in that environment too."""
    return [str(ROWS / "bin" / "python"), str(SOURCES / "faust_client.py")]


def quix_streams() -> list[str]:
    """Quix Streams, which takes confluent-kafka 2.12 at most."""
    return [str(ROWS / "bin" / "python"), str(SOURCES / "quixstreams_client.py")]


def kombu_confluent() -> list[str]:
    """kombu's transport for confluent-kafka."""
    return [sys.executable, str(SOURCES / "kombu_client.py")]


CLIENTS = (
    java,
    franz_go,
    kafkajs,
    faststream_aiokafka,
    faststream_confluent,
    kafka_python_3,
    kombu_confluent,
    *((kafka_python_2, faust, quix_streams) if CAMPAIGN else ()),
)


def check_built() -> None:
    """Tell how to make what is made before the tests."""
    assert BUILT.is_dir(), "run `make .venv/foreign`, which builds them"
    assert ROWS.is_dir() or not CAMPAIGN, "run `make rows`, which installs them"


def got(printed: str) -> list[str]:
    """Return what a client printed of its work."""
    return [line for line in printed.splitlines() if line.startswith(("got", "sent"))]


def run(command: list[str], address: Address, topic: str) -> str:
    """Return what a client prints."""
    done = subprocess.run([*command, str(address), topic], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_replays_what_it_recorded(
    tmp_path: Path, live_kafka: RunningBroker, client: Callable[[], list[str]]
) -> None:
    check_built()
    host, _, port = live_kafka.address.rpartition(":")
    command, topic = client(), f"clients-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": live_kafka.address})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(60)
    rules = KOMBU if client is kombu_confluent else RULES
    with served(tmp_path, rules=rules, upstream=Address(host, int(port))) as between:
        live = got(run(command, between.address, topic))
    assert len([line for line in live if line.startswith("got")]) == 3
    with served(tmp_path, rules=rules) as stand_in:
        assert got(run(command, stand_in.address, topic)) == live
        left = [stand_in.session.ledger.bucket(number).op for number in stand_in.session.unused()]
        assert [op for op in left if b".query_" not in op and b".event_" not in op] == []
    assert stand_in.errors == []


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_is_refused_by_name_without_its_stand_in(
    tmp_path: Path, live_kafka: RunningBroker, client: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_built()
    monkeypatch.setattr(protocols, "SWITCHED_OFF", {"Kafka"})
    host, _, port = live_kafka.address.rpartition(":")
    with cassette(tmp_path, Mode.RECORD) as session:
        door, refused = Door(session, RULES, ()), threading.Event()
        door.on_failure.append(lambda _: refused.set())
        listener = Listener(door, Address("127.0.0.1", 0), Address(host, int(port)))
        command = [*client(), str(listener.address), "none"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
            assert refused.wait(120)
            started.kill()
        listener.close()
    assert "over Kafka, for which there is no stand-in" in str(door.broken)
