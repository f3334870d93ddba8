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


def lock_of_a_wheel(folder: Path) -> Path:
    """Return a project whose lock holds the files of x07py as a wheel brings them, which an editable one does not."""
    project = folder / "locked"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n', encoding="utf-8")
    root, env = Path(__file__).parents[1], {**os.environ, "PYTHONPATH": str(project / "site")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(project / "site"), str(root)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    command = [sys.executable, "-m", "x07py", "pkg", "add", "kafka"]
    subprocess.run(command, cwd=project, env=env, stdout=subprocess.DEVNULL, check=True)
    return project


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
        locked = lock_of_a_wheel(Path(folder))
        commands["x07 pkg lock --check (Kafka's package)"] = [sys.executable, "-m", "x07py", "pkg", "lock", "--check"]
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(1 + ROUNDS):
            for name, command in commands.items():
                started = time.perf_counter()
                place = locked if "pkg" in command else Path(folder)
                site = {"PYTHONPATH": str(locked / "site")} if "pkg" in command else {}
                subprocess.run(command, cwd=place, env={**env, **site}, stdout=subprocess.DEVNULL, check=True)
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
