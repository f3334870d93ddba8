# reaches: clock -- asyncio.sleep with a delay above 0 calls loop.call_later (loop.time)
import asyncio

PAUSE = 0.01


async def drain(batches: list[list[int]]) -> int:
    total = 0
    for batch in batches:
        total += sum(batch)
        await asyncio.sleep(PAUSE)
    return total
