# innocent -- coroutines that never suspend on the loop; asyncio.sleep(0) only yields
import asyncio
from typing import AsyncIterator


async def _rows(bodies: list[dict]) -> AsyncIterator[dict]:
    for body in bodies:
        await asyncio.sleep(0)
        yield body


async def total(bodies: list[dict]) -> int:
    cents = 0
    async for body in _rows(bodies):
        cents += body.get("cents", 0)
    return cents
