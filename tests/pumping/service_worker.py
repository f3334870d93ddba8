"""A service that its manifest describes: ``python -m tests.pumping.service_worker VERSION SINK``.

It forwards each message with its version, and prints its report as JSON at the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict

from x07py import Envelope, open_driver, pump
from x07py.contracts.loader import find_root
from x07py.contracts.service import read_service


async def main(version: str, sink: str) -> None:
    async def handler(envelope: Envelope) -> Envelope:
        await asyncio.sleep(0.002)
        return Envelope(sink, envelope.key, envelope.value, {"version": version})

    service = read_service(find_root(), "billing")
    async with open_driver(service.driver, profile=service.profile) as driver:
        print(json.dumps(asdict(await pump(driver, handler, service=service.id))), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
