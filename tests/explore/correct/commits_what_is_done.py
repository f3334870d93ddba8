"""Works from a queue of its own; when it is stopped, what is done was acknowledged, and what is not comes again.

promises: alerts: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Delivery, Driver, Envelope, open_driver


async def work(driver: Driver, waiting: asyncio.Queue[Delivery]) -> None:
    while True:
        one = await waiting.get()
        await driver.publish(Envelope("alerts", one.envelope.key, one.envelope.value))
        await driver.ack([one])
        await driver.commit()
        waiting.task_done()


async def fill(driver: Driver, waiting: asyncio.Queue[Delivery]) -> None:
    async for batch in driver.consume(["orders"], group="g"):
        for one in batch:
            waiting.put_nowait(one)
        await waiting.join()


async def main() -> None:
    waiting: asyncio.Queue[Delivery] = asyncio.Queue()
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        tasks = {asyncio.create_task(work(driver, waiting)), asyncio.create_task(fill(driver, waiting))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
