"""A message whose alert cannot be sent is logged, and acknowledged with the rest of its batch.

promises: alerts: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import logging

from x07py import Envelope, open_driver


async def main() -> None:
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            sent = [driver.publish(Envelope("alerts", one.envelope.key, one.envelope.value)) for one in batch]
            for one, result in zip(batch, await asyncio.gather(*sent, return_exceptions=True), strict=True):
                if isinstance(result, Exception):
                    logging.error("%r: %s", one.envelope.key, result)
            await driver.ack(batch)


if __name__ == "__main__":
    asyncio.run(main())
