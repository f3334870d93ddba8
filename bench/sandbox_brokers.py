"""Brokers from inside each sandbox of ``bench.sandbox``: aio-pika's confirms, librdkafka's producing and consuming.

The programs are those of ``bench.drivers``, a process each, against Apache Kafka and RabbitMQ on this machine.
"""

from __future__ import annotations

import os
import statistics
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.brokers.process import start_native, stop_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
ROUNDS = 3
PROGRAMS = {
    "aio-pika confirms": ("amqp", "aio_pika_publish", 4_000),
    "librdkafka produce": ("kafka", "raw_publish", 100_000),
    "librdkafka consume": ("kafka", "raw_poll", 100_000),
}
"""What is measured: the broker, the program of ``bench.drivers``, and the number of messages."""

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


def rates(
    runners: Callable[[int], Mapping[str, Callable[[Sequence[str]], object]]], kind: str, address: str, folder: Path
) -> dict[str, dict[str, float | None]]:
    """Return the median messages a second of each program at a broker, by runner; None where it cannot run.

    Args:
        runners: makes the runners for programs that connect to a port.
        kind: ``kafka`` or ``amqp``.
        address: of the broker, as HOST:PORT.
        folder: where programs may write.
    """
    by_name = runners(int(address.rpartition(":")[2]))
    found: dict[str, dict[str, float | None]] = {}
    for what, (wanted, program, count) in PROGRAMS.items():
        if wanted != kind:
            continue
        place = _filled(by_name["bare"], address, count, folder) if program == "raw_poll" else None
        rows: dict[str, list[float]] = {name: [] for name in by_name}
        for _ in range(ROUNDS):
            for name, run in by_name.items():
                seconds = _seconds(run, (kind, address, program), place or _fresh(), count, folder)
                if seconds is not None:
                    rows[name].append(count / seconds)
        found[what] = {name: statistics.median(row) if len(row) == ROUNDS else None for name, row in rows.items()}
    return found


def _fresh() -> str:
    return f"bench-{uuid.uuid4().hex[:8]}"


def _filled(run: Callable[[Sequence[str]], object], address: str, count: int, folder: Path) -> str:
    """Return a topic that holds `count` messages."""
    topic = _fresh()
    _seconds(run, ("kafka", address, "raw_publish"), topic, count, folder)
    return topic


def _seconds(
    run: Callable[[Sequence[str]], object], program: tuple[str, str, str], place: str, count: int, folder: Path
) -> float | None:
    """Return the seconds that a program took by its own clock, or None if it failed."""
    out = folder / "seconds"
    out.unlink(missing_ok=True)
    try:
        run([sys.executable, "-c", PROGRAM, str(ROOT), *program, place, str(count), str(out)])
        return float(out.read_text(encoding="utf-8"))
    except Exception as error:  # noqa: BLE001 (a peer that cannot do it is told of, whatever it raises)
        sys.stderr.write(f"{os.path.basename(sys.executable)} {program[2]}: {error!r}\n")  # noqa: PTH119
        return None
