"""aio-pika in uvloop, which connects in C."""

import asyncio
import sys

import aio_pika
import uvloop


async def main() -> None:
    async with await aio_pika.connect(sys.argv[1]) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("uvloop", auto_delete=True)
        await channel.default_exchange.publish(aio_pika.Message(b"message"), queue.name)
        message = await queue.get(timeout=5)
        print(message.body)
        await message.ack()


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
