# reaches: threads, clock -- asyncio.to_thread hands the helper to the loop's thread pool (its idle semaphore reads time.monotonic)
import asyncio
import hashlib


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def checksum(message: dict) -> dict:
    digest = await asyncio.to_thread(_digest, message["body"])
    return {**message, "sha256": digest}
