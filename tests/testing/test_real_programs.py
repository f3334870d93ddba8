"""Programs on Kafka that were not written here, from the installed packages, replayed with the broker gone.

The distributions of confluent-kafka and FastStream ship no examples folder; what they ship are the programs in their
READMEs, in the package metadata, and Kafka's verifiable clients in ``confluent_kafka.kafkatest``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import confluent_kafka
import pytest

from tests.testing.programs import NOWHERE, prove, readme, write
from x07py.brokers.embedded import EmbeddedKafka
from x07py.brokers.process import RunningBroker


def produced(bootstrap: str, topic: str, *values: bytes) -> None:
    """Put messages on a topic, outside of every cassette."""
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(60) == 0


def test_confluent_readme_asyncio_producer(project: Path, embedded: EmbeddedKafka) -> None:
    text = readme("confluent-kafka", "AIOProducer").replace("mybroker", "BROKER").replace("mytopic", "readme-aio")
    text = text.replace("    finally:", "        print(delivered_msg.topic(), delivered_msg.value())\n    finally:")
    assert prove(project, write(project, "aio", text), embedded.bootstrap) == "readme-aio b'hello'\n"


def test_confluent_readme_consumer(project: Path, embedded: EmbeddedKafka) -> None:
    text = readme("confluent-kafka", "Received message").replace("mybroker", "BROKER").replace("mytopic", "readme-in")
    produced(embedded.bootstrap, "readme-in", b"one", b"two")
    printed = prove(project, write(project, "consumer", text), embedded.bootstrap, idle="10")  # a group takes 3
    assert sorted(printed.splitlines()) == ["Received message: one", "Received message: two"]


def test_confluent_readme_administration(project: Path, embedded: EmbeddedKafka) -> None:
    text = readme("confluent-kafka", "AdminClient").replace("mybroker", "BROKER")
    text = text.replace("create_topics(new_topics)", "create_topics(new_topics, request_timeout=3)")
    printed = prove(project, write(project, "admin", text), embedded.bootstrap)
    assert [line.rpartition("topic1")[1] for line in printed.splitlines()] == ["topic1", ""]


def test_kafkas_verifiable_clients_do_not_run_at_all() -> None:
    """They are Python 2 code. When a version of the package mends them, this fails, and they belong above."""
    program = Path(confluent_kafka.__file__).parent / "kafkatest" / "verifiable_producer.py"
    command = [sys.executable, str(program), "--topic", "t", "--broker-list", NOWHERE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert "has no attribute 'iteritems'" in done.stderr


FEED = """
import asyncio

@app.after_startup
async def feed() -> None:
    await broker.publish({"user": "John", "user_id": 1}, "NAME-in")

@broker.subscriber("NAME-out", auto_offset_reset="earliest")
async def end(text: str) -> None:
    print(text, flush=True)
    app.exit()

asyncio.run(app.run())
"""


@pytest.mark.parametrize(("name", "needle"), [("plain", "(user: str, user_id: int)"), ("model", "PositiveInt")])
def test_faststream_readme_on_confluent(project: Path, live_kafka: RunningBroker, name: str, needle: str) -> None:
    """The README's program on ``faststream.confluent``, which it names as the alternative to ``faststream.kafka``.

    It creates its topics first, which the embedded Kafka cannot do, so this needs a real one.
    """
    text = readme("faststream", needle).replace("faststream.kafka", "faststream.confluent", 1)
    text = text.replace("localhost:9092", "BROKER").replace('"out"', f'"{name}-out"')
    text = text.replace('"in"', f'"{name}-in", auto_offset_reset="earliest"')
    program = write(project, name, text + FEED.replace("NAME", name))
    printed = prove(project, program, live_kafka.address, "--ignore-header", "correlation_id")
    assert printed in ("User: 1 - John registered\n", "User: John - 1 registered\n")
