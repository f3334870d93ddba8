"""What the programs of ``bench.drivers`` have in common."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from x07py import Driver

AT_A_TIME = 500
FASTSTREAM_SHARE = 50
A_SECOND = 200


def body() -> bytes:
    """Return a JSON message of about 170 bytes."""
    order = {"id": 4711, "customer": "c" * 40, "amount": 12.5, "tags": ["new", "eu"], "at": "2026-01-01T00:00:00Z"}
    return json.dumps({**order, "note": "n" * 30}).encode()


def paced(count: int) -> Iterator[None]:
    """Yield as often as asked, 200 times a second."""
    for _ in range(count):
        time.sleep(1 / A_SECOND)
        yield


async def paced_tasks(count: int) -> AsyncIterator[None]:
    """As `paced`, letting other tasks run meanwhile."""
    for _ in range(count):
        await asyncio.sleep(1 / A_SECOND)
        yield


async def publish_times(driver: Driver, place: str, count: int) -> None:
    """Publish what the clock says, one message at a time, paced."""
    from x07py import Envelope

    async for _ in paced_tasks(count):
        await driver.publish(Envelope(place, b"", b"%.9f" % time.perf_counter()))
