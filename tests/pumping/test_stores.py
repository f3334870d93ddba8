"""Durable idempotence: as the database sees it, nothing is lost and nothing is done twice, whoever is killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.pumping.test_pump import places, prefill
from tests.support.postgres import postgres
from tests.support.project import REPOSITORY
from x07py import Envelope, open_driver
from x07py.pumping import PostgresStore, SqliteStore, Store

__all__ = ["postgres"]
COUNT, KILLS = 300, 2


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("postgres")) if request.param == "postgres" else str(tmp_path / "results.db")


def store_of(database: str) -> Store:
    return PostgresStore(database) if "=" in database else SqliteStore(database)


@pytest.mark.live
def test_what_is_recorded_stays(database: str) -> None:
    store = store_of(database)
    [first, second, third] = places(3)
    answers = [Envelope("t", b"k", b"1", {"h": "v"}), Envelope("t")]
    store.record({first: answers, second: []})
    store.record({first: [], third: answers[:1]})
    again = store_of(database)
    assert again.find([first, second, third, "unknown"]) == {first: answers, second: [], third: answers[:1]}
    assert again.find([]) == {}


@pytest.mark.live
@pytest.mark.parametrize(("kind", "live"), [("kafka", "on_kafka"), ("amqp", "on_amqp")])
async def test_a_service_that_is_killed_handles_every_message_once_as_the_database_sees_it(
    request: pytest.FixtureRequest, kind: str, live: str, tmp_path: Path
) -> None:
    request.getfixturevalue(live)
    database = str(tmp_path / "results.db") if kind == "kafka" else str(request.getfixturevalue("postgres"))
    source, sink = places(2)
    ids = [f"{source}-{number}" for number in range(COUNT)]
    await prefill(kind, [Envelope(source, b"k%d" % (n % 7), b"%d" % n, {"ce_id": ids[n]}) for n in range(COUNT)], sink)
    for number in range(KILLS + 1):
        command = [sys.executable, "-m", "tests.pumping.remembering", kind, source, sink, database]
        worker = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
        )
        assert worker.stdout is not None
        left = COUNT - len(store_of(database).find(ids))
        for _ in range(min(left, COUNT // (KILLS + 2) + number)):
            assert await worker.stdout.readline() == b"handled\n"
        if number == KILLS:
            answers = await asyncio.wait_for(answered(kind, sink), 120)
        worker.kill()
        await worker.communicate()
    kept = store_of(database).find(ids)
    assert len(kept) == COUNT
    assert answers == {int(one.value.split()[0]): {one.value} for results in kept.values() for one in results}


async def answered(kind: str, sink: str) -> dict[int, set[bytes]]:
    """Return the different answers to each message, once all have one."""
    found: dict[int, set[bytes]] = defaultdict(set)
    async with open_driver(kind, profile="local_dev_v1") as driver:
        async for batch in driver.consume([sink], group=sink if kind == "kafka" else ""):
            for one in batch:
                found[int(one.envelope.value.split()[0])].add(one.envelope.value)
            await driver.ack(batch)
            if len(found) == COUNT:
                break
    return dict(found)
