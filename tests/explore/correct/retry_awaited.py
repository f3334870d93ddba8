"""What fails goes to a topic of retries, before it is committed.

promises: alerts: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Envelope, open_driver
from x07py.errors import DriverError


async def main() -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders", "orders-retry"], group="g"):
            for one in batch:
                order = one.envelope
                try:
                    await driver.publish(Envelope("alerts", order.key, order.value))
                except DriverError:
                    await driver.publish(Envelope("orders-retry", order.key, order.value))
            await driver.ack(batch)
            await driver.commit()


if __name__ == "__main__":
    asyncio.run(main())
