"""A dead letter that cannot be sent is logged, and its order rejected all the same.

promises: alerts: results=set, duplicates=after-fault; orders-dead: results=set, duplicates=after-fault
(order 7 has no JSON)
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json
import logging

from x07py import Delivery, Driver, Envelope, open_driver
from x07py.errors import DriverError


async def bury(driver: Driver, one: Delivery) -> None:
    try:
        await driver.publish(Envelope("orders-dead", one.envelope.key, one.envelope.value))
    except DriverError as error:
        logging.error("%s", error)
    await driver.nack([one], requeue=False)


async def main() -> None:
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            for one in batch:
                try:
                    json.loads(one.envelope.value)
                except ValueError:
                    await bury(driver, one)
                    continue
                await driver.publish(Envelope("alerts", one.envelope.key, one.envelope.value))
                await driver.ack([one])


if __name__ == "__main__":
    asyncio.run(main())
