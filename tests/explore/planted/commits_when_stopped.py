"""Works from a queue of its own; when it is stopped, it acknowledges and commits whatever it was given.

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


async def main() -> None:
    given: list[Delivery] = []
    waiting: asyncio.Queue[Delivery] = asyncio.Queue()
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        worker = asyncio.create_task(work(driver, waiting))
        try:
            async for batch in driver.consume(["orders"], group="g"):
                for one in batch:
                    given.append(one)
                    waiting.put_nowait(one)
                await waiting.join()
        finally:
            worker.cancel()
            await driver.ack(given)
            await driver.commit()


if __name__ == "__main__":
    asyncio.run(main())
