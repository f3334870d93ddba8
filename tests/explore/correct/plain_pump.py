"""Urgent orders become alerts, by the pump.

promises: alerts: results=set, duplicates=after-fault, order=key
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json

from x07py import Envelope, open_driver, pump


def alert(order: Envelope) -> list[Envelope]:
    return [Envelope("alerts", order.key, order.value)] if json.loads(order.value)["urgent"] else []


async def main() -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await pump(driver, alert, topics=["orders"], group="g")


if __name__ == "__main__":
    asyncio.run(main())
