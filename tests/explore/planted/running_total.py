"""Adds amounts up in a compacted topic that it reads at start; a redelivered order is added twice.

promises: totals: results=sequence-per-key, duplicates=after-fault (the last total of a key is the sum of its orders)
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json

from x07py import Envelope, open_driver


async def main() -> None:
    totals: dict[bytes, int] = {}
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"], group="g"):
            out = []
            for one in batch:
                key = one.envelope.key
                totals[key] = totals.get(key, 0) + json.loads(one.envelope.value)["amount"]
                out.append(Envelope("totals", key, str(totals[key]).encode()))
            await driver.publish_many(out)
            await driver.ack(batch)
            await driver.commit()


if __name__ == "__main__":
    asyncio.run(main())
