"""A failed publish is logged and forgotten.

promises: alerts: results=set, duplicates=after-fault
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Envelope, open_driver


async def main() -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"], group="g"):
            try:
                await driver.publish_many([Envelope("alerts", one.envelope.key, one.envelope.value) for one in batch])
            except Exception:
                print("could not send; going on")
            await driver.ack(batch)
            await driver.commit()


if __name__ == "__main__":
    asyncio.run(main())
