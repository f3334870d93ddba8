"""Planted secrets of twelve shapes in every encoding, said by each seam in one recording: none is written or printed.

The guard is told the secrets, as it is by settings, logins and the environment, and a program says them in values, keys
and headers, or a broker does. What is searched is all that a run leaves behind: cassettes, text sides, locks, partial
files, logs at DEBUG, librdkafka's debugging, errors, spans, metrics. A recording on the wire ends with the first secret
that it stops; there, a few of them have a recording of their own.
"""

from __future__ import annotations

import http.client
import json
import logging
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import opentelemetry.trace as trace
import pika
import prometheus_client
import pytest
from confluent_kafka import Consumer, Producer
from kafka import KafkaProducer
from kafka.errors import KafkaError
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pika.exceptions import AMQPError

from tests.rr.test_guard import ENCODINGS, SECRETS, known
from tests.wire.http.registry import LOGINS, Running, running
from x07py import Envelope, open_driver
from x07py.brokers.embedded import EmbeddedKafka
from x07py.brokers.process import RunningBroker
from x07py.errors import CassetteError
from x07py.rr import session
from x07py.rr.guard import register_secret, secret_in
from x07py.testing.cassette import use_cassette

__all__ = ["known"]
PLANTED = [(shape, name, said(secret)) for shape, secret in SECRETS.items() for name, said in ENCODINGS.items()]
LOGIN = {"Accept": "application/vnd.schemaregistry.v1+json", "Authorization": LOGINS[0]}
DEBUGGING = {"debug": "broker,protocol,msg,security", "log_level": 7}


class Leaks:
    """What a run leaves behind, and what of the planted secrets stands in it."""

    def __init__(self, root: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self._root, self._caplog, self._capfd = root, caplog, capfd
        self.spans = InMemorySpanExporter()
        self.refused: list[CassetteError] = []

    def found(self) -> list[tuple[str, str]]:
        out = self._capfd.readouterr()
        shown = {str(file): file.read_bytes() for file in self._root.rglob("*") if file.is_file()}
        shown["logs"] = "\n".join(map(repr, self._caplog.records)).encode() + self._caplog.text.encode()
        shown["output"] = (out.out + out.err).encode("utf-8", "surrogateescape")
        shown["spans"] = "\n".join(one.to_json() for one in self.spans.get_finished_spans()).encode()
        shown["metrics"] = prometheus_client.generate_latest()
        shown["errors"] = "".join(text for one in self.refused for text in traceback.format_exception(one)).encode()
        plain = [(place, name) for place, data in shown.items() for _, name, said in PLANTED if said in data]
        return plain + [(place, found) for place, data in shown.items() if (found := secret_in(data))]

    def let_clients_go(self) -> None:
        """Clear the frames of errors, which hold clients: their debugging would be printed until pytest ends."""
        for one in self.refused:
            cause: BaseException | None = one
            while cause is not None:
                traceback.clear_frames(cause.__traceback__)
                cause = cause.__context__


@pytest.fixture
def leaks(
    kafka: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Leaks]:
    for shape, secret in SECRETS.items():
        register_secret(shape, secret)
    found, provider = Leaks(kafka, caplog, capfd), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found.spans))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    with caplog.at_level(logging.DEBUG):
        yield found


def parts(number: int, said: bytes) -> tuple[bytes, bytes, bytes]:
    """Return value, key and header of a message, one of which says a secret."""
    row = [b"v", b"k", b"h"]
    row[number % 3] = b"<" + said + b">"
    return row[0], row[1], row[2]


@pytest.mark.parametrize("kind", ["kafka", pytest.param("amqp", marks=pytest.mark.live)])
async def test_a_driver(request: pytest.FixtureRequest, leaks: Leaks, kafka: Path, kind: str) -> None:
    if kind == "amqp":
        request.getfixturevalue("on_amqp")
    topic = f"l-{uuid.uuid4().hex[:8]}"
    with session(cassette="leak.x07rr.bin", mode="record"):
        async with open_driver(kind, profile="local_dev_v1") as driver:
            if kind == "amqp":
                await driver.control("apply_topology", {"topology": {"queues": [{"name": topic}]}})
            for number, (_, _, said) in enumerate(PLANTED):
                value, key, header = parts(number, said)
                headers = {"h": header.decode()} if header.isascii() else {}
                with pytest.raises(CassetteError) as caught:
                    await driver.publish_many([Envelope(topic, key, value if headers else value + header, headers)])
                leaks.refused.append(caught.value)
            await driver.publish_many([Envelope(topic, b"k", b"harmless")])
    assert b"harmless" in (kafka / ".x07_rr" / "leak.x07rr.bin").read_bytes()
    assert {one.code for one in leaks.refused} == {2056}
    assert leaks.found() == []


def test_a_drop_in_that_publishes(leaks: Leaks, kafka: Path, embedded: EmbeddedKafka) -> None:
    topic = f"l-{uuid.uuid4().hex[:8]}"
    with use_cassette("leak.x07rr.bin"):
        producer = Producer({"bootstrap.servers": embedded.bootstrap, **DEBUGGING})
        for number, (_, _, said) in enumerate(PLANTED):
            value, key, header = parts(number, said)
            producer.produce(topic, value, key, headers={"h": header})
            with pytest.raises(CassetteError) as caught:
                producer.flush(20)
            leaks.refused.append(caught.value)
        producer.produce(topic, "harmless")
        assert producer.flush(20) == 0
    assert b"harmless" in (kafka / ".x07_rr" / "leak.x07rr.bin").read_bytes()
    assert {one.code for one in leaks.refused} == {2056}
    assert leaks.found() == []
    del producer
    leaks.let_clients_go()


def test_a_drop_in_that_consumes(leaks: Leaks, kafka: Path, embedded: EmbeddedKafka) -> None:
    topic = f"l-{uuid.uuid4().hex[:8]}"
    producer = Producer({"bootstrap.servers": embedded.bootstrap})
    for number, (_, _, said) in enumerate(PLANTED):
        value, key, header = parts(number, said)
        producer.produce(topic, value, key, partition=0, headers={"h": header})
    producer.produce(topic, "harmless", partition=0)
    assert producer.flush(20) == 0
    with use_cassette("leak.x07rr.bin"):
        group = {"group.id": topic, "auto.offset.reset": "earliest"}
        consumer = Consumer({"bootstrap.servers": embedded.bootstrap, **group, **DEBUGGING})
        consumer.subscribe([topic])
        message = None
        while message is None:
            try:
                message = consumer.poll(1)
            except CassetteError as error:
                leaks.refused.append(error)
        consumer.close()
    assert message.value() == b"harmless"
    assert [one.code for one in leaks.refused] == [2056] * len(PLANTED)
    assert leaks.found() == []


CELLS = range(0, len(PLANTED), 3 * len(ENCODINGS) + 1)
"""A few of them, since a recording on the wire ends with the first."""


def by_kafka_python(bootstrap: str, value: bytes, key: bytes, header: bytes) -> None:
    logging.getLogger("kafka").setLevel(logging.INFO)  # at DEBUG, it shows the messages of its program
    producer = KafkaProducer(bootstrap_servers=bootstrap, retries=0, request_timeout_ms=2000)
    producer.send("t", b"harmless").get(20)
    with suppress(KafkaError):
        producer.send("t", value, key, headers=[("h", header)]).get(20)
    producer.close(timeout=20)


def by_pika(address: str, value: bytes, key: bytes, header: bytes) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(f"amqp://guest:guest@{address}/"))
    channel = connection.channel()
    channel.queue_declare("leaks", auto_delete=True)
    channel.confirm_delivery()
    channel.basic_publish("", "leaks", b"harmless")
    try:
        with suppress(AMQPError):
            channel.basic_publish("", "leaks", value, pika.BasicProperties(headers={"h": header, "k": key}))
    finally:
        with suppress(AMQPError):
            connection.close()


def by_http(port: str, value: bytes, key: bytes, header: bytes) -> None:
    for said in (b"harmless", value + key + header):
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
        schema = json.dumps({"type": "string", "doc": said.decode("latin-1")})
        with suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/subjects/leaks/versions", json.dumps({"schema": schema}), LOGIN)
            connection.getresponse().read()
        connection.close()


def check_the_wire(leaks: Leaks, root: Path, say: Callable[..., None], address: str, number: int) -> None:
    with pytest.raises(CassetteError, match="2056") as caught, use_cassette("leak.x07rr.bin"):
        say(address, *parts(number, PLANTED[number][2]))
    leaks.refused.append(caught.value)
    assert b"harmless" in (root / ".x07_rr" / "leak.x07rr.bin.partial").read_bytes()
    assert leaks.found() == []


@pytest.mark.parametrize("number", CELLS)
def test_the_wire(leaks: Leaks, kafka: Path, embedded: EmbeddedKafka, number: int) -> None:
    check_the_wire(leaks, kafka, by_kafka_python, embedded.bootstrap, number)


@pytest.mark.live
@pytest.mark.parametrize("number", CELLS)
def test_the_wire_of_rabbitmq(leaks: Leaks, kafka: Path, live_amqp: RunningBroker, number: int) -> None:
    check_the_wire(leaks, kafka, by_pika, live_amqp.address, number)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.mark.parametrize("number", CELLS)
def test_the_wire_of_a_registry(leaks: Leaks, kafka: Path, registry: Running, number: int) -> None:
    check_the_wire(leaks, kafka, by_http, str(registry.port), number)
