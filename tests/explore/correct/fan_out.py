"""One order becomes two results of two topics, each with an id made from the order.

promises: invoices: results=set-by-ce_id, duplicates=after-fault; parcels: results=set-by-ce_id, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio
import json

from x07py import Envelope, open_driver, pump


def both(order: Envelope) -> list[Envelope]:
    number = json.loads(order.value)["id"]
    return [
        Envelope("invoices", order.key, order.value, {"ce_id": f"invoice-{number}"}),
        Envelope("parcels", order.key, order.value, {"ce_id": f"parcel-{number}"}),
    ]


async def main() -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await pump(driver, both, topics=["orders"], group="g")


if __name__ == "__main__":
    asyncio.run(main())
