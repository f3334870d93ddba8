"""What it cannot read is committed with the batch, then written to the dead letters.

promises: alerts: results=set, duplicates=after-fault; orders-dead: results=set, duplicates=after-fault
(order 7 has no JSON)
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json

from x07py import Envelope, open_driver


async def main() -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"], group="g"):
            good, bad = [], []
            for one in batch:
                try:
                    json.loads(one.envelope.value)
                    good.append(Envelope("alerts", one.envelope.key, one.envelope.value))
                except ValueError:
                    bad.append(Envelope("orders-dead", one.envelope.key, one.envelope.value))
            await driver.publish_many(good)
            await driver.ack(batch)
            await driver.commit()
            await driver.publish_many(bad)


if __name__ == "__main__":
    asyncio.run(main())
