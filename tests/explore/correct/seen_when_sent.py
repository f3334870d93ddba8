"""Leaves out offsets whose alerts it has sent; an alert that fails comes again.

promises: alerts: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Envelope, open_driver
from x07py.errors import DriverError


async def main() -> None:
    last: dict[int, int] = {}
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"], group="g"):
            new = [one for one in batch if one.meta["offset"] > last.get(one.meta["partition"], -1)]
            try:
                await driver.publish_many([Envelope("alerts", one.envelope.key, one.envelope.value) for one in new])
            except DriverError:
                await driver.nack(batch, requeue=True)
                continue
            for one in new:
                last[one.meta["partition"]] = one.meta["offset"]
            await driver.ack(batch)
            await driver.commit()


if __name__ == "__main__":
    asyncio.run(main())
