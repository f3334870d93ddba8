"""A service with a store: ``python -m tests.pumping.remembering KIND SOURCE SINK DATABASE``, killed again and again.

The handler's answer bears a number that nobody makes twice, so an answer tells which call it comes of.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid

from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.pumping import PostgresStore, SqliteStore


async def main(kind: str, source: str, sink: str, database: str) -> None:
    store = PostgresStore(database) if "=" in database else SqliteStore(database)

    def handler(envelope: Envelope) -> Envelope:
        print("handled", flush=True)  # noqa: T201
        time.sleep(0.002)
        return Envelope(sink, envelope.key, envelope.value + b" " + uuid.uuid4().hex.encode())

    options = PumpOptions(store=store, max_items=20)
    async with open_driver(kind, profile="local_dev_v1") as driver:
        await pump(driver, handler, topics=[source], group=source if kind == "kafka" else "", options=options)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
