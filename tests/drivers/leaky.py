"""A program that shows all it can of what it knows: debug logs, objects, metrics, spans, errors, command lines."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from pprint import pformat

import prometheus_client
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from x07py import Envelope, open_driver, pump
from x07py.pumping import PumpOptions

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


async def show(kind: str, place: str) -> None:
    async with open_driver(kind, profile="local_dev_v1") as driver:
        for thing in (driver, *(part for holder in (driver, driver._backend) for part in vars(holder).values())):
            say(pformat(thing))
            say(pformat(vars(thing) if hasattr(thing, "__dict__") else None))
        if kind == "amqp":
            await driver.control("apply_topology", {"topology": {"queues": [{"name": place}]}})
        await driver.publish_many([Envelope(place, b"k", b"%d" % n, {"traceparent": TRACE}) for n in range(3)])
        options = PumpOptions(dead_letter=place, limit=3)
        say(repr(await pump(driver, lambda _: [], topics=[place], group=place, options=options)))


def main() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        asyncio.run(show(*sys.argv[1:]))
    finally:
        say(prometheus_client.generate_latest().decode())
        say(f"command line: {Path('/proc/self/cmdline').read_bytes()!r}")


if __name__ == "__main__":
    main()
