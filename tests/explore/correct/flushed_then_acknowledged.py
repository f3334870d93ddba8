"""Collects alerts and sends them every five seconds; only what was sent is acknowledged and committed.

promises: alerts: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Delivery, Driver, Envelope, open_driver


async def flush(driver: Driver, waiting: list[Delivery]) -> None:
    some, waiting[:] = list(waiting), []
    await driver.publish_many([Envelope("alerts", one.envelope.key, one.envelope.value) for one in some])
    await driver.ack(some)
    await driver.commit()


async def flush_now_and_then(driver: Driver, waiting: list[Delivery]) -> None:
    while True:
        await asyncio.sleep(5)
        if waiting:
            await flush(driver, waiting)


async def consume(driver: Driver, waiting: list[Delivery]) -> None:
    async for batch in driver.consume(["orders"], group="g"):
        waiting += batch


async def main() -> None:
    waiting: list[Delivery] = []
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        timer = asyncio.create_task(flush_now_and_then(driver, waiting))
        consuming = asyncio.create_task(consume(driver, waiting))
        done, _ = await asyncio.wait({timer, consuming}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        timer.cancel()
        await flush(driver, waiting)


if __name__ == "__main__":
    asyncio.run(main())
