"""Cassettes whose entries hold messages and nothing else, as the reference's recorder writes them, replay."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.rr.builders import config, stored
from tests.support.project import EXAMPLE
from x07py import Envelope, open_driver
from x07py.drivers.base import AMQP, KAFKA, Dialect
from x07py.errors import DriverError, NothingRecordedError, ReplayMismatchError, UnusedRecordingError
from x07py.msg import MessageRecord
from x07py.rr import Entry, Match, Mode, Session

PROFILE = "local_dev_v1"
ONE, TWO, OTHER = (Envelope(topic, b"k", value) for topic, value in (("a", b"1"), ("a", b"2"), ("b", b"3")))


def bare(envelope: Envelope, *, publish: bool = False, dialect: Dialect = KAFKA) -> Entry:
    data = envelope.encode()
    record = MessageRecord(1 if publish else 2, dialect.number, PROFILE, data, 1, b"OK").encode()
    return Entry("rr", dialect.publish_op if publish else dialect.poll_op, PROFILE, data, record)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(EXAMPLE / "arch", tmp_path / "arch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    return tmp_path


def replay(root: Path, *entries: Entry, match: Match = Match.LOOKUP) -> Session:
    stored(root, *entries)
    return Session(config(Mode.REPLAY, match=match), root)


async def consumed(topics: list[str], max_items: int = 10) -> list[list[bytes]]:
    async with open_driver("kafka", profile=PROFILE) as driver:
        return [
            [one.envelope.value for one in batch]
            async for batch in driver.consume(topics, group="g", max_items=max_items)
        ]


@pytest.mark.parametrize("match", Match)
async def test_publish_and_consume(root: Path, match: Match) -> None:
    with replay(root, bare(ONE, publish=True), bare(ONE), bare(TWO), match=match):
        async with open_driver("kafka", profile=PROFILE) as driver:
            ack = await driver.publish(ONE)
            batches = [batch async for batch in driver.consume(["a"], group="g")]
    assert (ack.text, ack.meta) == (b"OK", {"not_recorded": ["offset", "partition"]})
    assert [[one.envelope for one in batch] for batch in batches] == [[ONE, TWO]]
    unknown = ["group", "offset", "partition", "timestamp_ms"]
    assert batches[0][0].meta == {"topic": "a", "not_recorded": unknown}


async def test_batches_are_as_large_as_the_program_allows(root: Path) -> None:
    with replay(root, bare(ONE), bare(TWO), bare(ONE)):
        assert await consumed(["a"], max_items=2) == [[b"1", b"2"], [b"1"]]


async def test_each_consumer_gets_its_topics(root: Path) -> None:
    with replay(root, bare(OTHER), bare(ONE), bare(OTHER), bare(TWO)):
        assert await consumed(["a"]) == [[b"1", b"2"]]
        assert await consumed(["b"]) == [[b"3", b"3"]]


async def test_topics_of_one_consumer_keep_their_order(root: Path) -> None:
    with replay(root, bare(OTHER), bare(ONE), bare(OTHER), bare(TWO)):
        assert await consumed(["a", "b"]) == [[b"3", b"1", b"3", b"2"]]


async def test_messages_of_a_topic_that_nobody_consumes_are_left_over(root: Path) -> None:
    with pytest.raises(UnusedRecordingError, match="1 of 2 recorded entries"), replay(root, bare(ONE), bare(OTHER)):
        assert await consumed(["a"]) == [[b"1"]]


async def test_a_transcript_goes_on_with_another_topic(root: Path) -> None:
    session = replay(root, bare(OTHER), match=Match.TRANSCRIPT)
    expected = "consumes a, the recording goes on with a message of b"
    with pytest.raises(ReplayMismatchError, match=expected) as caught, session:
        await consumed(["a"])
    assert caught.value.code == 2057
    assert session.unused() == [0]


async def test_a_transcript_ends_a_batch_at_a_publish(root: Path) -> None:
    with replay(root, bare(ONE), bare(TWO, publish=True), bare(TWO), match=Match.TRANSCRIPT):
        async with open_driver("kafka", profile=PROFILE) as driver:
            batches = driver.consume(["a"], group="g")
            assert [one.envelope for one in await anext(batches)] == [ONE]
            await driver.publish(TWO)
            assert [one.envelope for one in await anext(batches)] == [TWO]


async def test_a_changed_publish_is_told(root: Path) -> None:
    with (
        pytest.raises(ReplayMismatchError, match="differs from what was recorded"),
        replay(root, bare(ONE, publish=True)),
    ):
        async with open_driver("kafka", profile=PROFILE) as driver:
            await driver.publish(Envelope("a", b"k", b"changed"))


async def test_an_acknowledgement_needs_what_was_not_recorded(root: Path) -> None:
    with pytest.raises(DriverError, match="no partition in its metadata") as caught, replay(root, bare(ONE)):
        async with open_driver("kafka", profile=PROFILE) as driver:
            await driver.ack(await anext(driver.consume(["a"], group="g")))
    assert caught.value.code == 9620


async def test_a_control_operation_was_not_recorded(root: Path) -> None:
    with pytest.raises(NothingRecordedError, match="commit"), replay(root, bare(ONE)):
        async with open_driver("kafka", profile=PROFILE) as driver:
            await driver.commit()


async def test_queues_are_not_told_apart(root: Path) -> None:
    with replay(root, bare(ONE, dialect=AMQP), bare(OTHER, dialect=AMQP)):
        async with open_driver("amqp", profile=PROFILE) as driver:
            batches = [batch async for batch in driver.consume(["queue"])]
    assert [[one.envelope for one in batch] for batch in batches] == [[ONE, OTHER]]
    assert "delivery_tag" in str(batches[0][0].meta["not_recorded"])
    assert "topic" not in batches[0][0].meta
