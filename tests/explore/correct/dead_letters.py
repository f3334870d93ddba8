"""What has no JSON goes to the dead letters, by the pump, on RabbitMQ.

promises: alerts: results=set, duplicates=after-fault; orders-dead: results=set, duplicates=after-fault
(order 7 has no JSON)
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json

from x07py import Envelope, PumpOptions, open_driver, pump


def alert(order: Envelope) -> list[Envelope]:
    json.loads(order.value)
    return [Envelope("alerts", order.key, order.value)]


async def main() -> None:
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await pump(driver, alert, topics=["orders"], options=PumpOptions(dead_letter="orders-dead"))


if __name__ == "__main__":
    asyncio.run(main())
