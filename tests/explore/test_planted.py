"""Ten programs with a bug that people report, and five that are right, by somebody who had not seen the explorer.

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
}
CORRECT = {
    "plain_pump": [f"{ALERTS},order=key"],
    "exactly_once": ["alerts:results=sequence,duplicates=never"],
    "by_hand": [f"{ALERTS},order=key"],
    "dead_letters": [ALERTS, DEAD],
    "fan_out": ["invoices:results=ce_id,duplicates=after-fault", "parcels:results=ce_id,duplicates=after-fault"],
}
SHRUNK = re.compile(r"^(\d+) messages?, (\d+) faults?, (\d+) (?:life|lives):$", re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with contracts, twenty orders of three customers, and the same with one that is no JSON."""
    shutil.copytree(EXAMPLE / "arch", tmp_path / "arch")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "planted"\nversion = "1"\n')
    orders = [{"id": n, "amount": n, "urgent": n % 2 == 0} for n in range(1, 21)]
    rows = [
        {"topic": "orders", "key": ("ada", "bob", "eve")[row["id"] % 3], "value": json.dumps(row)} for row in orders
    ]
    (tmp_path / "orders.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    rows[6]["value"] = "no json"
    (tmp_path / "odd.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path


def explore(project: Path, program: Path, promises: list[str], histories: int) -> tuple[int, str]:
    inputs = "odd.jsonl" if any(one.startswith("orders-dead") for one in promises) else "orders.jsonl"
    shutil.copy(program, project)
    flags = [flag for promise in promises for flag in ("--promise", promise)]
    done = x07("explore", inputs, "--histories", str(histories), *flags, "--", program.name, cwd=project)
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
    code, output = explore(project, HERE / f"correct/{name}.py", CORRECT[name], 150)
    assert code == 0, output
