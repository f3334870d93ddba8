import asyncio
class Gate:
    def __init__(self): self.lock = asyncio.Lock()
    async def use(self, f):
        async with self.lock: return f()
