"""Commands about large cassettes: how time and memory grow with the entries."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.measure import table, write
from x07py import Envelope
from x07py.msg import MessageRecord
from x07py.rr import Cassette, Entry

SIZES = (10_000, 30_000, 90_000)
CHANGED_EVERY = 97
X07 = str(Path(sys.executable).with_name("x07"))


class Run(NamedTuple):
    """What one run of a command took."""

    seconds: float
    peak_bytes: int


def main() -> None:
    """Measure, print and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        rows, results = grown(Path(folder))
    body = table(["command", *(f"{size:,} entries: s, peak / file" for size in SIZES)], rows)
    write("cassettes", "make bench-cassettes", ["x07py"], results, body)


def grown(folder: Path) -> tuple[list[list[str]], dict[str, dict[str, float]]]:
    """Return, by command, the time and the memory in proportion to the files that it reads, at each size."""
    cells: dict[str, list[str]] = {}
    results: dict[str, dict[str, float]] = {}
    for size in SIZES:
        old, new = folder / "old.x07rr.bin", folder / "new.x07rr.bin"
        old.write_bytes(made(size, changed=False))
        new.write_bytes(made(size, changed=True))
        both = old.stat().st_size + new.stat().st_size
        for name, line, read in (
            ("rr diff, every 97th changed", ["rr", "diff", str(old), str(new)], both),
            ("rr show --search", ["rr", "show", str(old), "--search", "k77 nothing"], old.stat().st_size),
            ("rr view", ["rr", "view", str(old), "-o", str(folder / "page.html"), "--force"], old.stat().st_size),
            ("rr list", ["rr", "list", str(folder)], old.stat().st_size),
        ):
            took = run(line)
            cells.setdefault(name, [name]).append(f"{took.seconds:.1f}, {took.peak_bytes / read:.2f}")
            results.setdefault(name, {})[f"{size} s"] = round(took.seconds, 2)
            results[name][f"{size} peak/file"] = round(took.peak_bytes / read, 2)
    return list(cells.values()), results


def made(size: int, *, changed: bool) -> bytes:
    """Return a cassette of `size` publishes with 250 bytes of value, of which every 97th may be changed."""
    entries = []
    for n in range(size):
        number = -n if changed and n % CHANGED_EVERY == 0 else n
        envelope = Envelope(f"topic{n % 8}", b"k%d" % (n % 5000), b'{"id":%d,"text":"%s"}' % (number, b"x" * 250), {})
        record = MessageRecord(1, 1, "p", envelope.encode(), 1, b"OK").encode()
        op = "std.msg.kafka.publish_env_v1"
        entries.append(Entry("rr", op, "p", envelope.encode(), record, scope=envelope.topic))
    return Cassette.from_entries(entries).to_bytes()


def run(line: list[str]) -> Run:
    """Run a command to its end and return what it took."""
    begun = time.perf_counter()
    process = subprocess.Popen([X07, *line], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return Run(time.perf_counter() - begun, usage.ru_maxrss * 1024)


if __name__ == "__main__":
    main()
