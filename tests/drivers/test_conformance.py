"""One suite for every broker, live and replayed; docs/reference/brokers.md states what it finds."""

from __future__ import annotations

import uuid

import pytest

from tests.support.project import REPOSITORY
from x07py import Delivery, Envelope
from x07py.drivers import Driver
from x07py.testing.conformance import Subject, conformance, suite_of, values

__all__ = ["SUBJECTS", "prepare", "take", "values"]
TABLE = REPOSITORY / "docs" / "reference" / "brokers.md"
BROKERS = {"kafka": "on_kafka", "amqp": "on_amqp", "embedded": "kafka"}
FULL = {"x-max-length": 1, "x-overflow": "reject-publish"}


async def declare(driver: Driver, place: str) -> None:
    await driver.control("apply_topology", {"topology": {"queues": [{"name": place}]}})


async def declare_full(driver: Driver, place: str) -> None:
    await driver.control("apply_topology", {"topology": {"queues": [{"name": place, "arguments": FULL}]}})


async def lag_of_nothing(driver: Driver, place: str) -> None:
    await driver.lag([place], group=place)


async def publish_nowhere(driver: Driver, place: str) -> None:
    await driver.publish(Envelope(place))


SUBJECTS = {
    "kafka": Subject(
        "kafka",
        "local_dev_v1",
        fail=lag_of_nothing,
        traits=frozenset({"groups", "offsets", "lag", "seek", "pause", "transactions", "partitions"}),
    ),
    "amqp": Subject(
        "amqp",
        "local_dev_v1",
        fail=publish_nowhere,
        prepare=declare,
        prepare_full=declare_full,
        grouped=False,
        traits=frozenset({"redelivered", "limits"}),
    ),
}


async def prepare(driver: Driver, place: str) -> None:
    """Make a place on either broker."""
    await SUBJECTS[driver.kind].prepare(driver, place)


async def take(driver: Driver, place: str, count: int, *, ack: bool = True) -> list[Delivery]:
    """Consume from either broker."""
    return await SUBJECTS[driver.kind].take(driver, place, count, ack=ack)


def stated(broker: str) -> dict[str, str]:
    """Return what the table says about a broker, without what that broker does not have."""
    rows = [line.strip("| \n").split(" | ") for line in TABLE.read_text(encoding="utf-8").splitlines() if "| " in line]
    column = rows[0].index(broker)
    return {row[0]: row[column] for row in rows[1:] if row[column] != "-"}


@pytest.mark.live
@pytest.mark.parametrize("broker", BROKERS)
async def test_live_and_replayed(broker: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    request.getfixturevalue(BROKERS[broker])
    subject, run = SUBJECTS["amqp" if broker == "amqp" else "kafka"], f"c-{uuid.uuid4().hex[:10]}"
    live = await conformance(subject, run=run, mode="record")
    assert live == stated(broker)
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    for name in ("X07_KAFKA_LOCAL_DEV_V1", "X07_AMQP_LOCAL_DEV_V1"):
        monkeypatch.setenv(name, "127.0.0.1:1")
    replayed = await conformance(subject, run=run, mode="replay")
    wrong = {text: one for text, one in replayed.items() if one != live[text]}
    left = "[2051]"  # what a broker gets wrong may go on, and be recorded, after the check has seen enough
    assert {text: one for text, one in wrong.items() if live[text] == "yes" or left not in one} == {}


def test_a_trait_that_the_suite_does_not_know() -> None:
    with pytest.raises(ValueError, match="knows no trait 'colour'; it knows groups, lag"):
        suite_of(Subject("kafka", "local_dev_v1", fail=lag_of_nothing, traits=frozenset({"colour"})))
