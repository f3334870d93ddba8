"""The report of a run: what was granted and by whom, what was in force, what was refused, and how it ended."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import signal
from functools import cache
from typing import TYPE_CHECKING, Any

from x07py.printing import counted
from x07py.run.plan import EXIT_LIMIT, EXIT_TIME
from x07py.sandbox.network import parse_text
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from x07py.run.hosts import HostRule
    from x07py.run.plan import PathGrant, RunPlan
    from x07py.sandbox.launch import ProgramOutcome
    from x07py.sandbox.notifications import Denial

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def exit_code(outcome: ProgramOutcome) -> int:
    """Return the exit code: the program's own, 124 at the time limit, 137 at the processor limit, else 128 + signal."""
    if outcome.timed_out:
        return EXIT_TIME
    if outcome.status == -signal.SIGXCPU or outcome.deadlock:
        return EXIT_LIMIT
    return outcome.status if outcome.status >= 0 else 128 - outcome.status


def ending(plan: RunPlan, outcome: ProgramOutcome) -> str | None:
    """Return what ended a program that did not end by itself; None if it did, or its user or reader did."""
    if outcome.timed_out:
        return f"the time limit of {plan.timeout:g} s ended the program"
    if outcome.deadlock:
        return "deadlock: every thread of the program waits, and nothing will end one of the waits; ended"
    number = -outcome.status
    if number == signal.SIGXCPU:
        return f"the limit of {plan.limits.cpu_seconds} s of processor time ended the program"
    if number <= 0 or number in {signal.SIGINT, signal.SIGPIPE}:
        return None
    return f"signal {_signal(number)} ended the program"


def _signal(number: int) -> str:
    """Return the name of a signal; Python has none for most of the real-time ones."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else str(number)


def effective_policy(plan: RunPlan) -> dict[str, Any]:
    """Return the effective policy of a plan: every grant, with what it means and where it came from."""
    return {
        "world": plan.world,
        "connect": [_rule(rule) for rule in plan.allow],
        "deny": [_rule(rule) for rule in plan.deny],
        "listen": [_rule(rule) for rule in plan.listen],
        "unix": [{"socket": one.target, "source": one.source} for one in plan.unix],
        "read": [_path(grant) for grant in plan.read],
        "write": [_path(grant) for grant in plan.write[1:]],
        "unread": [_path(grant) for grant in plan.unread],
        "run": [_path(grant) for grant in plan.run],
        "environment": [{"name": name, "source": plan.env_sources.get(name, "always")} for name in sorted(plan.env)],
        "limits": plan.limits._asdict() | {"seconds": plan.timeout},
    }


def _path(grant: PathGrant) -> dict[str, str]:
    return {"path": str(grant.path), "source": grant.source}


def mode_of(plan: RunPlan) -> str:
    """Return whether grants were enforced, only watched (``--learn``), or without meaning (``run-os``)."""
    if plan.world == "run-os":
        return "unrestricted"
    return "learned" if plan.observe else "enforced"


def _rule(rule: HostRule) -> dict[str, Any]:
    row: dict[str, Any] = {"rule": rule.text, "source": rule.source}
    return row | ({"addresses": list(rule.addresses)} if rule.addresses else {})


def run_report(
    profile: str | None,
    plan: RunPlan,
    outcome: ProgramOutcome,
    told: dict[str, Any] | None,
    *,
    audit: Path | None = None,
) -> dict[str, Any]:
    """Return the report of a run that has ended; in a solve world, equal runs have equal reports.

    Args:
        profile: name of the profile, or None.
        plan: what was run.
        outcome: how it ended.
        told: what the program told about itself; rows of another form are left out.
        audit: the file that each decision was logged to, or None.
    """
    from x07py.rr.redaction import Redaction  # with all that reads cassettes, so not before the program starts

    effective = effective_policy(plan)
    digest = hashlib.sha256(json.dumps(effective, sort_keys=True).encode()).hexdigest()
    return {
        "schema_version": "x07.run.report@0.1.0",
        "world": plan.world,
        "schedule_seed": plan.schedule,
        "profile": profile,
        "mode": mode_of(plan),
        "command": Redaction().arguments(plan.argv[1:]),
        "policy": effective,
        "policy_sha256": digest,
        "layers": outcome.layers,
        "audit": None if audit is None else str(audit),
        "connections": outcome.connects,
        "denials": [vars(one) | {"allow": advice(one), "origin": origin(one)} for one in outcome.denials],
        "cassettes": _rows(told, "cassettes", _CASSETTE),
        "budgets": _rows(told, "budgets", _BUDGET),
        "use": None if WORLDS[plan.world].solve else _use(outcome),
        "exit": {
            "code": exit_code(outcome),
            "signal": _signal(-outcome.status) if outcome.status < 0 else None,
            "timed_out": outcome.timed_out,
        },
    }


_CASSETTE = {"cassette": str, "mode": str, "match": str, "entries": int, "used": int, "appended": int, "ticks": int}
_BUDGET = {
    **dict.fromkeys(("id", "label", "mode"), str),
    **dict.fromkeys(("scopes", "exceeded", "yields"), int),
    **dict.fromkeys(("limits", "most", "total"), dict),
}


def _rows(told: dict[str, Any] | None, kind: str, form: dict[str, type]) -> list[dict[str, Any]]:
    rows = (told or {}).get(kind, [])
    fitting = isinstance(rows, list) and all(isinstance(row, dict) and row.keys() == form.keys() for row in rows)
    sound = fitting and all(isinstance(row[name], form[name]) for row in rows for name in form)
    return rows if sound else []


def summary(report: dict[str, Any]) -> list[str]:
    """Return the lines that a person at a terminal gets after a run."""
    ended = report["exit"]
    how = f"signal {ended['signal']}" if ended["signal"] else f"exit code {ended['code']}"
    profile = f" ({report['profile']})" if report["profile"] else ""
    profile += ", learned: nothing was refused" if report["mode"] == "learned" else ""
    use = report["use"]
    spent = f", {use['seconds']:.1f} s, {use['memory_bytes'] >> 20} MiB" if use else ""
    lines = [f"{report['world']}{profile}: {how}{spent}"]
    refused = sum(one["count"] for one in report["denials"])
    if report["connections"] or refused:
        unknown = report["layers"].get("tracer", "").startswith("absent")
        lines.append(f"connections: {report['connections']} made, {'?' if unknown else refused} refused")
    if report["audit"] is not None:
        lines.append(f"each decision is logged in {report['audit']}")
    for row in report["cassettes"]:
        added = f", {row['appended']} added" if row["appended"] else ""
        entries = counted(row["entries"], "entry", "entries")
        lines.append(f"cassette {row['cassette']}: {row['used']} of {entries} replayed{added}")
    for row in report["budgets"]:
        over = f"exceeded {row['exceeded']} times" if row["exceeded"] else "kept"
        lines.append(f"budget {row['id']}: {over} in {row['scopes']} scopes")
    return [line.encode("unicode_escape").decode() for line in lines]


def _use(outcome: ProgramOutcome) -> dict[str, float]:
    return {
        "cpu_seconds": round(outcome.cpu_seconds, 6),
        "memory_bytes": outcome.memory,
        "seconds": round(outcome.seconds, 6),
    }


def advice(denial: Denial) -> str | None:
    """Return the flag that would allow what was denied, or None if none does."""
    if denial.kind == "resolve":
        return f"--allow-host {denial.target}:PORT" if _NAME.fullmatch(denial.target) else None
    if denial.kind in {"read", "write", "run"}:
        return f"--allow-{denial.kind} {shlex.quote(denial.target)}"
    if denial.target.startswith(("/", "@")):
        return (
            f"--allow-unix {shlex.quote(denial.target)}"
            if denial.target.isprintable() and denial.target != "@"
            else None
        )
    address = parse_text(denial.target)
    if address is None or (denial.kind == "connect" and not address.names_a_place):
        return None
    return f"--allow-{'host' if denial.kind == 'connect' else 'listen'} {denial.target}"


def origin(denial: Denial) -> str | None:
    """Return how the program came by an address, or None; the drivers know how their clients name threads."""
    if denial.kind != "connect":
        return None
    return next((said for ask in _origins() if (said := ask(denial.process)) is not None), None)


@cache
def _origins() -> list[Callable[[str], str | None]]:
    from x07py.drivers.plugin import usable_drivers

    return [driver.connection_origin for driver in usable_drivers() if driver.connection_origin]


def denial_line(denial: Denial) -> str:
    """Return the line that a person reads about a denial; what the program controls is shown escaped."""
    process = denial.process.encode("unicode_escape").decode()
    times = f", {denial.count} times" if denial.count > 1 else ""
    flag = advice(denial)
    allow = f"; allow with {flag}" if flag else ""
    source = origin(denial)
    why = f": {source}" if source else ""
    target = denial.target.encode("unicode_escape").decode()
    return f"x07 run: denied {denial.kind} {target} by {process} (pid {denial.pid}){times}{why}{allow}"
