"""What comes to the port of a cassette and is no client in clear: refused by name; nothing of it reaches the broker."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import Producer

from tests.support.listeners import Listeners
from tests.wire.kafka.serving import RULES, cassette, record_by_driver
from tests.wire.test_listen import Command, consume, project, publish
from x07py.brokers.process import RunningBroker
from x07py.rr import Mode
from x07py.wire.door import Door
from x07py.wire.listener import Listener
from x07py.wire.stand_in import Address

TRUSTING = ssl._create_unverified_context()


class Port:
    """The port of a recording, and the broker behind it, which only listens."""

    def __init__(self, door: Door) -> None:
        self.behind = socket.create_server(("127.0.0.1", 0))
        self.door = door
        self.failed = threading.Event()
        door.on_failure.append(lambda _: self.failed.set())
        self.upstream = Address(*self.behind.getsockname()[:2])
        self.listener = Listener(door, Address("127.0.0.1", 0), self.upstream)
        self.address = self.listener.address

    def reached(self) -> bool:
        """Tell whether anybody has come to the broker."""
        self.behind.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self.behind.accept()[0].close()
            return True
        return False

    def connect(self) -> socket.socket:
        """Connect to the recording."""
        return socket.create_connection(self.address, timeout=20)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    """A recording that has begun."""
    with cassette(tmp_path, Mode.RECORD) as session:
        found = Port(Door(session, RULES, ()))
        yield found
        found.listener.close()
        found.behind.close()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "over TLS"),
        (b"hello there", "no client of a broker begins with: 68 65 6c 6c 6f 20 74 68"),
        (b"CONNECT broker:9092 HTTP/1.1\r\nHost: broker\r\n\r\n", "as to an HTTP proxy"),
        (b"GET http://broker/health HTTP/1.1\r\nHost: broker\r\n\r\n", "over HTTP, with a request that is none of"),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 4711 9092\r\nAMQP\0\0\x09\1", "with a header of the PROXY protocol in front"),
        (b"\x10\x10\0\4MQTT\4\2\0\x3c\0\4test", "over MQTT, for which there is no stand-in"),
        (b"\0\0\0\x20" + b"\xff" * 32, "no client of a broker begins with: 00 00 00 20 ff"),
    ],
    ids=["tls", "garbage", "http-proxy", "http", "proxy-header", "mqtt", "no-request-of-kafka"],
)
def test_bytes_that_are_no_clients_are_refused_by_name(port: Port, data: bytes, words: str) -> None:
    with port.connect() as client:
        here = Address(*client.getsockname()[:2])
        client.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    assert port.failed.wait(20)
    said = str(port.door.broken)
    assert f"the client at {here} connects to {port.upstream}, " in said
    assert words in said
    assert not port.reached()
    assert port.door.passed == {}


def shake_hands(address: Address) -> None:
    """A client in TLS of Python's."""
    with socket.create_connection(address) as plain, contextlib.suppress(OSError):
        TRUSTING.wrap_socket(plain, server_hostname="localhost")


def confluent(address: Address) -> None:
    """A client of librdkafka, which tries again on its own until it is dropped."""
    failed = threading.Event()
    settings = {"security.protocol": "SSL", "enable.ssl.certificate.verification": False}
    producer = Producer({"bootstrap.servers": str(address), "error_cb": lambda _: failed.set(), **settings})
    while not failed.is_set():
        producer.poll(0.1)


def aiokafka(address: Address) -> None:
    """A client of aiokafka."""

    async def start() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=str(address), security_protocol="SSL", ssl_context=TRUSTING)
        try:
            with pytest.raises(KafkaConnectionError):
                await producer.start()
        finally:
            await producer.stop()

    asyncio.run(start())


def with_pika(address: Address) -> None:
    """A client of pika."""
    options = pika.SSLOptions(TRUSTING, "localhost")
    with pytest.raises((pika.exceptions.AMQPConnectionError, OSError)):
        pika.BlockingConnection(pika.ConnectionParameters(*address, ssl_options=options, connection_attempts=1))


@pytest.mark.parametrize("client", [shake_hands, confluent, aiokafka, with_pika])
def test_clients_over_tls_are_refused_and_told_what_to_do(port: Port, client: Callable[[Address], None]) -> None:
    client(port.address)
    assert port.failed.wait(20)
    assert port.door.broken is not None
    assert f"connects to {port.upstream}, over TLS" in port.door.broken.message
    said = port.door.broken.hint or ""
    assert "let the client connect to this port in clear (PLAINTEXT, amqp://)" in said
    assert f"the recording itself connects over TLS with --upstream tls://{port.upstream}" in said
    assert not port.reached()


def test_a_probe_that_says_nothing_is_no_failure(port: Port) -> None:
    with port.connect() as probe:
        probe.shutdown(socket.SHUT_WR)
        assert probe.recv(1) == b""  # it has been taken, and was let go
    assert port.door.broken is None
    assert not port.reached()


@pytest.mark.live
def test_a_recording_that_a_stranger_came_to_fails_and_keeps_the_old_cassette(
    tmp_path: Path, live_kafka: RunningBroker
) -> None:
    with project(tmp_path) as folder:
        written = folder / ".x07_rr" / "a.x07rr.bin"
        old = Command(folder, "record", "a.x07rr.bin", "--upstream", live_kafka.address)
        publish(old.address, "strangers", b"one")
        assert old.end(signal.SIGTERM) == 0
        before = written.read_bytes()
        command = Command(folder, "record", "a.x07rr.bin", "--upstream", live_kafka.address)
        publish(command.address, "strangers", b"two")
        host, _, number = command.address.rpartition(":")
        shake_hands(Address(host, int(number)))
        assert command.end(None) == 125
        said = "\n".join(command.lines)
        assert f"connects to {live_kafka.address}, over TLS" in said
        assert "error[X07_CASSETTE_CONNECTION]" in said
        assert written.read_bytes() == before


def test_a_replay_refuses_tls_too(tmp_path: Path) -> None:
    record_by_driver(tmp_path, "orders", 1)
    with cassette(tmp_path, Mode.REPLAY) as session:
        door, failed = Door(session, RULES, ()), threading.Event()
        door.on_failure.append(lambda _: failed.set())
        listener = Listener(door, Address("127.0.0.1", 0))
        shake_hands(listener.address)
        assert failed.wait(20)
        listener.close()
    assert door.broken is not None
    assert f"connects to {listener.address}, over TLS" in door.broken.message
    assert door.broken.hint == "let the client connect to this port in clear (PLAINTEXT, amqp://)"


def ask_rabbitmq(address: str) -> int:
    """Declare a queue and return how many messages it holds."""
    host, _, port = address.rpartition(":")
    with pika.BlockingConnection(pika.ConnectionParameters(host, int(port))) as connection:
        count: int = connection.channel().queue_declare("", exclusive=True).method.message_count
    return count


@pytest.mark.live
def test_rabbitmq_may_be_behind_tls(
    tmp_path: Path, amqp_listeners: Listeners, live_amqp: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(amqp_listeners.authority.file))
    with project(tmp_path) as folder:
        upstream = f"tls://{amqp_listeners.address('SSL')}"
        command = Command(folder, "record", "a.x07rr.bin", "--upstream", upstream)
        assert ask_rabbitmq(command.address) == 0
        assert command.end(signal.SIGTERM) == 0
        again = Command(folder, "serve", "a.x07rr.bin")
        assert ask_rabbitmq(again.address) == 0
        assert again.end(signal.SIGTERM) == 0


@pytest.mark.live
def test_kafka_may_be_behind_tls(
    tmp_path: Path, kafka_listeners: Listeners, live_kafka: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = f"tls://{kafka_listeners.address('SSL')}"
    with project(tmp_path) as folder:
        run = ["record", "a.x07rr.bin", "--upstream", upstream]
        refused = [sys.executable, "-m", "x07py", "rr", *run]
        done = subprocess.run(refused, cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode, "certificate verify failed" in done.stderr) == (20, True), done.stderr
        monkeypatch.setenv("SSL_CERT_FILE", str(kafka_listeners.authority.file))
        command = Command(folder, *run)
        publish(command.address, "behind-tls", b"one")
        live = consume(command.address, "behind-tls", 1)
        assert command.end(signal.SIGTERM) == 0
        again = Command(folder, "serve", "a.x07rr.bin")
        publish(again.address, "behind-tls", b"one")
        assert consume(again.address, "behind-tls", 1) == live
        assert again.end(signal.SIGTERM) == 0
