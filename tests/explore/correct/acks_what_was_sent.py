"""A message whose alert cannot be sent is given back; the rest of its batch is acknowledged.

promises: alerts: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Envelope, open_driver


async def main() -> None:
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            sent = [driver.publish(Envelope("alerts", one.envelope.key, one.envelope.value)) for one in batch]
            results = await asyncio.gather(*sent, return_exceptions=True)
            failed = [one for one, result in zip(batch, results, strict=True) if isinstance(result, Exception)]
            await driver.nack(failed, requeue=True)
            await driver.ack([one for one in batch if one not in failed])


if __name__ == "__main__":
    asyncio.run(main())
