"""A service as users write it, in a process of its own: ``python -m tests.pumping.worker KIND SOURCE SINK [MODE]``.

It prints ``ready`` at its first message and its report as JSON at the end. The handler forwards value and number.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict

from x07py import Envelope, PumpOptions, open_driver, pump


async def main(kind: str, source: str, sink: str, mode: str) -> None:
    first = iter(("ready",))

    def handler(envelope: Envelope) -> Iterable[Envelope]:
        for word in first:
            print(word, flush=True)  # noqa: T201
        yield Envelope(sink, envelope.key, envelope.value, {"ce_id": envelope.headers["ce_id"]})

    exactly_once = mode == "exactly-once"
    options = PumpOptions(exactly_once=exactly_once, transactional_id=f"pump-{source}" if exactly_once else "")
    async with open_driver(kind, profile="local_dev_v1") as driver:
        report = await pump(driver, handler, topics=[source], group=source if kind == "kafka" else "", options=options)
    print(json.dumps(asdict(report)), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:], *["at-least-once"][: 5 - len(sys.argv)]))
