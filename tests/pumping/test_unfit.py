"""Results that a broker cannot carry, and letters about messages that are hard to carry themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.drivers.test_conformance import values
from tests.pumping.test_pump import kind, places, prefill, read, run
from tests.support.live import live_kafka
from x07py import Envelope
from x07py.brokers.process import RunningBroker

__all__ = ["kind", "live_kafka"]
pytestmark = pytest.mark.live


@pytest.mark.parametrize("once", [False, True])
async def test_a_result_that_does_not_fit_the_broker_is_poison(kind: str, once: bool) -> None:
    source, sink, dead = places(3)
    misfit, code = {"kafka": ("no topic", "9763"), "amqp": ("r" * 300, "9859")}[kind]
    await prefill(kind, [Envelope(source, b"k", b"%d" % n) for n in range(5)], sink, dead)

    def handler(envelope: Envelope) -> Iterable[Envelope]:
        yield Envelope(misfit if envelope.value == b"2" else sink, envelope.key, envelope.value)

    more = {"exactly_once": True, "transactional_id": source} if once and kind == "kafka" else {}
    report = await run(kind, source, handler, dead_letter=dead, limit=5, **more)
    assert (report.consumed, report.produced, report.dead_lettered) == (5, 5, 1)
    [letter] = await read(kind, dead, 1)
    assert letter.envelope.value == b"2"
    assert code in letter.envelope.headers["x07-dead-reason"]
    assert {*values(await read(kind, sink, 4))} == {0, 1, 3, 4}


async def test_a_result_larger_than_the_topic_allows_is_poison(on_kafka: object, live_kafka: RunningBroker) -> None:
    source, sink, dead = places(3)
    await prefill("kafka", [Envelope(source, b"k", b"%d" % n) for n in range(3)], dead)
    admin = AdminClient({"bootstrap.servers": live_kafka.address})
    small = NewTopic(sink, 1, 1, config={"max.message.bytes": "2000"})
    await asyncio.to_thread(admin.create_topics([small])[sink].result)

    def handler(envelope: Envelope) -> Iterable[Envelope]:
        yield Envelope(sink, envelope.key, envelope.value + b" " * (5000 if envelope.value == b"1" else 0))

    report = await run("kafka", source, handler, dead_letter=dead, limit=3)
    assert (report.consumed, report.dead_lettered) == (3, 1)
    [letter] = await read("kafka", dead, 1)
    assert letter.envelope.value == b"1"
    assert "9711" in letter.envelope.headers["x07-dead-reason"]
    assert {*values(await read("kafka", sink, 2))} >= {0, 2}


def knows_no_field(envelope: Envelope) -> Iterable[Envelope]:
    raise KeyError("no such field")


async def test_a_poison_message_with_a_key_as_large_as_a_message_may_be(on_kafka: object) -> None:
    source, dead = places(2)
    await prefill("kafka", [Envelope(source, b"k" * 1_048_400, b"poison")], dead)

    report = await run("kafka", source, knows_no_field, dead_letter=dead, limit=1)
    assert report.dead_lettered == 1
    [letter] = await read("kafka", dead, 1)
    assert (letter.envelope.key, letter.envelope.value) == (b"", b"")
    assert len(letter.envelope.headers["x07-dead-key-sha256"]) == 64
    assert len(letter.envelope.headers["x07-dead-value-sha256"]) == 64


async def test_a_message_whose_headers_fill_a_frame_gets_a_bare_letter(on_amqp: object) -> None:
    source, dead = places(2)
    await prefill("amqp", [Envelope(source, b"k", b"poison", {"filler": "f" * 119_990})], dead)

    report = await run("amqp", source, knows_no_field, dead_letter=dead, limit=1)
    assert report.dead_lettered == 1
    [letter] = await read("amqp", dead, 1)
    assert (letter.envelope.key, letter.envelope.value) == (b"k", b"")
    assert "9859" in letter.envelope.headers["x07-dead-reason"]
