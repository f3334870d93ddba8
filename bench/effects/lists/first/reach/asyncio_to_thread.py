import asyncio
async def off(f): return await asyncio.to_thread(f)
