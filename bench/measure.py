"""Measuring: alternating rounds, medians, and results as a table and JSON under ``bench/results``."""

from __future__ import annotations

import json
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RESULTS = Path(__file__).parent / "results"


def alternate(rounds: int, calls: int, candidates: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of one call of each candidate.

    Candidates take turns in every round, so that a slow moment of the machine meets all of them.

    Args:
        rounds: how often each is measured.
        calls: calls in one measurement.
        candidates: what to call, by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            started = time.perf_counter()
            for _ in range(calls):
                call()
            seconds[name].append((time.perf_counter() - started) / calls)
    return {name: statistics.median(found) for name, found in seconds.items()}


def peak_kib() -> int:
    """Return the most memory that this process has had resident so far, in KiB."""
    return _status("VmHWM")


def resident_kib() -> int:
    """Return the memory that this process has resident now, in KiB."""
    return _status("VmRSS")


def _status(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name))


def reset_peak() -> int:
    """Start the peak anew and return what is resident now, in KiB."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return peak_kib()


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def write(name: str, command: str, distributions: Sequence[str], results: dict[str, Any], text: str) -> None:
    """Write ``NAME.json`` and ``NAME.md``, with the versions that were measured and the command that measures."""
    machine = f"{platform.machine()}, Linux {platform.release()}, CPython {platform.python_version()}"
    versions = {one: version(one) for one in distributions}
    document = {"command": command, "machine": machine, "versions": versions, "results": results}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    measured = ", ".join(f"{one} {number}" for one, number in versions.items())
    page = f"# {name}\n\n`{command}` on {machine}; {measured}.\n\n{text}"
    (RESULTS / f"{name}.md").write_text(page, encoding="utf-8")
    print(page)
