"""Comments that allow what a line reaches: where they hold, what they need, and that idle ones are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch.trees import codes, manifest, node, run, write

CLOCK, IDLE, FORM = "E_ARCH_CALL_CLOCK", "E_ARCH_EXCEPTION_UNUSED", "E_ARCH_ALLOW_REASON"
NOW = "import time\nx = time.time()"

CASES: dict[str, tuple[str, list[str], int]] = {
    "of the line": (f"{NOW}  # x07: allow clock -- logged\n", [], 1),
    "of the line above": ("import time\n# x07: allow clock -- logged\nx = time.time()\n", [], 1),
    "behind the code above": ("import time  # x07: allow clock -- logged\nx = time.time()\n", [CLOCK, IDLE], 0),
    "two lines above": ("import time\n# x07: allow clock -- logged\n\nx = time.time()\n", [CLOCK, IDLE], 0),
    "several": ("import time\nx = open(time.ctime())  # x07: allow environment,clock , files -- a tool\n", [IDLE], 2),
    "another capability": (f"{NOW}  # x07: allow network -- logged\n", [CLOCK, IDLE], 0),
    "no capability at all": (f"{NOW}  # x07: allow clok -- logged\n", [CLOCK, IDLE], 0),
    "none named": (f"{NOW}  # x07: allow -- logged\n", [FORM, CLOCK], 0),
    "no reason": (f"{NOW}  # x07: allow clock\n", [FORM, CLOCK], 0),
    "an empty reason": (f"{NOW}  # x07: allow clock -- \n", [FORM, CLOCK], 0),
    "in a string": (f"{NOW}, '# x07: allow clock -- logged'\n", [CLOCK], 0),
    "reading a file": ("x = open('x')  # x07: allow files-read -- ships with it\n", [], 1),
    "writing is not reading": (
        "x = open('x', 'w')  # x07: allow files-read -- ships\n",
        ["E_ARCH_CALL_FILES", IDLE],
        0,
    ),
    "an import": ("import smtplib  # x07: allow network -- names of replies only\n", [], 1),
    "a secret": ("# x07: allow secret -- revoked\nU = 'amqp://bob:hunter2@mq.shop.internal'\n", [], 1),
    "a secret is no clock": (
        "U = 'amqp://bob:hunter2@mq.shop.internal'  # x07: allow clock -- revoked\n",
        ["E_ARCH_SECRET_IN_MODULE", IDLE],
        0,
    ),
    "nothing there": ("x = 1  # x07: allow clock -- was one\n", [IDLE], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_a_comment_excuses_what_its_line_reaches(case: str, tmp_path: Path) -> None:
    text, left, count = CASES[case]
    report = run(write(tmp_path, manifest(node("core", "solve-pure")), {"core.py": text}))
    assert (codes(report), report.excepted) == (sorted(left), count), report.findings
    assert (f", {count} excepted" in report.summary()) == bool(count)


def test_each_idle_capability_is_told_at_the_comment(tmp_path: Path) -> None:
    text = "import time\n# x07: allow clock, network, threads -- logged\nx = time.time()\n"
    report = run(write(tmp_path, manifest(node("core", "solve-pure")), {"core.py": text}))
    assert [(row.path, row.line, row.data["name"]) for row in report.findings] == [
        ("core.py", 2, "network"),
        ("core.py", 2, "threads"),
    ]


def test_a_comment_holds_for_the_chain_that_starts_there_and_for_no_other(tmp_path: Path) -> None:
    modules = {
        "core.py": "import tool\ndef f():\n    tool.now()  # x07: allow clock -- logged\ndef g():\n    tool.now()\n",
        "tool.py": "import time\ndef now():\n    return time.time()  # x07: allow clock -- of an adapter\n",
    }
    report = run(write(tmp_path, manifest(node("core", "solve-pure"), node("tool")), modules))
    told = [(row.code, row.path, row.line) for row in report.findings if row.code != "E_ARCH_WORLD_IMPORT"]
    assert (CLOCK, "core.py", 5) in told
    assert (IDLE, "tool.py", 3) in told
    assert all(row[:2] != (CLOCK, "core.py") or row[2] == 5 for row in told)
