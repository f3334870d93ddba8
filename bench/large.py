"""One large message through pika, without a cassette, while it is recorded, and replayed.

A program publishes a message, waits for its confirm and gets it back, in a process of its own in each turn: by itself,
under ``x07 rr exec`` on a live RabbitMQ, and under it again without one. Seconds are the program's own, those of the
clock and those of its processors; LARGE_ROUNDS in the environment says how often, the least of the rounds counts.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import table, write
from x07py.brokers.process import start_native, stop_broker

SIZES = (5, 20, 80)
"""Megabytes."""
ROUNDS = int(os.environ.get("LARGE_ROUNDS", "3"))
TURNS = {"plain": [], "recording": ["--mode", "all"], "replay": ["--mode", "none"]}
Seconds = tuple[float, float]


def program(address: str, size: str) -> None:
    """Publish, get, and tell seconds of the clock and of the processors."""
    from pika import BlockingConnection, URLParameters

    body = random.Random(1).randbytes(2**20) * int(size)
    with BlockingConnection(URLParameters(f"amqp://guest:guest@{address}/%2F")) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("large", auto_delete=True)
        clock, processors = time.perf_counter(), time.process_time()
        channel.basic_publish("", "large", body)
        _, _, got = channel.basic_get("large", auto_ack=True)
        print(json.dumps((time.perf_counter() - clock, time.process_time() - processors)))
        channel.queue_delete("large")
    assert len(got) == len(body)


def run(folder: Path, turn: str, address: str, size: int) -> Seconds:
    """Run the program once."""
    command = [sys.executable, __file__, "broker.example:1" if turn == "replay" else address, str(size)]
    x07 = [str(Path(sys.executable).parent / "x07"), "rr", "exec", "--cassette", f"{size}.x07rr.bin", *TURNS[turn]]
    within = [] if turn == "plain" else [*x07, "--"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [*within, *command], cwd=folder, capture_output=True, text=True, timeout=600, check=False, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{turn}, {size} MB: {done.stderr[-2000:]}")
    clock, processors = json.loads(done.stdout.splitlines()[-1])
    return clock, processors


def main() -> None:
    """Measure, print and write the results."""
    results: dict[str, dict[str, Seconds]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "pyproject.toml").touch()
        try:
            address = start_native(folder, "amqp", port=0, settings=None).address
            for size in SIZES:
                rounds = [{turn: run(folder, turn, address, size) for turn in TURNS} for _ in range(ROUNDS)]
                results[f"{size} MB"] = {turn: min(one[turn] for one in rounds) for turn in TURNS}
        finally:
            stop_broker(folder, "amqp")
    rows = [
        [
            name,
            *(f"{clock:.2f} s ({processors:.2f})" for clock, processors in found.values()),
            *(f"{found[turn][0] / found['plain'][0]:.1f}" for turn in ("recording", "replay")),
        ]
        for name, found in results.items()
    ]
    headings = ["message", *(f"{turn} (processors)" for turn in TURNS), "recording to plain", "replay to plain"]
    text = f"Load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.\n\n"
    write("large", "make bench-large", ["x07py", "pika"], {**results}, text + table(headings, rows))


if __name__ == "__main__":
    program(*sys.argv[1:]) if len(sys.argv) > 1 else main()
