"""What ``x07 run`` does with its options, and a reading of them that needs no library.

Typer costs a tenth of a second, which a program that is started often would pay each time. So `parse` reads command
lines that are plainly right; every other one goes to Typer, which knows how to say what is wrong or to help.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py.cli.output import print_error
from x07py.errors import RunError, X07Error
from x07py.facts import open_channel, read_channel
from x07py.run.hosts import read_host_file
from x07py.run.profile import Place, Profile, check_world, choose, find_place
from x07py.run.program import Plan, confinement, make_plan
from x07py.run.report import (
    EXIT_CANNOT,
    EXIT_REFUSED,
    denial_line,
    effective_policy,
    ending,
    exit_code,
    run_report,
    summary,
)
from x07py.run.watch import Watch, check_watch, run_watched
from x07py.sandbox.layers import check_layers
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from x07py.sandbox.answers import Access, Denial
    from x07py.sandbox.launch import Outcome

_CANNOT = {"X07RUN_CANNOT_CONFINE", "X07RUN_NOT_EXECUTABLE", "X07IO_WRITE"}
_INTO_PROFILE = (
    *("allow_host", "deny_host", "allow_contract", "allow_listen", "allow_read", "allow_write", "allow_env"),
    *("allow_run", "world", "entry", "policy", "rr", "cassette", "timeout", "max_memory"),
)
_LEAST = 0.001
"""Smallest number that an option takes, as Typer is told too."""


@dataclass(slots=True)
class Asked:
    """The options of one ``x07 run``, named as they are written; the arguments of the program are `args`."""

    args: list[str] | None = None
    profile: str | None = None
    world: str | None = None
    entry: str | None = None
    policy: str | None = None
    allow_host: list[str] | None = None
    deny_host: list[str] | None = None
    allow_host_file: list[Path] | None = None
    deny_host_file: list[Path] | None = None
    allow_contract: list[str] | None = None
    allow_listen: list[str] | None = None
    allow_read: list[str] | None = None
    allow_write: list[str] | None = None
    allow_env: list[str] | None = None
    allow_run: list[str] | None = None
    rr: str | None = None
    cassette: str | None = None
    timeout: float | None = None
    max_memory: int | None = None
    max_procs: int | None = None
    report: Path | None = None
    audit: Path | None = None
    learn: Path | None = None
    require_layer: list[str] | None = None
    i_accept_weaker_isolation: bool = False
    verify_determinism: int = 0
    explain: bool = False


_MAKE: dict[str, Callable[[str], Any]] = {"str": str, "Path": Path, "float": float, "int": int}


def parse(words: Sequence[str]) -> Asked | None:
    """Return what a command line asks for, or None where Typer is to read it.

    Args:
        words: the words after ``x07 run``.
    """
    kinds = {"--" + one.name.replace("_", "-"): one for one in fields(Asked) if one.name != "args"}
    found: dict[str, Any] = {}
    left = list(words)
    while left and left[0].startswith("-") and left[0] != "--":
        name, given, value = left.pop(0).partition("=")
        option = kinds.get(name)
        if option is None:
            return None
        kind = str(option.type).removesuffix(" | None")
        if kind == "bool":
            if given:
                return None
            found[option.name] = True
            continue
        if not given:
            value = left.pop(0) if left else "-"
        many = kind.startswith("list[")
        made = _value(kind[5:-1] if many else kind, value)
        if made is None:
            return None
        found[option.name] = [*found.get(option.name, ()), made] if many else made
    return Asked(args=left[1:] if left[:1] == ["--"] else left, **found)


def _value(kind: str, text: str) -> Any:
    """Return the value that a text means, or None if it may be wrong."""
    if not text or text.startswith("-"):
        return None
    try:
        made = _MAKE[kind](text)
    except ValueError:
        return None
    return None if kind in {"int", "float"} and not made >= (1 if kind == "int" else _LEAST) else made


def execute(asked: Asked) -> int:
    """Do what is asked for and return the exit code; errors are printed."""
    scratch = Path(tempfile.mkdtemp(prefix="x07-run-"))
    try:
        place = find_place()
        chosen = _with_flags(place, asked)
        more = tuple(rule for path in asked.allow_host_file or [] for rule in read_host_file(path))
        less = tuple(rule for path in asked.deny_host_file or [] for rule in read_host_file(path, deny=True))
        watch = Watch(asked.audit, asked.learn, chosen.allow_env)
        check_watch(watch, chosen, bool(more or less))
        plan = make_plan(place, chosen, asked.args or [], scratch, more=more, less=less)
        required = tuple(asked.require_layer or ())
        check_layers(required)
        weaker = asked.i_accept_weaker_isolation
        plan = replace(plan, observe=asked.learn is not None, require=required, accept_weaker=weaker)
        _check_run_os(plan.world, asked)
        if asked.max_procs is not None:
            plan = replace(plan, limits=replace(plan.limits, processes=asked.max_procs))
        if asked.verify_determinism and not asked.explain:
            return _verify(plan, asked.verify_determinism, asked.report)
        return _explain(plan) if asked.explain else _run(plan, asked.profile, asked.report, watch)
    except X07Error as error:
        print_error(error, command="run", as_json=False)
        return EXIT_CANNOT if error.code in _CANNOT else EXIT_REFUSED
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_run_os(world: str, asked: Asked) -> None:
    """Refuse what only a sandbox could enforce where there is none."""
    given = {"--require-layer": asked.require_layer, "--max-procs": asked.max_procs}
    for option, value in given.items():
        if value and world == "run-os":
            raise RunError(
                "X07RUN_CONTRADICTION",
                f"world run-os has no sandbox, so {option} has no meaning in it",
                hint="run in world run-os-sandboxed (--profile sandbox), or leave it out",
            )


def _with_flags(place: Place, asked: Asked) -> Profile:
    """Return the profile with the flags in it: lists grow, single values are replaced."""
    name = asked.profile
    if name is None and asked.world is None:
        raise RunError(
            "X07RUN_PROFILE",
            "no profile is chosen",
            where=str(place.manifest or place.root),
            hint=f"pass --profile: {', '.join(sorted(place.profiles))}",
        )
    chosen = choose(place, name) if name is not None else Profile(asked.world or "")
    given = {key: value for key in _INTO_PROFILE if (value := getattr(asked, key)) is not None}
    grown: dict[str, Any] = {
        key: (*getattr(chosen, key), *value) if isinstance(value, list) else value for key, value in given.items()
    }
    chosen = replace(chosen, **grown)
    check_world(chosen.world, "--world")
    return chosen


def _run(plan: Plan, profile: str | None, report: Path | None, watch: Watch) -> int:
    if report is not None:
        _check_writable(report)
    if plan.observe:
        from x07py.run.learn import WEAKER

        sys.stderr.write(f"x07 run: learning: {WEAKER}\n")
    told = open_channel()
    outcome = run_watched(plan, partial(_outcome, plan, told), watch)
    finished = run_report(profile, plan, outcome, read_channel(told), audit=watch.audit)
    for denial in outcome.denials:
        if denial.count > 1:
            _say(denial)
    for layer, state in outcome.layers.items():
        if layer == "tracer" and state.startswith("absent"):
            sys.stderr.write(f"x07 run: warning: {state.removeprefix('absent: ')}\n")
        if state.endswith("(accepted)"):
            sys.stderr.write(f"x07 run: warning: weaker isolation: {layer} {state}\n")
    if report is not None:
        _write_report(report, (json.dumps(finished, indent=2, sort_keys=True) + "\n").encode())
    if (why := ending(plan, outcome)) is not None:
        sys.stderr.write(f"x07 run: {why}\n")
    if sys.stderr.isatty():
        sys.stderr.write("".join(f"x07 run: {line}\n" for line in summary(finished)))
    return exit_code(outcome)


def _check_writable(report: Path) -> None:
    """Refuse a report that could not be written, before the program runs."""
    if report.is_dir() or not os.access(report.parent, os.W_OK | os.X_OK):
        why = "it is a folder" if report.is_dir() else "its folder is not there or cannot be written"
        raise RunError("X07RUN_FILE", f"cannot write: {why}", where=str(report), hint="check the path of --report")


def _write_report(report: Path, data: bytes) -> None:
    from x07py.rr.files import write_atomically

    write_atomically(report, data)


def _verify(plan: Plan, times: int, report: Path | None) -> int:
    """Run the same command line without the option, several times; show the output once, and write the report once."""
    from x07py.run.verify import verify

    if not WORLDS[plan.world].solve or times < 2:
        raise RunError(
            "X07RUN_CONTRADICTION",
            "--verify-determinism compares at least 2 runs in a solve world",
            hint="use --profile replay, or --world solve-pure",
        )
    words = _without(sys.argv[2:], "--verify-determinism")
    if report is not None:
        _check_writable(report)
        words = _without(words, "--report")
    seen = verify(words, times, plan.root)
    sys.stdout.buffer.write(seen.output)
    sys.stdout.flush()
    sys.stderr.buffer.write(seen.errors)
    if report is not None:
        _write_report(report, seen.report)
    sys.stderr.write(f"x07 run: {times} runs are identical\n")
    return seen.code


def _without(words: list[str], option: str) -> list[str]:
    """Return a command line without an option that is in it, and its value; options come before the program's words."""
    at = next(n for n, word in enumerate(words) if word.partition("=")[0] == option)
    return words[:at] + words[at + (1 if "=" in words[at] else 2) :]


def _outcome(plan: Plan, told: int, on_access: Callable[[Access], None] | None) -> Outcome:
    if plan.world == "run-os":
        from x07py.run.unconfined import run_unconfined

        return run_unconfined(plan, told)
    from x07py.sandbox.launch import run as run_confined

    return run_confined(confinement(plan, on_access, told), timeout=plan.timeout, on_denied=_say)


def _say(denial: Denial) -> None:
    sys.stderr.write(denial_line(denial) + "\n")
    sys.stderr.flush()


def _explain(plan: Plan) -> int:
    from x07py.sandbox.probe import expected_layers, kernel_features

    machine = kernel_features()
    layers = {"isolation": "none: world run-os"} if plan.world == "run-os" else expected_layers(machine)
    shown = effective_policy(plan) | {"command": list(plan.argv), "layers": layers, "machine": machine}
    sys.stdout.write(json.dumps(shown, indent=2, sort_keys=True) + "\n")
    return 0
