"""A publish that fails is put at the end of a list and sent later: orders of one customer change places.

promises: alerts: results=sequence-per-key, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Envelope, open_driver


async def main() -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"], group="g"):
            todo = [Envelope("alerts", one.envelope.key, one.envelope.value) for one in batch]
            while todo:
                one = todo.pop(0)
                try:
                    await driver.publish(one)
                except Exception:
                    todo.append(one)
            await driver.ack(batch)
            await driver.commit()


if __name__ == "__main__":
    asyncio.run(main())
