"""How many histories of the worker template a core runs in a second, with 20, 200 and 1,000 inputs.

Run as ``make bench-explore``. Counted is processor time of this process, over the histories that an exploration would
run first, the undisturbed one apart, and of each history the least of some rounds: what else runs on the machine takes
the caches from it, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import table, write
from x07py.explore.faults import FAMILIES
from x07py.explore.inputs import read_inputs
from x07py.explore.order import Order
from x07py.explore.promises import read_promises
from x07py.explore.runner import Runner
from x07py.explore.search import Plan, Task

SIZES = {20: 200, 200: 40, 1000: 16}
"""How many histories are run, by the number of inputs."""
_ROUNDS = 5


def order_with(project: Path, count: int) -> Order:
    """Return an exploration of the worker with so many orders of ten customers, every other one urgent."""
    path = project / "in.jsonl"
    rows = [{"key": f"k{number % 10}", "value": {"id": number, "urgent": number % 2 == 0}} for number in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Order(
        project,
        "orders.worker",
        ("work",),
        read_inputs(path, "orders"),
        read_promises(project),
        frozenset(FAMILIES),
        here=True,
    )


def rate(project: Path, count: int, histories: int) -> float:
    """Return histories a second of processor time: half with one fault, half drawn, as a search has them."""
    runner = Runner(order_with(project, count))
    with runner.world():
        _, places = runner.undisturbed()
        plan = Plan(places, 2 * histories, 0)
        tasks = plan.single_tasks()[: histories // 2]
        tasks += [one for one in plan.more_tasks() if one.draw][: histories - len(tasks)]
        rounds = [[_seconds(runner, task, len(places)) for task in tasks] for _ in range(_ROUNDS)]
    least: list[float] = [min(times) for times in zip(*rounds, strict=True)]
    return len(tasks) / sum(least)


def _seconds(runner: Runner, task: Task, places: int) -> float:
    started = time.process_time()
    ran = runner.run([task], places)
    seconds = time.process_time() - started
    assert not ran.found, ran.found
    return seconds


def main() -> None:
    """Measure, print and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "x07py", "init", "orders"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        rates = {count: rate(Path(folder) / "orders", count, histories) for count, histories in SIZES.items()}
    rows = [(f"{count:,} inputs", f"{found:,.0f}", f"{1000 / found:.1f}") for count, found in rates.items()]
    results = {str(count): round(found, 1) for count, found in rates.items()}
    text = table(("the worker template", "histories a second of processor time", "ms a history"), rows)
    write("explore", "make bench-explore", ("x07py",), results, text)


if __name__ == "__main__":
    main()
