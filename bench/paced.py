"""Steady loads, small batches, a long lag, many topics and many partitions: a pump on Kafka that keeps its group.

``python -m bench.paced`` runs the list; `SECONDS` in the environment says how long each pace is held. A case fails if a
message is missing or comes twice, if the group is lost, or if more commits are sent than one a second.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.measure import RESULTS, table, write
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.brokers.process import start_native, stop_broker
from x07py.drivers.kafka_commits import Commits

if TYPE_CHECKING:
    from typing import Any

ROOT = Path(__file__).parents[1]
SECONDS = int(os.environ.get("SECONDS", "30"))
PATIENCE_S = 60


class Case(NamedTuple):
    """One load: messages a second (0: all are there at the start), messages, most a batch, workers, topics, partitions
    of each."""

    rate: int
    messages: int
    batch: int = 500
    workers: int = 1
    topics: int = 1
    partitions: int = 4


CASES = (
    *(Case(rate, rate * SECONDS) for rate in (10, 300, 1000, 10_000)),
    Case(1000, 1000 * SECONDS, workers=4),
    *(Case(300, 300 * SECONDS, batch=batch) for batch in (1, 10)),
    *(Case(0, 20_000, batch=batch) for batch in (1, 10, 500)),
    Case(0, 1_000_000),
    Case(300, 300 * SECONDS, topics=200, partitions=1),
    Case(300, 300 * SECONDS, partitions=1000),
)


def feed(address: str, rate: int, messages: int, topics: list[str]) -> None:
    """Publish at a steady pace, or as fast as it goes, with the client alone; a value is number and time of sending."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": address, "linger.ms": 1})
    started = time.time()
    for number in range(messages):
        if rate and (ahead := started + number / rate - time.time()) > 0:
            time.sleep(ahead)
        value = b"%d %.6f" % (number, time.time())
        while True:
            try:
                producer.produce(topics[number % len(topics)], value, b"k%d" % (number % 997))
                break
            except BufferError:
                producer.poll(0.1)
        if not number % 1000 or rate:
            producer.poll(0)
    producer.flush()


def make_topics(address: str, case: Case) -> list[str]:
    """Make the topics of a case, and return their names."""
    from confluent_kafka.admin import AdminClient, NewTopic

    names = [f"paced-{uuid.uuid4().hex[:8]}" for _ in range(case.topics)]
    admin = AdminClient({"bootstrap.servers": address})
    for made in admin.create_topics([NewTopic(name, case.partitions, 1) for name in names]).values():
        made.result(120)
    return names


class Lost(logging.Handler):
    """Counts how often partitions were lost."""

    times = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.times += record.getMessage().startswith("lost:")


async def run(address: str, case: Case) -> dict[str, Any]:
    """Run one case and return what came of it."""
    topics = make_topics(address, case)
    command = [sys.executable, "-m", "bench.paced", "feed", address, str(case.rate), str(case.messages), *topics]
    seen: Counter[int] = Counter()
    delays: list[float] = []
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handler(envelope: Envelope) -> None:
        number, sent = envelope.value.split()
        seen[int(number)] += 1
        delays.append(time.time() - float(sent))
        if len(seen) == case.messages:
            loop.call_soon_threadsafe(stop.set)

    if not case.rate:
        await asyncio.to_thread(subprocess.run, command, check=True)
    feeder = await asyncio.create_subprocess_exec(*command) if case.rate else None
    before, started = _answers, time.monotonic()
    limit = loop.call_later((case.messages / case.rate if case.rate else 600) + PATIENCE_S, stop.set)
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        options = PumpOptions(workers=case.workers, max_items=case.batch)
        await pump(driver, handler, topics=topics, group=topics[0], stop=stop, options=options)
    limit.cancel()
    seconds = time.monotonic() - started
    if feeder is not None:
        await feeder.wait()
    return {
        **case._asdict(),
        "missing": case.messages - len(seen),
        "repeated": seen.total() - len(seen),
        "lost": 0,
        "commits": _answers - before,
        "seconds": round(seconds, 1),
        "handled_a_second": int(seen.total() / seconds),
        "delay_p50_ms": round(statistics.median(delays) * 1000, 1) if case.rate and delays else None,
        "delay_p99_ms": round(statistics.quantiles(delays, n=100)[98] * 1000, 1) if case.rate and delays else None,
    }


_answers = 0
_answered = Commits.answered


def _count(commits: Commits, error: Any, parts: list[Any]) -> None:
    global _answers  # noqa: PLW0603
    _answers += 1
    _answered(commits, error, parts)


def campaign() -> list[dict[str, Any]]:
    """Run all cases on a Kafka of their own."""
    lost = Lost()
    logging.getLogger("x07py").addHandler(lost)
    Commits.answered = _count  # type: ignore[method-assign, assignment]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(ROOT / "docs/examples/contracts_project/arch", root / "arch")
        os.chdir(root)
        try:
            address = start_native(root, "kafka", port=0).address
            os.environ["X07_KAFKA_LOCAL_DEV_V1"] = address
            for case in CASES:
                times = lost.times
                row = asyncio.run(run(address, case))
                rows.append(row | {"lost": lost.times - times})
                print(rows[-1], flush=True)
        finally:
            stop_broker(root, "kafka")
            os.chdir(ROOT)
    return rows


def main() -> int:
    """Run the campaign, write the table, and return 1 if anything is not as it has to be."""
    rows = campaign()
    text = table([name.replace("_", " ") for name in rows[0]], [list(row.values()) for row in rows])
    write("paced", "python -m bench.paced", ["x07py", "confluent-kafka"], {"cases": rows}, text)
    print(f"written to {RESULTS}")
    wrong = [row for row in rows if row["missing"] or row["repeated"] or row["lost"]]
    wrong += [row for row in rows if row["commits"] > row["seconds"] + 3]
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["feed"]:
        feed(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
    else:
        sys.exit(main())
