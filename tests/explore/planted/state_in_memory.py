"""Numbers each order of a customer, from a dict in memory.

promises: numbered: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json

from x07py import Envelope, open_driver, pump

seen: dict[bytes, int] = {}


def number(order: Envelope) -> list[Envelope]:
    seen[order.key] = seen.get(order.key, 0) + 1
    fact = {"order": json.loads(order.value)["id"], "nth": seen[order.key]}
    return [Envelope("numbered", order.key, json.dumps(fact).encode())]


async def main() -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await pump(driver, number, topics=["orders"], group="g")


if __name__ == "__main__":
    asyncio.run(main())
