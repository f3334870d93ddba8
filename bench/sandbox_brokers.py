"""Brokers from inside each sandbox of ``bench.sandbox``: aio-pika's confirms, librdkafka's producing and consuming.

The programs are those of ``bench.drivers``, a process each, against Apache Kafka and RabbitMQ on this machine.
"""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING

from bench.sandbox_runners import ROOT, in_turns
from x07py.brokers.process import start_native, stop_broker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bench.sandbox_runners import Runner

SECONDS = 80
"""What the rounds of one program may take."""
PROGRAMS = {
    "aio-pika confirms": ("amqp", "aio_pika_publish", 4_000),
    "librdkafka produce": ("kafka", "raw_publish", 300_000),
    "librdkafka consume": ("kafka", "raw_poll", 150_000),
}
"""What is measured: the broker, the program of ``bench.drivers``, and messages for about a second."""

PROGRAM = """
import asyncio, inspect, os, sys
from importlib import import_module
root, kind, address, program, place, count, out = sys.argv[1:]
os.environ[f"X07_{kind.upper()}_LOCAL_DEV_V1"] = address
sys.path.insert(0, root)
measured = getattr(import_module(f"bench.{kind}_programs"), program)(place, int(count))
seconds = asyncio.run(measured) if inspect.iscoroutine(measured) else measured
with open(out, "w") as file: file.write(str(seconds))
"""


def brokers(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the kind and the address of each broker while it runs."""
    for kind in ("kafka", "amqp"):
        try:
            yield kind, start_native(root, kind, port=0).address
        finally:
            stop_broker(root, kind)


def rates(sandboxes: Mapping[str, Runner], kind: str, address: str, folder: Path) -> dict[str, list[dict[str, float]]]:
    """Return the messages a second of each program at a broker, by round and sandbox.

    Args:
        sandboxes: what runs the programs.
        kind: ``kafka`` or ``amqp``.
        address: of the broker, as HOST:PORT.
        folder: where programs may write.
    """
    found = {}
    for what, (wanted, program, count) in PROGRAMS.items():
        if wanted == kind:
            place = None
            if program == "raw_poll":
                place = _fresh()
                _seconds(sandboxes["bare"], (kind, address, "raw_publish"), place, count, folder)

            def rate(sandbox: Runner, program: str = program, count: int = count, place: str | None = place) -> float:
                return count / _seconds(sandbox, (kind, address, program), place or _fresh(), count, folder)

            found[what] = in_turns(SECONDS, sandboxes, rate)
    return found


def _fresh() -> str:
    return f"bench-{uuid.uuid4().hex[:8]}"


def _seconds(sandbox: Runner, program: tuple[str, str, str], place: str, count: int, folder: Path) -> float:
    """Return the seconds that a program took by its own clock."""
    out = folder / "seconds"
    argv = [sys.executable, "-c", PROGRAM, str(ROOT), *program, place, str(count), str(out)]
    sandbox.run(argv, int(program[1].rpartition(":")[2]))
    return float(out.read_text(encoding="utf-8"))
