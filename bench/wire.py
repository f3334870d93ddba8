"""The same programs without a cassette, while one is recorded, and replayed: what a cassette costs each client.

Each client publishes messages of 100 bytes, on Kafka with one of 64 keys, waits until the broker has them, and consumes
them. A program runs in a process of its own in each turn: by itself, under ``x07 rr exec`` on a live broker, and under
it again without one. Both rates are the program's own; ready is the time from the start of the command to the first
message that the broker confirmed. The other programs on the machine count: the load stands beside the figures.
WIRE_SIZES and WIRE_ROUNDS in the environment say how many messages, and how often.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from bench.measure import table, write
from x07py.brokers.process import start_native, stop_broker

SIZES = tuple(int(size) for size in os.environ.get("WIRE_SIZES", "1000,100000").split(","))
ROUNDS = int(os.environ.get("WIRE_ROUNDS", "3"))
COMMAND = f"WIRE_SIZES={','.join(map(str, SIZES))} WIRE_ROUNDS={ROUNDS} make bench-wire"
CLIENTS = {"confluent-kafka": "kafka", "aiokafka": "kafka", "pika": "amqp", "kombu": "amqp"}
PROGRAMS = Path(__file__).parent / "wire_programs.py"
TURNS = ("live", "recording", "replay")
NOWHERE = "broker.example:1"
Rates = dict[str, float]


def run(folder: Path, turn: str, client: str, address: str, topic: str, count: int) -> Rates:
    """Run a program once and return its two rates, in messages a second, and when it was ready, in seconds."""
    program = [sys.executable, str(PROGRAMS), client, NOWHERE if turn == "replay" else address, topic, str(count)]
    mode = {"live": [], "recording": ["--mode", "all"], "replay": ["--mode", "none"]}[turn]
    x07 = [str(Path(sys.executable).parent / "x07"), "rr", "exec", "--cassette", f"{topic}.x07rr.bin", *mode, "--"]
    started = time.time()
    command = program if turn == "live" else [*x07, *program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise SystemExit(f"{client}, {turn}: {done.stderr[-2000:]}")
    found: Rates = json.loads(done.stdout.splitlines()[-1])
    return {"publish": found["publish"], "consume": found["consume"], "ready": found["ready_at"] - started}


def measure(folder: Path, client: str, address: str, count: int) -> dict[str, Rates]:
    """Return the medians of a client by turn."""
    runs: dict[str, list[Rates]] = {turn: [] for turn in TURNS}
    for _ in range(ROUNDS):
        topic = f"wire-{uuid.uuid4().hex[:8]}"
        run(folder, "live", client, address, f"{topic}-warm", 10)
        for turn in TURNS:
            name = f"{topic}-live" if turn == "live" else topic
            runs[turn].append(run(folder, turn, client, address, name, count))
    return {
        turn: {key: statistics.median(one[key] for one in found) for key in found[0]} for turn, found in runs.items()
    }


def main() -> None:
    """Measure, print and write the results."""
    results: dict[str, dict[str, Rates]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "pyproject.toml").touch()
        try:
            for client, kind in CLIENTS.items():
                address = start_native(folder, kind, port=0, settings=None).address
                for size in SIZES:
                    results[f"{client}, {size}"] = measure(folder, client, address, size)
        finally:
            for kind in set(CLIENTS.values()):
                stop_broker(folder, kind)
    rows = [
        [
            name,
            *(f"{found[turn][what]:,.0f}" for what in ("publish", "consume") for turn in TURNS),
            f"{min(found['recording'][what] / found['live'][what] for what in ('publish', 'consume')):.2f}",
            f"{1000 * (found['replay']['ready'] - found['live']['ready']):.0f}",
        ]
        for name, found in results.items()
    ]
    headings = [
        "client, messages",
        *(f"{what}, {turn}" for what in ("publish", "consume") for turn in TURNS),
        "recording to live, the lesser",
        "replay ready later by, ms",
    ]
    text = f"Messages a second; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.\n\n"
    distributions = ["x07py", *CLIENTS, "amqp"]
    write("wire", COMMAND, distributions, {"load": os.getloadavg(), **results}, text + table(headings, rows))


if __name__ == "__main__":
    main()
