"""Publishing, consuming and latency on one Kafka and one RabbitMQ: x07py against the clients below it and its peers.

Every program runs in a process of its own, with a topic or queue of its own, but Kafka's consumers all read one topic;
counts are checked by the programs. They take turns, and each round begins with another one. Rates are messages a
second, the median of the rounds. One topic has one partition; messages are JSON of about 170 bytes, batches have 500
messages at most. ``MESSAGES`` and ``ROUNDS`` in the environment change the size.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.measure import table, write
from bench.messages import AT_A_TIME
from x07py.brokers.process import start_native, stop_broker

ROOT = Path(__file__).parents[1]
QUIX = ROOT / ".venv" / "quix" / "bin" / "python"
MESSAGES = int(os.environ.get("MESSAGES", "100000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SHARES = {"kafka": 1, "amqp": 5}
"""How many times fewer messages a broker gets."""
LATENCIES = 1000
LIMIT_S = 300
CONSUME = {
    "kafka": (
        "raw_poll",
        "raw_batches",
        "raw_batches_unwaited",
        "x07py_driver",
        "x07py_driver_unwaited",
        "x07py_recorded",
        "x07py_pump",
        "quix",
        "faststream",
    ),
    "amqp": ("aio_pika_raw", "x07py_driver", "x07py_pump", "kombu", "faststream"),
}
PUBLISH = {
    "kafka": ("raw_publish", "raw_publish_batches", "x07py_publish", "x07py_publish_batches", "faststream_publish"),
    "amqp": ("aio_pika_publish", "x07py_publish", "kombu_publish", "faststream_publish"),
}
LATENCY = {
    "kafka": ("raw_latency", "x07py_latency", "x07py_pump_latency", "quix_latency", "faststream_latency"),
    "amqp": ("aio_pika_latency", "x07py_latency", "x07py_pump_latency", "kombu_latency", "faststream_latency"),
}


def run(kind: str, program: str, place: str, count: int) -> Any:
    """Run a program in a process of its own and return what it measured."""
    command = [sys.executable, "-m", "bench.drivers", kind, program, place, str(count)]
    if program.startswith("quix"):
        script = str(ROOT / "bench" / "quix_program.py")
        command = [str(QUIX), script, program, os.environ["X07_KAFKA_LOCAL_DEV_V1"], place, str(count)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=env)
    if done.returncode:
        raise SystemExit(f"{kind} {program} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def be_program(kind: str, program: str, place: str, count: int) -> None:
    """Be the process of a program."""
    measured = getattr(import_module(f"bench.{kind}_programs"), program)(place, count)
    print(json.dumps(asyncio.run(measured) if inspect.iscoroutine(measured) else measured))


def in_turn(programs: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Return the programs in the order of a round; what is slow at one time of a round meets another one each time."""
    first = number * len(programs) // ROUNDS
    return programs[first:] + programs[:first]


def rates(kind: str, programs: tuple[str, ...], filled: str) -> dict[str, float]:
    """Return the median rate of each program; they read the filled topic, or have a place of their own."""
    count = MESSAGES // SHARES[kind]
    seconds: dict[str, list[float]] = {program: [] for program in programs}
    for number in range(ROUNDS):
        for program in in_turn(programs, number):
            place = filled or f"bench-{uuid.uuid4().hex[:8]}"
            if kind == "amqp":  # declares the queue, and fills it for consumers
                run(kind, "x07py_publish", place, count if programs is CONSUME[kind] else 1)
            seconds[program].append(run(kind, program, place, count))
    return {program: round(count / statistics.median(found)) for program, found in seconds.items()}


def latencies(kind: str) -> dict[str, tuple[float, float]]:
    """Return p50 and p99 in milliseconds, of the round whose p50 is the median."""
    rounds: dict[str, list[tuple[float, float]]] = {program: [] for program in LATENCY[kind]}
    for number in range(ROUNDS):
        for program in in_turn(LATENCY[kind], number):
            found = sorted(run(kind, program, f"bench-{uuid.uuid4().hex[:8]}", LATENCIES))
            p50, p99 = (round(found[int(len(found) * part)] * 1000, 2) for part in (0.5, 0.99))
            rounds[program].append((p50, p99))
    return {program: sorted(found)[len(found) // 2] for program, found in rounds.items()}


def prepare(root: Path) -> None:
    """Write contracts whose batches have the size that the peers' have."""
    shutil.copytree(ROOT / "docs/examples/contracts_project/arch", root / "arch")
    for profile in root.glob("arch/msg/*/profiles/*.json"):
        contract = json.loads(profile.read_text(encoding="utf-8"))
        limits = contract["limits"]
        limits |= {name: AT_A_TIME for name in ("max_poll_items", "prefetch_count") if name in limits}
        profile.write_text(json.dumps(contract), encoding="utf-8")
    for policy in root.glob("arch/rr/policies/*.json"):
        contract = json.loads(policy.read_text(encoding="utf-8"))
        contract["budgets"] |= {"max_entries": 10 * MESSAGES, "max_cassette_bytes": 1 << 30}
        policy.write_text(json.dumps(contract), encoding="utf-8")


def fill_kafka() -> str:
    """Return a topic of one partition that is full."""
    from confluent_kafka.admin import AdminClient, NewTopic

    topic = f"bench-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": os.environ["X07_KAFKA_LOCAL_DEV_V1"]})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    run("kafka", "raw_publish", topic, MESSAGES)
    return topic


def section(kind: str, measured: dict[str, Any]) -> str:
    """Return the tables of a broker; the first program of each is what the others are compared with."""
    pages = [f"## {kind}\n"]
    for what in ("consume", "publish"):
        found = measured[what]
        first = next(iter(found.values()))
        rows = [[program, f"{rate:,}", f"{rate / first:.2f}"] for program, rate in found.items()]
        pages.append(table([what, "messages a second", "to the first"], rows))
    pages.append(
        table(["latency", "p50, ms", "p99, ms"], [[name, *both] for name, both in measured["latency"].items()])
    )
    return "\n".join(pages)


def main() -> None:
    """Measure everything on one broker of each kind and write the tables."""
    os.environ.update(X07_SECRET_RABBIT_USERNAME="guest", X07_SECRET_RABBIT_PASSWORD="guest")
    results: dict[str, Any] = {"messages": MESSAGES, "rounds": ROUNDS}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare(root)
        os.chdir(root)
        for kind in ("kafka", "amqp"):
            try:
                os.environ[f"X07_{kind.upper()}_LOCAL_DEV_V1"] = start_native(root, kind, port=0).address
                filled = fill_kafka() if kind == "kafka" else ""
                consume = rates(kind, CONSUME[kind], filled)
                publish = rates(kind, PUBLISH[kind], "")
                results[kind] = {"consume": consume, "publish": publish, "latency": latencies(kind)}
                print(json.dumps(results[kind]), flush=True)
            finally:
                stop_broker(root, kind)
        os.chdir(ROOT)
    text = "\n".join(section(kind, results[kind]) for kind in ("kafka", "amqp"))
    measured = ["x07py", "confluent-kafka", "aio-pika", "kombu", "faststream"]
    write("drivers", "make bench-drivers", measured, results, text)


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else be_program(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
