"""The driver, held to x07py's conformance suite: recorded on a Redis at ``X07_REDIS_LOCAL``, then replayed without."""

import asyncio
import uuid

from x07py.drivers import Driver
from x07py.testing.conformance import Subject, conformance


async def ask_for_what_is_not_there(driver: Driver, place: str) -> None:
    await driver.lag([place], group="g")


SUBJECT = Subject("redis", "local", fail=ask_for_what_is_not_there, traits=frozenset({"groups", "lag"}))


def test_conformance() -> None:
    run = f"c-{uuid.uuid4().hex[:8]}"
    live = asyncio.run(conformance(SUBJECT, run=run, mode="record"))
    assert set(live.values()) == {"yes"}
    assert asyncio.run(conformance(SUBJECT, run=run, mode="replay")) == live
