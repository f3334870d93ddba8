"""Callbacks in the settings of confluent-kafka's clients: recorded when they run, and run again there."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from x07py.brokers.embedded import EmbeddedKafka
from x07py.errors import CassetteError, DriverError, ReplayMismatchError
from x07py.rr import replay_state
from x07py.rr.guard import register_secret
from x07py.testing.cassette import use_cassette

NOWHERE = "127.0.0.1:1"


def watched(bootstrap: str, topic: str) -> list[Any]:
    """Produce and consume with every callback set; return what happened, in order."""
    seen: list[Any] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "statistics.interval.ms": 50,
            "stats_cb": lambda text: seen.append(("stats", json.loads(text)["type"])),
        }
    )
    for number in range(2):
        producer.produce(topic, value=b"%d" % number, partition=0)
    producer.flush(60)
    while not any(one[0] == "stats" for one in seen):
        producer.poll(0.1)
    del seen[1:]
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "on_commit": lambda err, parts: seen.append(("committed", err, [part.offset for part in parts])),
        }
    )
    consumer.subscribe([topic])
    got = 0
    while got < 2:
        message = consumer.poll(0.5)
        if message is not None:
            seen.append(("got", message.value()))
            consumer.commit(message=message, asynchronous=True)
            got += 1
    while sum(one[0] == "committed" for one in seen) < 2:
        consumer.poll(0.1)
    consumer.close()
    return seen


def test_statistics_and_commits(project: Path, embedded: EmbeddedKafka) -> None:
    with use_cassette("watched.x07rr.bin"):
        recorded = watched(embedded.bootstrap, "watched")
    assert ("committed", None, [2]) in recorded
    assert ("stats", "producer") in recorded
    for _ in range(2):
        with use_cassette("watched.x07rr.bin", mode="none"):
            assert watched(NOWHERE, "watched") == recorded


def test_errors_and_log_lines(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    def program(bootstrap: str) -> tuple[list[int], int]:
        errors: list[int] = []
        lines = logging.getLogger("librdkafka")
        settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "error_cb": lambda error: errors.append(error.code()),
        }
        admin = AdminClient(settings, logger=lines)
        ends = time.monotonic() + 60
        while time.monotonic() < ends and not (errors and caplog.records):
            admin.poll(0.1)
        return errors[:1], len(caplog.records[:1])

    with use_cassette("errors.x07rr.bin"):
        recorded = program(NOWHERE)
    assert recorded == ([confluent_kafka.KafkaError._TRANSPORT], 1)
    said = caplog.records[0].getMessage()
    caplog.clear()
    with use_cassette("errors.x07rr.bin"):
        assert program("never.looked.up:9092") == recorded
    assert caplog.records[0].getMessage() == said


@pytest.mark.skipif(not hasattr(confluent_kafka, "ShareConsumer"), reason="this confluent-kafka has no share groups")
@pytest.mark.parametrize("mode", ["once", "none"])
def test_share_consumers_are_refused_by_name(project: Path, embedded: EmbeddedKafka, mode: str) -> None:
    with use_cassette("share.x07rr.bin"):
        Producer({"bootstrap.servers": embedded.bootstrap}).list_topics(timeout=60)
    with use_cassette("share.x07rr.bin", mode=mode), pytest.raises(DriverError) as caught:
        confluent_kafka.ShareConsumer({"bootstrap.servers": NOWHERE, "group.id": "share"})
    assert caught.value.code == 9641
    assert "ShareConsumer" in caught.value.message


def test_publishing_in_another_order_looks_at_each_entry_a_few_times(
    project: Path, embedded: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0
    own = replay_state.ReplayState.request

    def request(self: replay_state.ReplayState, number: int) -> bytes:
        nonlocal looked
        looked += 1
        return own(self, number)

    def publish(bootstrap: str, numbers: range) -> None:
        producer = Producer({"bootstrap.servers": bootstrap})
        for number in numbers:
            producer.produce("orders", key=b"%d" % number, value=b"x")
            producer.poll(0)
        producer.flush(60)

    count = 600
    with use_cassette("orders.x07rr.bin"):
        publish(embedded.bootstrap, range(count))
    monkeypatch.setattr(replay_state.ReplayState, "request", request)
    with use_cassette("orders.x07rr.bin"):
        publish(NOWHERE, range(count - 1, -1, -1))
    assert looked <= 6 * count


def test_a_difference_shows_what_is_compared(project: Path, embedded: EmbeddedKafka) -> None:
    def publish(bootstrap: str, trace: str, word: str) -> None:
        producer = Producer({"bootstrap.servers": bootstrap})
        producer.produce("shown", value=b"same", headers={"trace": trace, "word": word})
        producer.flush(60)

    with use_cassette("shown.x07rr.bin"):
        publish(embedded.bootstrap, "first", "one")
    with pytest.raises(ReplayMismatchError) as caught, use_cassette("shown.x07rr.bin", ignore_headers=["trace"]):
        publish(NOWHERE, "second", "two")
    assert "word" in caught.value.message
    assert "trace" not in caught.value.message
    assert "ignore_headers" in (caught.value.hint or "")


def test_a_secret_that_was_never_confirmed_is_refused_at_the_end(project: Path, embedded: EmbeddedKafka) -> None:
    register_secret("drop-in", "correct horse battery")

    def publish(word: str) -> None:
        producer = Producer({"bootstrap.servers": NOWHERE, "error_cb": lambda _: None})
        producer.produce("secret", value=word)
        producer.purge()

    with pytest.raises(CassetteError) as caught, use_cassette("secret.x07rr.bin"):
        publish("correct horse battery")
    assert caught.value.code == 2056
    with use_cassette("secret.x07rr.bin", replace_partial=True):
        publish("nothing to hide")
    assert (project / ".x07_rr" / "secret.x07rr.bin").is_file()
