"""A service whose handler never returns: ``python -m tests.pumping.stuck KIND SOURCE``; prints the error's code."""

from __future__ import annotations

import asyncio
import sys
import threading

from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.errors import PumpError


async def main(kind: str, source: str) -> None:
    def handler(envelope: Envelope) -> tuple[Envelope, ...]:
        print("stuck", flush=True)  # noqa: T201
        threading.Event().wait()
        return ()

    async with open_driver(kind, profile="local_dev_v1") as driver:
        try:
            options = PumpOptions(drain_s=0.2)
            await pump(driver, handler, topics=[source], group=source if kind == "kafka" else "", options=options)
        except PumpError as error:
            print(error.code, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
