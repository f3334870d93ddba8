"""Start-up: ``x07 --version``, ``x07 rr stats`` and help, against ``python -c pass`` of the same interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import table, write
from x07py.rr import Cassette, Entry

ROUNDS = 25


def main() -> None:
    """Measure in turns, print and write the results."""
    x07 = str(Path(sys.executable).parent / "x07")
    with tempfile.TemporaryDirectory() as folder:
        cassette = Path(folder) / "c.x07rr.bin"
        entries = [Entry("rr", "std.msg.kafka.publish_env_v1", "p", b"%d" % n, b"x" * 200) for n in range(2000)]
        cassette.write_bytes(Cassette.from_entries(entries).to_bytes())
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "x07 --version": [x07, "--version"],
            "x07 --help": [x07, "--help"],
            "x07 rr --help": [x07, "rr", "--help"],
            "x07 rr stats (2,000 entries)": [x07, "rr", "stats", str(cassette)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                seconds[name].append(time.perf_counter() - started)
    medians = {name: 1000 * statistics.median(found) for name, found in seconds.items()}
    bare = medians["python -c pass"]
    rows = [[name, f"{one:.0f}", f"{one - bare:+.0f}"] for name, one in medians.items()]
    write(
        "startup",
        "make bench-startup",
        ["x07py", "typer", "rich"],
        medians,
        table(["", "ms", "over bare python"], rows),
    )


if __name__ == "__main__":
    main()
