"""Nothing lost: pumps that are killed at random while their broker is restarted, and every message counted at the end.

Counting is done with confluent-kafka and aiormq themselves, not with x07py. ``MESSAGES``, ``KILLS`` and ``RESTARTS`` in
the environment make the campaign smaller or larger.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import RESULTS, table, write
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.brokers.process import RunningBroker, start_native, stop_broker

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
MESSAGES = int(os.environ.get("MESSAGES", "100000"))
KILLS = int(os.environ.get("KILLS", "10"))
RESTARTS = int(os.environ.get("RESTARTS", "2"))
LIMIT_S = 900
SOURCE, SINK = "campaign", "campaign-results"
CAMPAIGNS = (("kafka", "at-least-once"), ("kafka", "exactly-once"), ("amqp", "at-least-once"))


def work(kind: str, mode: str) -> None:
    """Be the process that is killed: pump, and print how many messages were handed to the handler."""
    asyncio.run(_pump(kind, exactly_once=mode == "exactly-once"))


async def _pump(kind: str, *, exactly_once: bool) -> None:
    handled = 0

    def handler(envelope: Envelope) -> Iterable[Envelope]:
        nonlocal handled
        handled += 1
        if handled % 100 == 0:
            print(handled, flush=True)
        return (Envelope(SINK, envelope.key, envelope.value),)

    options = PumpOptions(exactly_once=exactly_once, transactional_id="campaign" if exactly_once else "")
    async with open_driver(kind, profile="local_dev_v1") as driver:
        await pump(driver, handler, topics=[SOURCE], group=SOURCE if kind == "kafka" else "", options=options)


async def fill(kind: str) -> None:
    """Put the messages into the source."""
    async with open_driver(kind, profile="local_dev_v1") as driver:
        if kind == "amqp":
            queues = [{"name": name, "arguments": {"x-queue-type": "quorum"}} for name in (SOURCE, SINK)]
            await driver.control("apply_topology", {"topology": {"queues": queues}})
        for first in range(0, MESSAGES, 5000):
            numbers = range(first, min(first + 5000, MESSAGES))
            await driver.publish_many([Envelope(SOURCE, b"k%d" % (n % 64), b"%d" % n) for n in numbers])


def torment(root: Path, broker: RunningBroker, mode: str) -> dict[str, int]:
    """Kill and restart until the number of kills is reached, then let a last pump finish and drain it by SIGTERM."""
    chance = random.Random(7)
    restarts = {KILLS * (number + 1) // (RESTARTS + 1) for number in range(RESTARTS)}
    kind = broker.kind
    killed = restarted = 0
    share = MESSAGES // (KILLS + 2)
    while killed < KILLS:
        worker = start_worker(kind, mode)
        limit = chance.randint(share // 4, share)
        for line in worker.stdout or ():
            if int(line) >= limit // 2 and killed in restarts:
                restarts.discard(killed)
                os.kill(broker.pid, signal.SIGKILL)
                while broker.alive():
                    time.sleep(0.01)
                broker = start_native(root, kind, port=int(broker.address.rpartition(":")[2]))
                restarted += 1
            if int(line) >= limit:
                break
        if worker.poll() is not None:
            raise SystemExit(f"the {kind} pump ended by itself with {worker.returncode}")
        worker.kill()
        worker.wait()
        killed += 1
    ended = 0
    while asyncio.run(left(kind)):
        worker = start_worker(kind, mode)
        finish(kind, worker)
        ended = ended or worker.returncode
    return {"kills": killed, "broker_restarts": restarted, "last_exit": ended}


def start_worker(kind: str, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.reliability", kind, mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def finish(kind: str, worker: subprocess.Popen[str]) -> None:
    """Wait until nothing is ready in the source, then end the pump as an operator would.

    What it had fetched and not handled goes back to the source, so this may have to be done again.
    """
    deadline = time.monotonic() + LIMIT_S
    while asyncio.run(left(kind)) and time.monotonic() < deadline and worker.poll() is None:
        time.sleep(1)
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=60)


async def left(kind: str) -> int:
    """Return how many messages of the source are not done."""
    if kind == "kafka":
        async with open_driver(kind, profile="local_dev_v1") as driver:
            return sum((await driver.lag([SOURCE], group=SOURCE)).values())
    import aiormq

    connection = await aiormq.connect(f"amqp://guest:guest@{os.environ['X07_AMQP_LOCAL_DEV_V1']}/%2F")
    channel = await connection.channel()
    answer = await channel.queue_declare(SOURCE, passive=True)
    ready = int(answer.message_count or 0)
    await connection.close()
    return ready


def results(kind: str) -> Counter[int]:
    """Return how often each message stands in the sink, as a reader of committed messages sees it."""
    return _kafka_results() if kind == "kafka" else asyncio.run(_amqp_results())


def _kafka_results() -> Counter[int]:
    from confluent_kafka import Consumer

    address = os.environ["X07_KAFKA_LOCAL_DEV_V1"]
    reader = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "count",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    reader.subscribe([SINK])
    counts: Counter[int] = Counter()
    quiet = 0
    while quiet < 10:
        messages = reader.consume(5000, 1.0)
        quiet = 0 if messages else quiet + 1
        counts.update(int(one.value() or b"") for one in messages if one.error() is None)
    reader.close()
    return counts


async def _amqp_results() -> Counter[int]:
    import aiormq

    connection = await aiormq.connect(f"amqp://guest:guest@{os.environ['X07_AMQP_LOCAL_DEV_V1']}/%2F")
    channel = await connection.channel()
    await channel.basic_qos(prefetch_count=1000)
    counts: Counter[int] = Counter()
    last = time.monotonic()
    quiet = asyncio.Event()

    async def arrive(message: aiormq.abc.DeliveredMessage) -> None:
        nonlocal last
        counts[int(message.body)] += 1
        last = time.monotonic()
        await channel.basic_ack(message.delivery_tag or 0, wait=False)

    await channel.basic_consume(SINK, arrive)
    while time.monotonic() - last < 5:
        with suppress(TimeoutError):
            await asyncio.wait_for(quiet.wait(), 0.5)
    await connection.close()
    return counts


def campaign(kind: str, mode: str) -> dict[str, int | str]:
    """Run one campaign on a broker of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(ROOT / "docs/examples/contracts_project/arch", root / "arch")
        os.chdir(root)
        try:
            broker = start_native(root, kind, port=0)
            os.environ[f"X07_{kind.upper()}_LOCAL_DEV_V1"] = broker.address
            asyncio.run(fill(kind))
            started = time.monotonic()
            facts = torment(root, broker, mode)
            seconds = int(time.monotonic() - started)
            counts = results(kind)
        finally:
            stop_broker(root, kind)
            os.chdir(ROOT)
    missing = MESSAGES - sum(1 for n in range(MESSAGES) if counts[n])
    repeated = sum(number - 1 for number in counts.values())
    return {
        "broker": kind,
        "mode": mode,
        "messages": MESSAGES,
        **facts,
        "missing": missing,
        "repeated": repeated,
        "seconds": seconds,
    }


def main() -> int:
    """Run all campaigns, write the table, and return 1 if anything was lost, or repeated where it must not be."""
    os.environ.update(X07_SECRET_RABBIT_USERNAME="guest", X07_SECRET_RABBIT_PASSWORD="guest")
    rows = []
    for kind, mode in CAMPAIGNS:
        rows.append(campaign(kind, mode))
        print(json.dumps(rows[-1]), flush=True)
    text = table([name.replace("_", " ") for name in rows[0]], [list(row.values()) for row in rows])
    write("reliability", "make reliability", ["x07py", "confluent-kafka", "aiormq"], {"campaigns": rows}, text)
    print(f"written to {RESULTS}")
    wrong = [row for row in rows if row["missing"] or row["last_exit"]]
    wrong += [row for row in rows if (row["kills"], row["broker_restarts"]) != (KILLS, RESTARTS)]
    wrong += [row for row in rows if row["mode"] == "exactly-once" and row["repeated"]]
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    work(*sys.argv[1:])
