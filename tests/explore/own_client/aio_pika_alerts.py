"""Orders become alerts, with aio-pika; ``commit-first`` acknowledges an order before its alert is confirmed."""

from __future__ import annotations

import asyncio
import sys

import aio_pika


async def main() -> None:
    async with await aio_pika.connect("amqp://guest:guest@rabbit.example/") as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=2)
        orders = await channel.declare_queue("orders", durable=True)
        await channel.declare_queue("alerts", durable=True)
        async with orders.iterator() as incoming:
            async for order in incoming:
                if "commit-first" in sys.argv:
                    await order.ack()
                await channel.default_exchange.publish(aio_pika.Message(order.body), routing_key="alerts")
                if "commit-first" not in sys.argv:
                    await order.ack()


asyncio.run(main())
