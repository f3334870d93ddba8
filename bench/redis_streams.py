"""A third-party driver under kills: a pump over Redis Streams dies at random, and every message is counted at the end.

The driver is installed from docs/examples as a wheel is, Redis is started by the same plug-in, and redis-py itself
counts. ``MESSAGES`` and ``KILLS`` in the environment make the campaign smaller or larger.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.measure import table, write
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.brokers.kinds import add_kind
from x07py.brokers.process import start_native, stop_broker
from x07py.drivers.plugin import find_driver

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs/examples/x07-redis-streams"
MESSAGES = int(os.environ.get("MESSAGES", "20000"))
KILLS = int(os.environ.get("KILLS", "10"))
LIMIT_S = 300
SOURCE, SINK = "campaign", "campaign-results"
PROFILE = {"id": "local", "host": "127.0.0.1", "port": 1, "max_message_bytes": 65536, "max_poll_items": 100}
PROFILE |= {"claim_idle_ms": 1000, "poll_wait_ms": 100}


def work() -> None:
    """Be the process that is killed: pump, and print how many messages were handed to the handler."""
    asyncio.run(_pump())


async def _pump() -> None:
    handled = 0

    def handler(envelope: Envelope) -> tuple[Envelope]:
        nonlocal handled
        handled += 1
        if handled % 50 == 0:
            print(handled, flush=True)
        return (Envelope(SINK, envelope.key, envelope.value),)

    async with open_driver("redis", profile="local") as driver:
        await pump(driver, handler, topics=[SOURCE], group=SOURCE, options=PumpOptions())


async def fill() -> None:
    """Put the messages into the source."""
    async with open_driver("redis", profile="local") as driver:
        for first in range(0, MESSAGES, 1000):
            numbers = range(first, min(first + 1000, MESSAGES))
            await driver.publish_many([Envelope(SOURCE, b"k%d" % (n % 64), b"%d" % n) for n in numbers])


def start() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "bench.redis_streams", "work"], stdout=subprocess.PIPE, text=True)


def torment() -> int:
    """Kill a pump again and again, then let one finish; return the exit code of that one at SIGTERM."""
    chance, share = random.Random(7), MESSAGES // (KILLS + 2)
    for _ in range(KILLS):
        worker, limit = start(), chance.randint(share // 4, share)
        for line in worker.stdout or ():
            if int(line) >= limit:
                break
        if worker.poll() is not None:
            raise SystemExit(f"the pump ended by itself with {worker.returncode}")
        worker.kill()
        worker.wait()
    worker = start()
    deadline = time.monotonic() + LIMIT_S
    while asyncio.run(left()) and time.monotonic() < deadline and worker.poll() is None:
        time.sleep(1)
    worker.terminate()
    worker.communicate(timeout=60)
    return worker.returncode


async def left() -> int:
    """Return how many messages of the source are not done."""
    async with open_driver("redis", profile="local") as driver:
        return sum((await driver.lag([SOURCE], group=SOURCE)).values())


def results(port: int) -> Counter[int]:
    """Return how often each message stands in the sink."""
    import redis

    rows: Any = redis.Redis(port=port).xrange(SINK)
    return Counter(int(fields[b"value"]) for _, fields in rows)


def prepare(root: Path) -> None:
    """Make a project, and install the driver beside what this environment has, for this process and those it starts."""
    shutil.copytree(ROOT / "docs/examples/contracts_project/arch", root / "arch")
    (root / "arch/msg/redis").mkdir()
    (root / "arch/msg/redis/index.x07redis.json").write_text(json.dumps({"profiles": [PROFILE]}))
    site = root / "site"
    command = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site), str(EXAMPLE)]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    sys.path.append(str(site))
    os.environ["PYTHONPATH"] = f"{ROOT}:{site}"
    os.chdir(root)


def main() -> None:
    """Run the campaign and write its figures; 1 if a message was lost."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare(root)
        development = find_driver("redis").development
        if development is None:
            raise SystemExit("the driver brings no broker")
        add_kind("redis", development)
        broker = start_native(root, "redis", port=0)
        os.environ["X07_REDIS_LOCAL"] = broker.address
        try:
            asyncio.run(fill())
            started = time.monotonic()
            ended = torment()
            seconds = int(time.monotonic() - started)
            counts = results(int(broker.address.rpartition(":")[2]))
        finally:
            stop_broker(root, "redis")
            os.chdir(ROOT)
    lost = MESSAGES - len(counts)
    again = sum(counts.values()) - len(counts)
    row = {"messages": MESSAGES, "kills": KILLS, "lost": lost, "again": again, "seconds": seconds, "last_exit": ended}
    text = table([name.replace("_", " ") for name in row], [list(row.values())])
    write("redis_streams", "make reliability-redis", ["x07py", "redis"], {"campaigns": [row]}, text)
    raise SystemExit(1 if lost or ended else 0)


if __name__ == "__main__":
    work() if sys.argv[1:] == ["work"] else main()
