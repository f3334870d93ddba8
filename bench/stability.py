"""Replays a program of 100,000 recorded interactions 20 times in solve-rr: one digest of all that a run shows.

Records against the embedded Kafka, so it needs nothing but this machine. All runs are traced: the recording has to show
network calls, else the trace would prove nothing, and the replays none. The kernel traces what it carries out; what a
filter refuses it does not, so one more replay runs without any sandbox, to show that none is even tried. Prints the
digest and the calls; exit 1 if two runs differ, if a replay made a network call, or if this machine cannot trace.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.trace import NETWORK, Trace
from x07py.brokers.embedded import EmbeddedKafka

MESSAGES, RUNS = 50_000, 20
CONTRACTS = Path(__file__).parents[1] / "docs" / "examples" / "contracts_project" / "arch"
PROGRAM = f"""
import asyncio, hashlib
from x07py import Envelope, open_driver
async def main():
    seen = hashlib.sha256()
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        for first in range(0, {MESSAGES}, 500):
            rows = [Envelope("stability", str(n).encode(), b"value %d" % n) for n in range(first, first + 500)]
            for ack in await driver.publish_many(rows):
                seen.update(ack.meta_json)
        count = 0
        async for batch in driver.consume(["stability"], group="stability"):
            for delivery in batch:
                seen.update(delivery.envelope_bytes + delivery.meta_json)
            count += len(batch)
            if count >= {MESSAGES}:
                break
    print(count, seen.hexdigest())
asyncio.run(main())
"""


def run(folder: Path, *flags: str) -> str:
    """Run the program and return the digest of its output, its errors and its report."""
    command = [str(Path(sys.executable).parent / "x07"), "run", *flags, "--cassette", "s.x07rr.bin", "--report", "r"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()}")
    return hashlib.sha256(done.stdout + done.stderr + (folder / "r").read_bytes()).hexdigest()


def raise_limits(folder: Path) -> None:
    """Let the example's policies take so large a cassette."""
    for path in (folder / "arch" / "rr").rglob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        if "budgets" in document:
            document["budgets"] |= {"max_cassette_bytes": 1 << 30, "max_entries": 4 * MESSAGES}
            path.write_text(json.dumps(document), encoding="utf-8")


def main() -> None:
    with tempfile.TemporaryDirectory() as name, EmbeddedKafka() as kafka:
        folder = Path(name)
        shutil.copytree(CONTRACTS, folder / "arch")
        raise_limits(folder)
        (folder / "x07.toml").write_text('entry = "program.py"\n')
        (folder / "program.py").write_text(PROGRAM)
        os.environ["X07_KAFKA_LOCAL_DEV_V1"] = kafka.bootstrap
        with Trace((*NETWORK, "execve")) as recording:
            run(folder, "--profile", "sandbox", "--allow-contract", "kafka:local_dev_v1", "--rr", "record")
        with Trace((*NETWORK, "execve")) as replays:
            digests = [run(folder, "--profile", "replay") for _ in range(RUNS)]
        with Trace((*NETWORK, "execve")) as free:
            run(folder, "--profile", "os", "--rr", "replay")
    print(f"{2 * MESSAGES} interactions, {RUNS} replays, {len(set(digests))} digests: {digests[0]}")
    for name, trace in (("the recording", recording), ("the replays", replays), ("a replay without sandbox", free)):
        print(f"system calls of {name}: {dict(sorted(trace.calls.items()))}")
    quiet = not any(trace.calls[name] for trace in (replays, free) for name in NETWORK)
    heard = sum(recording.calls[name] for name in NETWORK) and replays.calls["execve"] and free.calls["execve"]
    sys.exit(not (len(set(digests)) == 1 and quiet and heard))


if __name__ == "__main__":
    main()
