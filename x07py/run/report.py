"""The report of a run: what was granted and by whom, what was in force, what was refused, and how it ended."""

from __future__ import annotations

import hashlib
import json
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from x07py.run.hosts import HostRule
    from x07py.run.program import Plan
    from x07py.sandbox.launch import Outcome
    from x07py.sandbox.supervisor import Denial

EXIT_TIME, EXIT_CANNOT, EXIT_REFUSED, EXIT_LIMIT = 124, 125, 126, 137


def exit_code(outcome: Outcome) -> int:
    """Return the exit code: the program's own, 124 at the time limit, 137 at the processor limit, else 128 + signal."""
    if outcome.timed_out:
        return EXIT_TIME
    if outcome.status == -signal.SIGXCPU:
        return EXIT_LIMIT
    return outcome.status if outcome.status >= 0 else 128 - outcome.status


def effective_policy(plan: Plan) -> dict[str, Any]:
    """Return the effective policy of a plan: every grant, with what it means and where it came from."""
    return {
        "world": plan.world,
        "connect": [_rule(rule) for rule in plan.allow],
        "deny": [_rule(rule) for rule in plan.deny],
        "listen": [_rule(rule) for rule in plan.listen],
        "read": [str(path) for path in plan.read],
        "write": [str(path) for path in plan.write[1:]],
        "run": [str(path) for path in plan.run],
        "environment": sorted(plan.env),
        "limits": asdict(plan.limits) | {"seconds": plan.timeout},
    }


def _rule(rule: HostRule) -> dict[str, Any]:
    row: dict[str, Any] = {"rule": rule.text, "source": rule.source}
    return row | ({"addresses": list(rule.addresses)} if rule.addresses else {})


def run_report(profile: str | None, plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """Return the report of a run that has ended; in a solve world, equal runs have equal reports."""
    effective = effective_policy(plan)
    digest = hashlib.sha256(json.dumps(effective, sort_keys=True).encode()).hexdigest()
    return {
        "schema_version": "x07.run.report@0.1.0",
        "world": plan.world,
        "profile": profile,
        "command": list(plan.argv[1:]),
        "policy": effective,
        "policy_sha256": digest,
        "layers": outcome.layers,
        "connections": outcome.connects,
        "denials": [asdict(one) | {"allow": advice(one)} for one in outcome.denials],
        "use": None if WORLDS[plan.world].solve else _use(outcome),
        "exit": {
            "code": exit_code(outcome),
            "signal": signal.Signals(-outcome.status).name if outcome.status < 0 else None,
            "timed_out": outcome.timed_out,
        },
    }


def _use(outcome: Outcome) -> dict[str, float]:
    return {
        "cpu_seconds": round(outcome.cpu_seconds, 6),
        "memory_bytes": outcome.memory,
        "seconds": round(outcome.seconds, 6),
    }


def advice(denial: Denial) -> str | None:
    """Return the flag that would allow what was denied, or None if none does."""
    if denial.target.startswith(("address family", "another", "a socket", "more")):
        return None
    return f"--allow-{'host' if denial.kind == 'connect' else 'listen'} {denial.target}"


def denial_line(denial: Denial) -> str:
    """Return the line that a person reads about a denial; what the program controls is shown escaped."""
    process = denial.process.encode("unicode_escape").decode()
    times = f", {denial.count} times" if denial.count > 1 else ""
    flag = advice(denial)
    allow = f"; allow with {flag}" if flag else ""
    return f"x07 run: denied {denial.kind} {denial.target} by {process} (pid {denial.pid}){times}{allow}"
