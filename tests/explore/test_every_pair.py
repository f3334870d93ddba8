"""In a small space every crash is run by itself and with every one behind it, as the report says: counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

from tests.explore.programs import RIGHT
from tests.explore.test_explore import ROWS, order_of
from x07py.explore.campaign import explore
from x07py.explore.report import report_of, text_report

NOTES_EACH = """
import json

def note(history):
    with open("seen.jsonl", "a") as file:
        file.write(json.dumps(history.decisions) + "\\n")
"""
FIRST_LIFE = [
    {"a.1:poll#1": "crash-before"},
    {"a.1:publish#1": "crash-before"},
    {"a.1:publish#1": "crash-after"},
    {"a.1:commit#1": "crash-before"},
    {"a.1:commit#1": "crash-after"},
    {"a.1:wait#1": "crash-before"},
]
"""Where a loop that gets, publishes and commits one message, and waits for more, may die."""
AGAIN = [
    {"a.2:wait#1": "crash-before"},
    *[{name.replace("a.1", "a.2"): kind for name, kind in one.items()} for one in FIRST_LIFE[:-1]],
    {"a.2:wait#2": "crash-before"},
]
"""Where it may die when it is started again: it waits at first too, until the group has given up who died."""
NOTHING_LEFT = [{"a.2:wait#1": "crash-before"}]


def test_every_crash_and_every_pair_of_crashes_is_run(project: Path) -> None:
    (project / "checks.py").write_text(NOTES_EACH)
    order = order_of(project, (RIGHT["a loop"][0], ["--faults", "crash"]), ROWS[:1])
    order = replace(order, promises=replace(order.promises, invariants=("checks:note",)))
    result = explore(order, 200)
    pairs = [*product(FIRST_LIFE[:4], AGAIN), *product(FIRST_LIFE[4:], NOTHING_LEFT)]
    seen = [json.loads(line) for line in (project / "seen.jsonl").read_text().splitlines()]
    assert [one for one in FIRST_LIFE if one not in seen] == []
    assert [one for one in pairs if {**one[0], **one[1]} not in seen] == []
    text = text_report(report_of(order, result, []))
    assert f"every single fault of the undisturbed run: {len(FIRST_LIFE)} of {len(FIRST_LIFE)}" in text
    assert f"every pair that follows from them: {len(pairs)} of {len(pairs)}" in text
