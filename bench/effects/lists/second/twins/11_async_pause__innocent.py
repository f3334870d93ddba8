# innocent -- asyncio.sleep(0) yields once without the loop's clock
import asyncio

PAUSE = 0


async def drain(batches: list[list[int]]) -> int:
    total = 0
    for batch in batches:
        total += sum(batch)
        await asyncio.sleep(PAUSE)
    return total
