"""Collects alerts and sends them every five seconds; what was collected is committed at once.

promises: alerts: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Driver, Envelope, open_driver


async def flush(driver: Driver, waiting: list[Envelope]) -> None:
    while True:
        await asyncio.sleep(5)
        some, waiting[:] = list(waiting), []
        await driver.publish_many(some)


async def main() -> None:
    waiting: list[Envelope] = []
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        timer = asyncio.create_task(flush(driver, waiting))
        async for batch in driver.consume(["orders"], group="g"):
            waiting += [Envelope("alerts", one.envelope.key, one.envelope.value) for one in batch]
            await driver.ack(batch)
            await driver.commit()
        timer.cancel()


if __name__ == "__main__":
    asyncio.run(main())
