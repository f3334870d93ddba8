"""What people read of a run: lines about denials, and the summary."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from x07py.run.plan import RunPlan
from x07py.run.report import advice, denial_line, ending, exit_code, run_report, summary
from x07py.sandbox.confinement import ProcessLimits
from x07py.sandbox.launch import ProgramOutcome
from x07py.sandbox.notifications import UNKNOWN_PROGRAM, UNREADABLE, Denial, Denials


@pytest.mark.parametrize(
    ("kind", "target", "flag"),
    [
        ("connect", "127.0.0.1:9093", "--allow-host 127.0.0.1:9093"),
        ("connect", "[::1]:9093", "--allow-host [::1]:9093"),
        ("listen", "127.0.0.1:80", "--allow-listen 127.0.0.1:80"),
        ("connect", "/run/a b.sock", "--allow-unix '/run/a b.sock'"),
        ("listen", "@name", "--allow-unix @name"),
        ("listen", "@", None),
        ("connect", "0.0.0.0:9093", None),
        ("connect", "127.0.0.1:0", None),
        ("connect", "address family 1", None),
        ("connect", UNREADABLE, None),
    ],
)
def test_a_denial_names_the_flag_that_would_allow_it_or_none(kind: str, target: str, flag: str | None) -> None:
    assert advice(Denial(kind, target, 7, "python")) == flag


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (0, None),
        (7, None),
        (-signal.SIGINT, None),
        (-signal.SIGPIPE, None),
        (-signal.SIGSEGV, "signal SIGSEGV ended the program"),
        (-signal.SIGXCPU, "the limit of 5 s of processor time ended the program"),
        (-40, f"signal SIGRTMIN+{40 - signal.SIGRTMIN} ended the program"),
    ],
)
def test_what_ended_a_program_is_one_line_or_none(status: int, line: str | None) -> None:
    nothing: Any = ()
    limits = ProcessLimits(cpu_seconds=5)
    make: Any = RunPlan
    plan = make("run-os", ("p",), {}, {}, Path(), *[nothing] * 8, limits=limits, timeout=None)
    outcome = ProgramOutcome(
        status, timed_out=False, denials=[], connects=0, layers={}, cpu_seconds=5, memory=0, seconds=5
    )
    assert ending(plan, outcome) == line
    ended = run_report(None, plan, outcome, None)["exit"]
    assert ended["code"] == exit_code(outcome)
    assert ended["signal"] == (line.split()[1] if line and line.startswith("signal") else ended["signal"])


def test_denials_are_counted_by_program_and_bounded() -> None:
    first: list[Denial] = []
    denials = Denials(first.append)
    for port in (1, 1, *range(1, 1200)):
        denials.add("connect", f"127.0.0.1:{port}", 7, "python")
    denials.add("connect", "127.0.0.1:1", 8, "curl\n")
    rows = {(one.target, one.process): one.count for one in denials.rows()}
    assert rows["127.0.0.1:1", "python"] == 3
    assert rows["more targets", UNKNOWN_PROGRAM] == 1199 - 1024 + 1
    assert len(rows) == len(first) == 1025
    many = Denial("connect", "127.0.0.1:9093", 7, "pyt\non", 19)
    shown = (
        r"x07 run: denied connect 127.0.0.1:9093 by pyt\non (pid 7), 19 times; allow with --allow-host 127.0.0.1:9093"
    )
    assert denial_line(many) == shown
    everywhere = denial_line(Denial("listen", "0.0.0.0:80", 7, "python"))
    assert everywhere.endswith("; allow with --allow-listen 0.0.0.0:80")
    anywhere = denial_line(Denial("listen", "0.0.0.0:0", 7, "python"))
    assert anywhere.endswith("; allow with --allow-listen 0.0.0.0:0")


@pytest.mark.parametrize(
    ("tracer", "line"),
    [
        ("tells denials", "connections: 2 made, 0 refused"),
        ("absent: denials are unknown", "connections: 2 made, ? refused"),
    ],
)
def test_the_summary_says_what_is_not_known_and_where_the_log_is(tracer: str, line: str) -> None:
    report: dict[str, Any] = {
        "world": "run-os-sandboxed",
        "profile": None,
        "mode": "enforced",
        "audit": "run.jsonl",
        "use": None,
        "connections": 2,
        "denials": [],
        "layers": {"tracer": tracer},
        "cassettes": [],
        "budgets": [],
        "exit": {"code": 0, "signal": None},
    }
    assert summary(report)[1:] == [line, "each decision is logged in run.jsonl"]
