"""Commands about large cassettes: how time and memory grow with the entries."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.measure import table, write
from x07py import Envelope
from x07py.msg import MessageRecord
from x07py.rr import Entry

SIZES = (10_000, 100_000, 1_000_000)
CHANGED_EVERY = 97
X07 = str(Path(sys.executable).with_name("x07"))


class Run(NamedTuple):
    """What one run of a command took."""

    seconds: float
    """Of the processor, its own and the system's for it."""
    peak_bytes: int


def main() -> None:
    """Measure, print and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        rows, results = grown(Path(folder))
    body = table(["command", *(f"{size:,} entries: s, peak / files" for size in SIZES)], rows)
    write("cassettes", "make bench-cassettes", ["x07py"], results, body)


def grown(folder: Path) -> tuple[list[list[str]], dict[str, dict[str, float]]]:
    """Return, by command, the processor time and the memory in proportion to the files that it reads, at each size."""
    cells: dict[str, list[str]] = {}
    results: dict[str, dict[str, float]] = {}
    for size in SIZES:
        old, new = folder / "old.x07rr.bin", folder / "new.x07rr.bin"
        other = folder / "other.x07rr.bin"
        for path, changed in ((old, 0), (new, CHANGED_EVERY), (other, 1)):
            made(path, size, changed)
        both = old.stat().st_size + new.stat().st_size
        for name, line, read in (
            ("rr diff, every 97th changed", ["rr", "diff", str(old), str(new)], both),
            ("rr diff, all changed", ["rr", "diff", str(old), str(other)], both),
            ("rr show --search", ["rr", "show", str(old), "--search", "k77 nothing"], old.stat().st_size),
            ("rr view", ["rr", "view", str(old), "-o", str(folder / "page.html"), "--force"], old.stat().st_size),
            ("rr list", ["rr", "list", str(folder)], old.stat().st_size),
        ):
            took = run(line)
            cells.setdefault(name, [name]).append(f"{took.seconds:.1f}, {took.peak_bytes / read:.2f}")
            results.setdefault(name, {})[f"{size} s"] = round(took.seconds, 2)
            results[name][f"{size} peak/file"] = round(took.peak_bytes / read, 2)
    return list(cells.values()), results


def made(path: Path, size: int, changed: int) -> None:
    """Write a cassette of `size` publishes with 250 bytes of value, of which every one in `changed` is changed."""
    op = "std.msg.kafka.publish_env_v1"
    with path.open("wb") as out:
        for n in range(size):
            number = -n - 1 if changed and n % changed == 0 else n
            envelope = Envelope(f"topic{n % 8}", b"k%d" % (n % 5000), b'{"id":%d,"text":"%s"}' % (number, b"x" * 250))
            record = MessageRecord(1, 1, "p", envelope.encode(), 1, b"OK").encode()
            entry = Entry("rr", op, "p", envelope.encode(), record, scope=envelope.topic).encode()
            out.write(struct.pack("<I", len(entry)) + entry)


def run(line: list[str]) -> Run:
    """Run a command to its end and return what it took."""
    process = subprocess.Popen([X07, *line], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


if __name__ == "__main__":
    main()
