"""``x07 rr serve`` and ``x07 rr record`` as a person runs them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from kafka import KafkaConsumer, KafkaProducer

from tests.support.listeners import Listeners
from tests.wire.kafka.serving import record_by_driver
from x07py.brokers.process import RunningBroker


class Command:
    """A command that listens, and what it said."""

    def __init__(self, folder: Path, *args: str) -> None:
        command = [sys.executable, "-m", "x07py", "rr", *args]
        self._process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        while not (found := re.search(r"listening at (\S+?)(,|$)", self._line())):
            pass
        self.address = found[1]

    def _line(self) -> str:
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert line, self.lines
        self.lines.append(line.rstrip("\n"))
        return self.lines[-1]

    def end(self, how: signal.Signals | None) -> int:
        """Send a signal, wait, and return the exit code."""
        if how is not None:
            self._process.send_signal(how)
        _, rest = self._process.communicate(timeout=30)
        self.lines += rest.splitlines()
        return self._process.returncode


@contextmanager
def project(folder: Path) -> Iterator[Path]:
    """A folder that commands take for a project's."""
    (folder / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
    yield folder


def publish(address: str, topic: str, *values: bytes) -> None:
    """Publish values under keys that `record_by_driver` uses."""
    producer = KafkaProducer(bootstrap_servers=address, retries=0)
    try:
        for n, value in enumerate(values):
            producer.send(topic, value, b"key-%d" % n, headers=[("n", b"%d" % n)]).get(20)
    finally:
        producer.close()


def consume(address: str, topic: str, count: int) -> list[bytes]:
    """Consume `count` values in a group."""
    consumer = KafkaConsumer(topic, bootstrap_servers=address, group_id="workers", auto_offset_reset="earliest")
    found = [message.value for _, message in zip(range(count), consumer, strict=False)]
    consumer.close()
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_cassette_is_served_until_a_signal(tmp_path: Path, how: signal.Signals) -> None:
    with project(tmp_path) as folder:
        record_by_driver(folder, "orders", 3)
        command = Command(folder, "serve", "a.x07rr.bin")
        publish(command.address, "orders", b"value 0", b"value 1", b"value 2")
        assert consume(command.address, "orders", 3) == [b"value 0", b"value 1", b"value 2"]
        assert command.end(how) == 0
        assert command.lines[-1] == "6 of 6 entries were used"


def test_what_is_left_over_fails(tmp_path: Path) -> None:
    with project(tmp_path) as folder:
        record_by_driver(folder, "orders", 2)
        command = Command(folder, "serve", "a.x07rr.bin", "--listen", "127.0.0.1:0")
        publish(command.address, "orders", b"value 0")
        assert command.end(signal.SIGTERM) == 125
        assert any("2051" in line for line in command.lines)


def test_a_client_that_does_something_else_ends_the_command(tmp_path: Path) -> None:
    with project(tmp_path) as folder:
        record_by_driver(folder, "orders", 1)
        command = Command(folder, "serve", "a.x07rr.bin")
        with pytest.raises(Exception, match="Authorization"):
            publish(command.address, "orders", b"another")
        assert command.end(None) == 125
        assert any("error[2050]" in line for line in command.lines)


def test_a_port_that_is_taken_and_a_broker_that_is_away(tmp_path: Path) -> None:
    with project(tmp_path) as folder:
        record_by_driver(folder, "orders", 1)
        command = Command(folder, "serve", "a.x07rr.bin", "--allow-unused")
        for args, words in (
            (["serve", "a.x07rr.bin", "--listen", command.address], "cannot listen"),
            (["serve", "a.x07rr.bin", "--listen", "here"], "'here' is no address"),
            (["record", "b.x07rr.bin", "--upstream", "127.0.0.1:1"], "cannot be reached"),
        ):
            run = [sys.executable, "-m", "x07py", "rr", *args]
            done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
            assert (done.returncode, words in done.stderr) == (20, True), done.stderr
        assert command.end(signal.SIGINT) == 0


@pytest.mark.live
def test_a_recording_is_written_at_the_end_and_served_again(tmp_path: Path, live_kafka: RunningBroker) -> None:
    topic = f"listen-{uuid.uuid4().hex[:8]}"
    with project(tmp_path) as folder:
        nothing = Command(folder, "record", "a.x07rr.bin", "--upstream", live_kafka.address)
        assert nothing.end(signal.SIGTERM) == 125
        assert any("error[2073]: nothing was recorded" in line for line in nothing.lines)
        command = Command(folder, "record", "a.x07rr.bin", "--upstream", live_kafka.address)
        publish(command.address, topic, b"one", b"two")
        live = consume(command.address, topic, 2)
        assert not (folder / ".x07_rr" / "a.x07rr.bin").exists()
        assert command.end(signal.SIGTERM) == 0
        again = Command(folder, "serve", "a.x07rr.bin")
        publish(again.address, topic, b"one", b"two")
        assert consume(again.address, topic, 2) == live
        assert again.end(signal.SIGTERM) == 0


@pytest.mark.live
def test_a_broker_that_takes_tls_only_is_told_with_what_to_do(
    tmp_path: Path, live_kafka: RunningBroker, kafka_listeners: Listeners
) -> None:
    upstream = kafka_listeners.address("SSL")
    with project(tmp_path) as folder:
        command = Command(folder, "record", "a.x07rr.bin", "--upstream", upstream)
        producer = Producer({"bootstrap.servers": command.address})
        assert command.end(None) == 125
        producer.purge()
        assert f"connects to {upstream}, which takes TLS only" in "".join(command.lines)
        assert f"  help: --upstream tls://{upstream}" in command.lines
