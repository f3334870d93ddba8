"""The adapter: everything that touches the broker, and nothing else.

At-least-once: a batch is acknowledged after what it led to was confirmed. Every fifth batch it gives back, as a
worker that dies before its commit would; the messages come again, and the core knows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_delays.core import DEPARTURES, WEATHER
from x07py import open_driver

if TYPE_CHECKING:
    from collections.abc import Callable

    from flight_delays.core import FlightDelays

GROUP = "flight-delays"
GIVE_BACK_EVERY = 5


async def work(service: FlightDelays, progress: Callable[[int], None]) -> int:
    """Consume both streams to their end; return how many messages came; `progress` is called as each batch comes."""
    messages = batches = 0
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume([DEPARTURES, WEATHER], group=GROUP):
            progress(len(batch))
            batches += 1
            messages += len(batch)
            await driver.publish_many([out for one in batch for out in service.handle(one.envelope)])
            if batches % GIVE_BACK_EVERY == 0 and not service.finished:
                await driver.nack(batch)
            else:
                await driver.ack(batch)
                await driver.commit()
            if service.finished:
                break
    return messages
