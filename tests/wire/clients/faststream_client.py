"""A FastStream application that answers what it publishes: ``KIND ADDRESS TOPIC``, with a broker of either library."""

import asyncio
import sys
from importlib import import_module

kind, address, topic = sys.argv[1:]
broker = import_module(f"faststream.{kind}").KafkaBroker(address, logger=None)
seen: list[str] = []
all_seen = asyncio.Event()


@broker.subscriber(topic, group_id=f"faststream-{topic}", auto_offset_reset="earliest")
@broker.publisher(f"{topic}-answers")
async def answer(message: str) -> str:
    seen.append(message)
    sys.stdout.write(f"got {message}\n")
    if len(seen) == 3:
        all_seen.set()
    return message.upper()


async def main() -> None:
    await broker.connect()
    async with broker:
        for n in range(3):
            await broker.publish(f"value {n}", topic, key=b"k", correlation_id=f"c{n}")
        await broker.start()
        await all_seen.wait()
        await asyncio.sleep(0.5)


asyncio.run(main())
