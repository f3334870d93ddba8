"""Says of each order which one came before it, whichever customer that was: partitions have no common order.

promises: chain: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json

from x07py import Envelope, open_driver


async def main() -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"], group="g"):
            before = 0
            out = []
            for one in batch:
                number = json.loads(one.envelope.value)["id"]
                out.append(Envelope("chain", one.envelope.key, json.dumps([before, number]).encode()))
                before = number
            await driver.publish_many(out)
            await driver.ack(batch)
            await driver.commit()


if __name__ == "__main__":
    asyncio.run(main())
