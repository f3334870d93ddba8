"""Programs with a bug that people report, and right ones; the first ten and five are by somebody who had not seen it.

Each docstring says what the program promises. Every bug is found within 2,000 histories and shrunk to three faults at
most; in the right programs nothing is found.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.project import EXAMPLE, x07

HERE = Path(__file__).parent
ALERTS = "alerts:results=set,duplicates=after-fault"
DEAD = "orders-dead:results=set,duplicates=after-fault"
BUGS = {
    "commit_first": [ALERTS],
    "state_in_memory": ["numbered:results=set,duplicates=after-fault"],
    "running_total": ["totals:results=sequence,duplicates=after-fault"],
    "ack_before_confirm": [ALERTS],
    "small_window": ["alerts:results=set,duplicates=never"],
    "dead_letter_late": [ALERTS, DEAD],
    "order_of_arrival": ["chain:results=set,duplicates=after-fault"],
    "swallowed": [ALERTS],
    "ack_then_collect": [ALERTS],
    "retry_reorders": ["alerts:results=sequence,duplicates=after-fault"],
    "acks_with_failed": [ALERTS],
    "retry_not_awaited": [ALERTS],
    "flushed_by_timer": [ALERTS],
    "seen_before_sent": [ALERTS],
    "commits_when_stopped": [ALERTS],
    "rejected_all_the_same": [ALERTS, DEAD],
}
CORRECT = {
    "plain_pump": [f"{ALERTS},order=key"],
    "exactly_once": ["alerts:results=sequence,duplicates=never"],
    "by_hand": [f"{ALERTS},order=key"],
    "dead_letters": [ALERTS, DEAD],
    "fan_out": ["invoices:results=ce_id,duplicates=after-fault", "parcels:results=ce_id,duplicates=after-fault"],
    "acks_what_was_sent": [ALERTS],
    "retry_awaited": [ALERTS],
    "flushed_then_acknowledged": [ALERTS],
    "seen_when_sent": [ALERTS],
    "commits_what_is_done": [ALERTS],
    "rejected_when_buried": [ALERTS, DEAD],
}
SHRUNK = re.compile(r"^(\d+) messages?, (\d+) faults?, (\d+) (?:life|lives):$", re.MULTILINE)


def make_project(folder: Path) -> Path:
    """Return a project with contracts, twenty orders of three customers, and the same with one that is no JSON."""
    shutil.copytree(EXAMPLE / "arch", folder / "arch")
    (folder / "pyproject.toml").write_text('[project]\nname = "planted"\nversion = "1"\n')
    orders = [{"id": n, "amount": n, "urgent": n % 2 == 0} for n in range(1, 21)]
    rows = [
        {"topic": "orders", "key": ("ada", "bob", "eve")[row["id"] % 3], "value": json.dumps(row)} for row in orders
    ]
    (folder / "orders.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    rows[6]["value"] = "no json"
    (folder / "odd.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


def explore(project: Path, program: Path, promises: list[str], histories: int, seed: int = 0) -> tuple[int, str]:
    inputs = "odd.jsonl" if any(one.startswith("orders-dead") for one in promises) else "orders.jsonl"
    shutil.copy(program, project)
    flags = [flag for promise in promises for flag in ("--promise", promise)]
    done = x07(
        "explore", inputs, "--histories", str(histories), "--seed", str(seed), *flags, "--", program.name, cwd=project
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_and_shrunk(name: str, project: Path) -> None:
    code, output = explore(project, HERE / f"planted/{name}.py", BUGS[name], 2000)
    assert code == 1, output
    found = SHRUNK.findall(output)
    assert found, output
    assert all(int(faults) <= 3 for _, faults, _ in found)
    assert list((project / ".x07_rr/explore").glob("*.x07rr.bin"))


@pytest.mark.parametrize("name", CORRECT)
def test_in_a_program_that_is_right_nothing_is_found(name: str, project: Path) -> None:
    code, output = explore(project, HERE / f"correct/{name}.py", CORRECT[name], 60)
    assert code == 0, output
