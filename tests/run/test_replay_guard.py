"""Plain programs on confluent-kafka and aio-pika, recorded with a broker, replayed in a solve world."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.project import EXAMPLE, x07
from x07py.brokers.embedded import EmbeddedKafka
from x07py.brokers.process import RunningBroker

KAFKA = """
import sys
import uuid
from confluent_kafka import Consumer, Producer

def main(bootstrap, word):
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("plain", value=word, on_delivery=lambda error, message: print(error, message.offset()))
    producer.flush()
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "plain", "auto.offset.reset": "earliest"})
    consumer.subscribe(["plain"])
    while (message := consumer.poll(5.0)) is None: pass
    consumer.commit(message)
    consumer.close()
    print("got", message.value().decode(), message.offset())

if __name__ == "__main__":
    main(*sys.argv[1:])
"""
AMQP = """
import asyncio, sys
import aio_pika

async def main(url):
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("plain", auto_delete=True)
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), routing_key="plain")
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    print("got", message.body.decode(), message.delivery_tag)
                break

asyncio.run(main(sys.argv[1]))
"""
OWN = """
from x07py import use_cassette

with use_cassette("k.x07rr.bin", mode="none"):
    from plain import main
    main("127.0.0.1:1", "hello")
"""
AT_THE_TOP = """
import sys
from confluent_kafka import Consumer
from plain import main
from x07py import use_cassette

with use_cassette("k.x07rr.bin", mode="none"):
    main("127.0.0.1:1", "hello")
if "after" in sys.argv: Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "plain"}).poll(1)
"""
REPLAY = ("run", "--profile", "replay", "--cassette")
TWICE = ("--verify-determinism", "2")


@pytest.fixture(scope="module")
def recorded(embedded: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("recorded")
    shutil.copytree(EXAMPLE / "arch", project / "arch")
    (project / "plain.py").write_text(KAFKA)
    command = ("rr", "exec", "--cassette", "k.x07rr.bin", "--", "python", "plain.py", embedded.bootstrap, "hello")
    done = x07(*command, cwd=project)
    assert (done.returncode, done.stdout) == (0, "None 0\ngot hello 0\n"), done.stderr
    return project


def test_a_plain_kafka_program_is_replayed_in_a_solve_world(recorded: Path) -> None:
    arguments = ("--entry", "plain.py")
    done = x07(*REPLAY, "k.x07rr.bin", *arguments, *TWICE, "--", "127.0.0.1:1", "hello", cwd=recorded)
    assert (done.returncode, done.stdout) == (0, "None 0\ngot hello 0\n"), done.stderr
    assert "2 runs are identical" in done.stderr

    other = x07(*REPLAY, "k.x07rr.bin", *arguments, "--", "127.0.0.1:1", "bye", cwd=recorded)
    assert (other.returncode, "Traceback" in other.stderr) == (125, False), other.stderr
    assert "error[20" in other.stderr

    (recorded / "idle.py").write_text("import confluent_kafka")
    idle = x07(*REPLAY, "k.x07rr.bin", "--entry", "idle.py", cwd=recorded)
    assert (idle.returncode, "error[2051]" in idle.stderr) == (125, True), idle.stderr

    missing = x07(*REPLAY, "none.x07rr.bin", *arguments, "--", "127.0.0.1:1", "hello", cwd=recorded)
    assert (missing.returncode, "error[2002]" in missing.stderr) == (125, True), missing.stderr

    refused = x07("run", "--world", "solve-rr", *arguments, cwd=recorded)
    assert refused.returncode == 126
    assert refused.stderr.startswith("error[X07RUN_OS_IMPORT]: __main__ (solve-rr) reaches confluent_kafka"), (
        refused.stderr
    )
    assert "or replay it: x07 run --profile replay --cassette NAME" in refused.stderr


def test_a_program_with_a_cassette_of_its_own_needs_none_of_the_run(recorded: Path) -> None:
    (recorded / "own.py").write_text(OWN)
    for given in ((), ("--cassette", "k.x07rr.bin")):
        done = x07("run", "--profile", "replay", *given, "--entry", "own.py", cwd=recorded)
        assert (done.returncode, done.stdout, done.stderr) == (0, "None 0\ngot hello 0\n", "")

    (recorded / "own.py").write_text(AT_THE_TOP)
    done = x07("run", "--profile", "replay", "--entry", "own.py", cwd=recorded)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None 0\ngot hello 0\n", "")
    outside = x07("run", "--profile", "replay", "--entry", "own.py", "--", "after", cwd=recorded)
    assert (outside.returncode, outside.stdout) == (126, "None 0\ngot hello 0\n")
    assert outside.stderr.startswith("error[X07RUN_NO_CASSETTE]: a client of confluent_kafka is made"), outside.stderr


def test_a_plain_aio_pika_program_is_replayed_in_a_solve_world(project: Path, live_amqp: RunningBroker) -> None:
    (project / "plain.py").write_text(AMQP)
    url = f"amqp://guest:guest@{live_amqp.address}/"
    done = x07("rr", "exec", "--cassette", "a.x07rr.bin", "--", "python", "plain.py", url, cwd=project)
    assert (done.returncode, done.stdout) == (0, "got hello 1\n"), done.stderr
    nowhere = "amqp://guest:guest@127.0.0.1:1/"
    done = x07(*REPLAY, "a.x07rr.bin", "--entry", "plain.py", *TWICE, "--", nowhere, cwd=project)
    assert (done.returncode, done.stdout) == (0, "got hello 1\n"), done.stderr
    assert "2 runs are identical" in done.stderr
