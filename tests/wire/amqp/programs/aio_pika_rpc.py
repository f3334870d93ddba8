"""aio-pika's RPC pattern: queues with random names, bound by arguments that hold those names."""

import asyncio
import sys

import aio_pika
from aio_pika.patterns import RPC


async def multiply(*, x: int, y: int) -> int:
    return x * y


async def main() -> None:
    server = await aio_pika.connect_robust(sys.argv[1])
    client = await aio_pika.connect_robust(sys.argv[1])
    async with server, client:
        rpc = await RPC.create(await server.channel())
        await rpc.register("aio-pika-multiply", multiply, auto_delete=True)
        caller = await RPC.create(await client.channel())
        print(await caller.call("aio-pika-multiply", kwargs={"x": 3, "y": 4}))


asyncio.run(main())
