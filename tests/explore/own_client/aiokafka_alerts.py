"""Orders become alerts, with aiokafka; ``commit-first`` commits an order before its alert is there."""

from __future__ import annotations

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

BROKER = "kafka.example:9092"


async def main() -> None:
    consumer = AIOKafkaConsumer(
        "orders", bootstrap_servers=BROKER, group_id="alerts", auto_offset_reset="earliest", enable_auto_commit=False
    )
    producer = AIOKafkaProducer(bootstrap_servers=BROKER)
    await consumer.start()
    await producer.start()
    try:
        async for order in consumer:
            if "commit-first" in sys.argv:
                await consumer.commit()
            await producer.send_and_wait("alerts", key=order.key, value=order.value)
            if "commit-first" not in sys.argv:
                await consumer.commit()
    finally:
        await consumer.stop()
        await producer.stop()


asyncio.run(main())
