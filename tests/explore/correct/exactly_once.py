"""Every order becomes an alert, exactly once, by Kafka transactions.

promises: alerts: results=sequence-per-key, duplicates=never (as read_committed sees it)
inputs: topic `orders`, keys ada, bob, eve, values {"id": n, "amount": n, "urgent": bool} as JSON, twenty of them.
"""

from __future__ import annotations

import asyncio

from x07py import Envelope, PumpOptions, open_driver, pump


def alert(order: Envelope) -> list[Envelope]:
    return [Envelope("alerts", order.key, order.value)]


async def main() -> None:
    options = PumpOptions(exactly_once=True, transactional_id="alerts-1")
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await pump(driver, alert, topics=["orders"], group="g", options=options)


if __name__ == "__main__":
    asyncio.run(main())
