"""An order that cannot be read is rejected when its dead letter is sent.

promises: alerts: results=set, duplicates=after-fault; orders-dead: results=set, duplicates=after-fault
(order 7 has no JSON)
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json

from x07py import Envelope, open_driver


async def main() -> None:
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            for one in batch:
                try:
                    json.loads(one.envelope.value)
                except ValueError:
                    await driver.publish(Envelope("orders-dead", one.envelope.key, one.envelope.value))
                    await driver.nack([one], requeue=False)
                    continue
                await driver.publish(Envelope("alerts", one.envelope.key, one.envelope.value))
                await driver.ack([one])


if __name__ == "__main__":
    asyncio.run(main())
