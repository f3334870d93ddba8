"""Leaves out orders that it has seen among the last two; redeliveries reach further back.

promises: alerts: results=set, duplicates=never
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque

from x07py import Envelope, open_driver


async def main() -> None:
    recent: deque[int] = deque(maxlen=2)
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            for one in batch:
                number = json.loads(one.envelope.value)["id"]
                if number not in recent:
                    recent.append(number)
                    await driver.publish(Envelope("alerts", one.envelope.key, one.envelope.value))
            await driver.ack(batch)


if __name__ == "__main__":
    asyncio.run(main())
