"""Start-up of ``x07``: version, help, statistics of a cassette, a program; against ``python -c pass``.

The program that ``x07 run`` starts is an empty one, so its row holds the start of a second interpreter. Bytecode is
cached, as it is for a package that has been installed.
"""

from __future__ import annotations

import os
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
        Path(folder, "x07.toml").write_text('entry = "empty.py"\n', encoding="utf-8")
        Path(folder, "empty.py").touch()
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "x07 --version": [x07, "--version"],
            "x07 --help": [x07, "--help"],
            "x07 rr --help": [x07, "rr", "--help"],
            "x07 rr stats (2,000 entries)": [x07, "rr", "stats", str(cassette)],
            "x07 run --profile sandbox": [x07, "run", "--profile", "sandbox"],
        }
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(1 + ROUNDS):
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, check=True)
                seconds[name].append(time.perf_counter() - started)
    medians = {name: 1000 * statistics.median(found[1:]) for name, found in seconds.items()}
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
