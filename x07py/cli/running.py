"""What ``x07 run`` does with its options, and a reading of them that needs no library.

Typer costs a tenth of a second, which a program that is started often would pay each time. So `parse` reads command
lines that are plainly right; every other one goes to Typer, which knows how to say what is wrong or to help.
"""

from __future__ import annotations

import json
import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from x07py.cli.output import Format, output_aside, print_error, print_json, say
from x07py.errors import RunError, X07Error
from x07py.files import remove_tree, replace_file, scratch_folder
from x07py.run.hosts import read_host_file
from x07py.run.own_files import check_own_file
from x07py.run.plan import EXIT_CANNOT, EXIT_REFUSED
from x07py.run.profile import (
    Profile,
    ProjectToRun,
    check_world,
    choose,
    find_project_to_run,
    keep_the_name,
    weaker_than_expected,
)
from x07py.run.program import confinement, make_plan
from x07py.run.remembered import less_confined_than_before
from x07py.run.report import (
    denial_line,
    effective_policy,
    ending,
    exit_code,
    run_report,
    summary,
)
from x07py.run.watch import Watch, check_watch, run_watched
from x07py.run_report_channel import open_channel, read_channel
from x07py.sandbox.layers import check_layers
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from x07py.run.plan import RunPlan
    from x07py.sandbox.launch import ProgramOutcome
    from x07py.sandbox.notifications import Access, Denial

_CANNOT = {"X07RUN_CANNOT_CONFINE", "X07RUN_NOT_EXECUTABLE", "X07IO_WRITE"}
_INTO_PROFILE = (
    *("allow_host", "deny_host", "allow_contract", "allow_listen", "allow_unix", "allow_read"),
    *("deny_read", "allow_write", "allow_env", "allow_run", "world", "entry", "policy"),
    *("rr", "cassette", "timeout", "max_memory"),
)
_NAMES = {"allow_env", "allow_run", "allow_contract"}
_HOSTS = {"allow_host", "deny_host", "allow_listen"}
_PATHS = {"allow_read", "deny_read", "allow_write", "allow_unix"}
_LEAST = 0.001
"""Smallest number that an option takes, as Typer is told too."""


class RunOptions:
    """The options of one ``x07 run``, named as they are written; the arguments of the program are `args`.

    No dataclass: to import those takes half as long as Python itself takes to start.
    """

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
    allow_unix: list[str] | None = None
    allow_read: list[str] | None = None
    deny_read: list[str] | None = None
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
    schedule_seed: int | None = None
    schedules: int = 0
    explain: bool = False
    format: str = Format.text

    def __init__(self, **given: Any) -> None:
        vars(self).update(given)


_MAKE: dict[str, Callable[[str], Any]] = {"str": str, "Path": Path, "float": float, "int": int}


def parse(words: Sequence[str]) -> RunOptions | None:
    """Return what a command line asks for, or None where Typer is to read it.

    Args:
        words: the words after ``x07 run``.
    """
    known = RunOptions.__annotations__
    names = {"--" + one.replace("_", "-"): one for one in known if one != "args"}
    found: dict[str, Any] = {}
    left = list(words)
    while left and left[0].startswith("-") and left[0] != "--":
        name, given, value = left.pop(0).partition("=")
        option = names.get(name)
        if option is None:
            return None
        kind = known[option].removesuffix(" | None")
        if kind == "bool":
            if given:
                return None
            found[option] = True
            continue
        if not given:
            value = left.pop(0) if left else "-"
        many = kind.startswith("list[")
        made = _value(kind[5:-1] if many else kind, value)
        if made is None or (option == "format" and made not in list(Format)):
            return None
        found[option] = [*found.get(option, ()), made] if many else made
    return RunOptions(args=left[1:] if left[:1] == ["--"] else left, **found)


def _value(kind: str, text: str) -> Any:
    """Return the value that a text means, or None if it may be wrong."""
    if not text or text.startswith("-"):
        return None
    try:
        made = _MAKE[kind](text)
    except ValueError:
        return None
    return None if kind in {"int", "float"} and not made >= (1 if kind == "int" else _LEAST) else made


def execute(options: RunOptions) -> int:
    """Do what is asked for and return the exit code; errors are printed."""
    if options.format != Format.json or options.explain:
        return _execute(options)
    with output_aside() as out:
        return _execute(options, out)


def _execute(options: RunOptions, out: TextIO | None = None) -> int:
    scratch = scratch_folder("x07-run-")
    try:
        project = find_project_to_run()
        chosen = _with_flags(project, options)
        for line in weaker_than_expected(project, options.profile, chosen):
            say(f"x07 run: warning: {line}")
        more = tuple(rule for path in options.allow_host_file or [] for rule in read_host_file(path))
        less = tuple(rule for path in options.deny_host_file or [] for rule in read_host_file(path, deny=True))
        watch = Watch(options.audit, options.learn, chosen.allow_env)
        check_watch(watch, chosen, bool(more or less))
        plan = make_plan(project, chosen, options.args or [], scratch, more=more, less=less)
        if options.profile is not None:
            for line in less_confined_than_before(plan, options.profile, options.policy, keep=not options.explain):
                say(f"x07 run: warning: {line}")
        required = tuple(options.require_layer or ())
        check_layers(required)
        weaker = options.i_accept_weaker_isolation
        plan = plan._replace(observe=options.learn is not None, require=required, accept_weaker=weaker)
        plan = plan._replace(schedule=options.schedule_seed)
        _check_run_os(plan.world, options)
        _check_schedule(plan.world, options)
        if options.max_procs is not None:
            plan = plan._replace(limits=plan.limits._replace(processes=options.max_procs))
        if options.schedules and out is not None:
            raise RunError("X07RUN_CONTRADICTION", "--schedules has no report", hint="leave --format json out")
        if options.schedules and not options.explain:
            return _try_schedules(options.schedules, plan)
        if options.verify_determinism and not options.explain:
            return _verify(plan, options.verify_determinism, options.report, out)
        return _explain(plan) if options.explain else _run(plan, options.profile, options.report, watch, out)
    except X07Error as error:
        print_error(error, command="run", as_json=out is not None)
        return EXIT_CANNOT if error.code in _CANNOT else EXIT_REFUSED
    finally:
        remove_tree(scratch)


def _check_schedule(world: str, options: RunOptions) -> None:
    """Refuse an order of turns where nobody takes turns, and two ways of comparing at once."""
    asked = {"--schedule-seed": options.schedule_seed is not None, "--schedules": bool(options.schedules)}
    given = [name for name, wanted in asked.items() if wanted]
    if given and not WORLDS[world].solve:
        raise RunError(
            "X07RUN_CONTRADICTION",
            f"threads take turns in solve worlds alone, so {given[0]} has no meaning in {world}",
            hint="use --profile replay, or --world solve-pure",
        )
    if options.schedules and (options.verify_determinism or len(given) > 1):
        other = "--verify-determinism" if options.verify_determinism else "--schedule-seed"
        raise RunError(
            "X07RUN_CONTRADICTION",
            f"--schedules chooses the runs itself, so {other} has no meaning with it",
            hint=f"leave {other} out",
        )


def _check_run_os(world: str, options: RunOptions) -> None:
    """Refuse what only a sandbox could enforce where there is none."""
    given = {"--require-layer": options.require_layer, "--max-procs": options.max_procs}
    for option, value in given.items():
        if value and world == "run-os":
            raise RunError(
                "X07RUN_CONTRADICTION",
                f"world run-os has no sandbox, so {option} has no meaning in it",
                hint="run in world run-os-sandboxed (--profile sandbox), or leave it out",
            )


def _with_flags(project: ProjectToRun, options: RunOptions) -> Profile:
    """Return the profile with the flags in it: lists grow, single values are replaced."""
    name = options.profile
    if name is None and options.world is None:
        raise RunError(
            "X07RUN_PROFILE",
            "no profile is chosen",
            where=str(project.manifest or project.root),
            hint=f"pass --profile: {', '.join(sorted(project.profiles))}",
        )
    chosen = choose(project, name) if name is not None else Profile(options.world or "")
    given = {key: value for key in _INTO_PROFILE if (value := getattr(options, key)) is not None}
    grown: dict[str, Any] = {
        key: (*getattr(chosen, key), *value) if isinstance(value, list) else value for key, value in given.items()
    }
    for key in (_NAMES | _HOSTS | _PATHS) & grown.keys():
        grown[key] = tuple(part for text in grown[key] for part in _parts(key, text, project.root))
    chosen = chosen._replace(**grown)
    check_world(chosen.world, "--world")
    if name is not None:
        keep_the_name(name, chosen.world, "--world")
    return chosen


def _parts(key: str, text: str, root: Path) -> list[str]:
    """Return what a list with commas names: a comma may belong to a path that is there, or to the ports of a host."""
    if key in _PATHS and (root / text).exists():
        return [text]
    comma = r",(?=\s*(?:\[|[^,]*:))" if key in _HOSTS else ","
    return [part.strip() for part in re.split(comma, text) if part.strip()] or [text]


def _run(plan: RunPlan, profile: str | None, report: Path | None, watch: Watch, out: TextIO | None) -> int:
    if report is not None:
        _check_writable(report, plan.root)
    if plan.observe:
        from x07py.run.learn import WEAKER

        say(f"x07 run: learning: {WEAKER}")
    report_channel = open_channel()
    outcome = run_watched(plan, partial(_outcome, plan, report_channel), watch)
    told, shown = read_channel(report_channel), sys.stderr.isatty()
    wanted = shown or report is not None or out is not None
    finished = run_report(profile, plan, outcome, told, audit=watch.audit) if wanted else {}
    for denial in outcome.denials:
        if denial.count > 1:
            _say(denial)
    _tell_of_layers(outcome)
    if report is not None:
        _write_report(report, plan.root, (json.dumps(finished, indent=2, sort_keys=True) + "\n").encode())
    if out is not None:
        print_json(finished)
    if outcome.doubtful:
        say(f"x07 run: warning: {outcome.doubtful}: another run may differ")
    if (why := ending(plan, outcome)) is not None:
        say(f"x07 run: {why}")
    if shown:
        say("\n".join(f"x07 run: {line}" for line in summary(finished)))
    return exit_code(outcome)


def _tell_of_layers(outcome: ProgramOutcome) -> None:
    for layer, state in outcome.layers.items():
        if layer == "tracer" and state.startswith("absent"):
            say(f"x07 run: warning: {state.removeprefix('absent: ')}")
        if state.endswith("(accepted)"):
            say(f"x07 run: warning: weaker isolation: {layer} {state}")


def _check_writable(report: Path, root: Path) -> None:
    """Refuse a report that could not be written, before the program runs."""
    check_own_file(report, root, "--report")
    if report.is_dir() or not os.access(report.parent, os.W_OK | os.X_OK):
        why = "it is a folder" if report.is_dir() else "its folder is not there or cannot be written"
        raise RunError("X07RUN_FILE", f"cannot write: {why}", where=str(report), hint="check the path of --report")


def _write_report(report: Path, root: Path, data: bytes) -> None:
    whole = check_own_file(report, root, "--report")
    mode = None if whole.exists() else 0o600
    replace_file(whole, data, root=root if whole.is_relative_to(root) else None, mode=mode)


def _verify(plan: RunPlan, times: int, report: Path | None, out: TextIO | None) -> int:
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
        _check_writable(report, plan.root)
        words = _without(words, "--report")
    if out is not None:
        words = _without(words, "--format")
    seen = verify(words, times, plan.root)
    shown = sys.stdout if out is None else sys.stderr
    shown.buffer.write(seen.output)
    shown.flush()
    sys.stderr.buffer.write(seen.errors)
    if out is not None:
        out.write(seen.report.decode())
    if report is not None:
        _write_report(report, plan.root, seen.report)
    told = f"all {times} runs were refused, which shows nothing" if seen.refused else f"{times} runs are identical"
    say(f"x07 run: {told}")
    return seen.code


def _try_schedules(times: int, plan: RunPlan) -> int:
    """Run the same command line in other orders of turns; show the first run that differs, else the usual one."""
    from x07py.run.verify import try_schedules

    words = _without(sys.argv[2:], "--schedules")
    usual, seed, other = try_schedules(words, times, plan.root)
    shown = usual if other is None else other
    sys.stdout.buffer.write(shown.output)
    sys.stdout.flush()
    sys.stderr.buffer.write(shown.errors)
    if other is None:
        refused = "the usual run was refused, which shows nothing"
        say(f"x07 run: {refused if usual.refused else f'{times} other orders of turns end as the usual one'}")
        return usual.code
    if usual.code == other.code == 0:
        what = f"prints something else (the usual order: {usual.output[:200].decode(errors='replace')!r})"
    else:
        what = f"ends with {other.code}, the usual order with {usual.code}"
    say(f"x07 run: order {seed} {what}; again with --schedule-seed {seed}")
    return other.code or EXIT_REFUSED


def _without(words: list[str], option: str) -> list[str]:
    """Return a command line without an option that is in it, and its value; options come before the program's words."""
    at = next(n for n, word in enumerate(words) if word.partition("=")[0] == option)
    return words[:at] + words[at + (1 if "=" in words[at] else 2) :]


def _outcome(plan: RunPlan, report_channel: int, on_access: Callable[[Access], None] | None) -> ProgramOutcome:
    if plan.world == "run-os":
        from x07py.run.unconfined import run_unconfined

        return run_unconfined(plan, report_channel)
    from x07py.sandbox.launch import run as run_confined

    return run_confined(confinement(plan, on_access, report_channel), timeout=plan.timeout, on_denied=_say)


def _say(denial: Denial) -> None:
    say(denial_line(denial))
    sys.stderr.flush()


def _explain(plan: RunPlan) -> int:
    from x07py.sandbox.probe import expected_layers, kernel_features

    machine = kernel_features()
    layers = {"isolation": "none: world run-os"} if plan.world == "run-os" else expected_layers(machine)
    shown = effective_policy(plan) | {"command": list(plan.argv), "layers": layers, "machine": machine}
    print_json(shown)
    return 0
