"""Acknowledges each batch at once and sends results three batches later: a revoke or a stop commits what has no result.

promises: alerts: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Envelope, open_driver


async def main() -> None:
    waiting: list[Envelope] = []
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        count = 0
        async for batch in driver.consume(["orders"], group="g"):
            await driver.ack(batch)
            waiting += [Envelope("alerts", one.envelope.key, one.envelope.value) for one in batch]
            count += 1
            if count % 3 == 0:
                await driver.publish_many(waiting)
                waiting.clear()
                await driver.commit()
        await driver.publish_many(waiting)
        await driver.commit()


if __name__ == "__main__":
    asyncio.run(main())
