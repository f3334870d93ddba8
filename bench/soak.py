"""Half an hour of pumping on both brokers: is memory flat?

For each broker a process of its own feeds 250 messages a second into a source and pumps them to a sink; every hundredth
is poison and every tenth comes twice. It tells its resident memory every ten seconds. ``SOAK_S`` in the environment is
the time. The first tenth warms up; the median of the second is what the median of the last is compared with.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from bench.measure import resident_kib, table, write
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.brokers.process import start_native, stop_broker

ROOT = Path(__file__).parents[1]
SOAK_S = int(os.environ.get("SOAK_S", "1800"))
A_SECOND = 250
EVERY_S = SOAK_S / 180
MOST_GROWTH = 0.10
SOURCE, SINK, DEAD = "soak", "soak-results", "soak-dead"


async def work(kind: str) -> None:
    """Feed and pump until SIGTERM; print a line of facts now and then."""

    def handler(envelope: Envelope) -> tuple[Envelope, ...]:
        if envelope.value.endswith(b"00"):
            raise ValueError("every hundredth is poison")
        return (Envelope(SINK, envelope.key, envelope.value),)

    options = PumpOptions(dead_letter=DEAD, window=10_000, workers=2)
    async with (
        open_driver(kind, profile="local_dev_v1") as feeding,
        open_driver(kind, profile="local_dev_v1") as driver,
    ):
        if kind == "amqp":
            short = {"x-max-length": 1000}
            queues = [{"name": SOURCE}, *({"name": name, "arguments": short} for name in (SINK, DEAD))]
            await feeding.control("apply_topology", {"topology": {"queues": queues}})
        tasks = [asyncio.create_task(feed(feeding)), asyncio.create_task(tell())]
        report = await pump(driver, handler, topics=[SOURCE], group=SOURCE if kind == "kafka" else "", options=options)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    print(json.dumps({"consumed": report.consumed, "letters": report.dead_lettered, "twice": report.duplicates}))


async def feed(driver: Any) -> None:
    """Publish a batch a second, or as soon as the one before it is confirmed."""
    started = time.monotonic()
    for second in count():
        batch = []
        for number in range(second * A_SECOND, (second + 1) * A_SECOND):
            one = Envelope(SOURCE, b"k%d" % (number % 64), b"%0200d" % number, {"ce_id": str(number)})
            batch += [one, one] if number % 10 == 0 else [one]
        await driver.publish_many(batch)
        await asyncio.sleep(max(started + second + 1 - time.monotonic(), 0))


async def tell() -> None:
    """Print the resident memory in KiB."""
    while True:
        await asyncio.sleep(EVERY_S)
        print(resident_kib(), flush=True)


def start(kind: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.soak", kind]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def row(kind: str, worker: subprocess.Popen[str]) -> dict[str, Any]:
    """Read what a worker tells for the time of the soak, drain it, and return what came of it."""
    assert worker.stdout is not None
    sizes = [int(worker.stdout.readline()) for _ in range(170)]
    worker.send_signal(signal.SIGTERM)
    facts = json.loads(worker.communicate(timeout=120)[0].splitlines()[-1])
    before, after = statistics.median(sizes[17:34]), statistics.median(sizes[-17:])
    growth = round(after / before - 1, 3)
    return {
        "broker": kind,
        **facts,
        "KiB_early": before,
        "KiB_late": after,
        "growth": growth,
        "exit": worker.returncode,
    }


def main() -> int:
    """Soak both brokers at once and return 1 if memory grew by more than a tenth."""
    os.environ.update(X07_SECRET_RABBIT_USERNAME="guest", X07_SECRET_RABBIT_PASSWORD="guest")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(ROOT / "docs/examples/contracts_project/arch", root / "arch")
        os.chdir(root)
        try:
            for kind in ("kafka", "amqp"):
                os.environ[f"X07_{kind.upper()}_LOCAL_DEV_V1"] = start_native(root, kind, port=0).address
            workers = {kind: start(kind) for kind in ("kafka", "amqp")}
            rows = [row(kind, worker) for kind, worker in workers.items()]
        finally:
            for kind in ("kafka", "amqp"):
                stop_broker(root, kind)
            os.chdir(ROOT)
    text = table([name.replace("_", " ") for name in rows[0]], [list(one.values()) for one in rows])
    results = {"seconds": SOAK_S, "brokers": rows}
    write("soak", "make soak", ["x07py", "confluent-kafka", "aiormq"], results, f"{SOAK_S} seconds.\n\n{text}")
    return 1 if any(one["growth"] > MOST_GROWTH or one["exit"] for one in rows) else 0


if __name__ == "__main__":
    sys.exit(main() if len(sys.argv) == 1 else asyncio.run(work(sys.argv[1])))
