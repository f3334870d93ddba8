"""Orders become alerts, with an idempotent aiokafka producer, over TLS, with a password; batches are committed."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

LOGIN: dict[str, Any] = {
    "bootstrap_servers": "kafka.example:9093",
    "security_protocol": "SASL_SSL",
    "ssl_context": ssl.create_default_context(),
    "sasl_mechanism": "PLAIN",
    "sasl_plain_username": "shop",
    "sasl_plain_password": "shop",
}


async def main() -> None:
    consumer = AIOKafkaConsumer(
        "orders", group_id="alerts", auto_offset_reset="earliest", enable_auto_commit=False, **LOGIN
    )
    producer = AIOKafkaProducer(enable_idempotence=True, compression_type="gzip", **LOGIN)
    await consumer.start()
    await producer.start()
    try:
        while True:
            batches = await consumer.getmany(timeout_ms=100)
            for order in [one for batch in batches.values() for one in batch]:
                await producer.send("alerts", key=order.key, value=order.value)
            await producer.flush()
            if batches:
                await consumer.commit()
    finally:
        await consumer.stop()
        await producer.stop()


asyncio.run(main())
