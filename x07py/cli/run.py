"""``x07 run``: a program in a world."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from x07py.cli.completion import cassettes, profiles
from x07py.cli.output import print_error
from x07py.errors import RunError, X07Error
from x07py.facts import open_channel, read_channel
from x07py.run.hosts import read_host_file
from x07py.run.profile import Place, Profile, check_world, choose, find_place
from x07py.run.program import Plan, confinement, make_plan
from x07py.run.report import EXIT_CANNOT, EXIT_REFUSED, denial_line, effective_policy, exit_code, run_report, summary
from x07py.run.watch import Watch, check_watch, run_watched
from x07py.sandbox.layers import LAYERS, check_layers
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.answers import Access
    from x07py.sandbox.launch import Outcome
    from x07py.sandbox.supervisor import Denial

app = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings={"allow_interspersed_args": False})

_CANNOT = {"X07RUN_CANNOT_CONFINE", "X07RUN_NOT_EXECUTABLE"}
Many = list[str] | None


@app.command()
def run(
    args: Annotated[Many, typer.Argument(help="Arguments of the program, after --.", show_default=False)] = None,
    profile: Annotated[
        str | None, typer.Option(help="sandbox, os, replay, or one of the manifest.", autocompletion=profiles)
    ] = None,
    world: Annotated[str | None, typer.Option(help="The world, instead of the profile's.")] = None,
    entry: Annotated[str | None, typer.Option(help="module, module:function or file.py.")] = None,
    policy: Annotated[str | None, typer.Option(help="Policy file of the project.")] = None,
    allow_host: Annotated[Many, typer.Option(help="HOST:PORTS that it may connect to.")] = None,
    deny_host: Annotated[Many, typer.Option(help="HOST:PORTS or HOST:* that it may not, even so.")] = None,
    allow_host_file: Annotated[list[Path] | None, typer.Option(help="A file with such hosts.")] = None,
    deny_host_file: Annotated[list[Path] | None, typer.Option(help="A file with hosts that it may not.")] = None,
    allow_contract: Annotated[Many, typer.Option(help="kafka:PROFILE or amqp:PROFILE: its broker.")] = None,
    allow_listen: Annotated[Many, typer.Option(help="HOST:PORTS that it may listen on.")] = None,
    allow_read: Annotated[Many, typer.Option(help="A folder or file beyond the project.")] = None,
    allow_write: Annotated[Many, typer.Option(help="A folder or file that it may change.")] = None,
    allow_env: Annotated[Many, typer.Option(help="A variable that it may see.")] = None,
    allow_run: Annotated[Many, typer.Option(help="A program that it may start.")] = None,
    rr: Annotated[str | None, typer.Option(help="off, record, replay, record_missing or rewrite.")] = None,
    cassette: Annotated[str | None, typer.Option(help="Cassette below .x07_rr.", autocompletion=cassettes)] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds until it is ended.", min=0.001)] = None,
    max_memory: Annotated[int | None, typer.Option(help="Address space a process, bytes.", min=1)] = None,
    max_procs: Annotated[int | None, typer.Option(help="Processes and threads at one time.", min=1)] = None,
    report: Annotated[Path | None, typer.Option(help="Write a JSON report here.")] = None,
    audit: Annotated[Path | None, typer.Option(help="Add each access decision to this file, as JSON lines.")] = None,
    learn: Annotated[Path | None, typer.Option(help="Allow and watch all; write a policy for it here.")] = None,
    require_layer: Annotated[Many, typer.Option(help=f"Refuse to run without it: {', '.join(LAYERS)}.")] = None,
    accept_weaker: Annotated[
        bool, typer.Option("--i-accept-weaker-isolation", help="Run also where a layer is missing; warns.")
    ] = False,
    verify_determinism: Annotated[int, typer.Option(help="Run so many times and compare, in a solve world.")] = 0,
    explain: Annotated[bool, typer.Option("--explain", help="Show what would be in force, and run nothing.")] = False,
) -> None:
    """Run the project's program in a world; its exit code is the program's own.

    124: time limit. 125: could not be run or confined. 126: refused by world or policy. 137: killed by a limit.

    Example: x07 run --profile sandbox --allow-host 127.0.0.1:9092 -- --count 100
    """
    flags: dict[str, Any] = {
        "allow_host": allow_host,
        "deny_host": deny_host,
        "allow_contract": allow_contract,
        "allow_listen": allow_listen,
        "allow_read": allow_read,
        "allow_write": allow_write,
        "allow_env": allow_env,
        "allow_run": allow_run,
        "world": world,
        "entry": entry,
        "policy": policy,
        "rr": rr,
        "cassette": cassette,
        "timeout": timeout,
        "max_memory": max_memory,
    }
    scratch = Path(tempfile.mkdtemp(prefix="x07-run-"))
    try:
        place = find_place()
        chosen = _with_flags(place, profile, flags)
        more = tuple(rule for path in allow_host_file or [] for rule in read_host_file(path))
        less = tuple(rule for path in deny_host_file or [] for rule in read_host_file(path, deny=True))
        watch = Watch(audit, learn, chosen.allow_env)
        check_watch(watch, chosen, bool(more or less))
        plan = make_plan(place, chosen, args or [], scratch, more=more, less=less)
        check_layers(require_layer or [])
        required = tuple(require_layer or ())
        plan = replace(plan, observe=learn is not None, require=required, accept_weaker=accept_weaker)
        if max_procs is not None:
            plan = replace(plan, limits=replace(plan.limits, processes=max_procs))
        if verify_determinism and not explain:
            code = _verify(plan, verify_determinism)
        else:
            code = _explain(plan) if explain else _run(plan, profile, report, watch)
    except X07Error as error:
        print_error(error, command="run", as_json=False)
        code = EXIT_CANNOT if error.code in _CANNOT else EXIT_REFUSED
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    raise typer.Exit(code)


def _with_flags(place: Place, name: str | None, flags: dict[str, Any]) -> Profile:
    """Return the profile with the flags in it: lists grow, single values are replaced."""
    if name is None and flags["world"] is None:
        raise RunError(
            "X07RUN_PROFILE",
            "no profile is chosen",
            where=str(place.manifest or place.root),
            hint=f"pass --profile: {', '.join(sorted(place.profiles))}",
        )
    chosen = choose(place, name) if name is not None else Profile(flags["world"])
    given = {key: value for key, value in flags.items() if value is not None}
    grown: dict[str, Any] = {
        key: (*getattr(chosen, key), *value) if isinstance(value, list) else value for key, value in given.items()
    }
    chosen = replace(chosen, **grown)
    check_world(chosen.world, "--world")
    return chosen


def _run(plan: Plan, profile: str | None, report: Path | None, watch: Watch) -> int:
    if plan.observe:
        from x07py.run.learn import WEAKER

        sys.stderr.write(f"x07 run: learning: {WEAKER}\n")
    told = open_channel()
    outcome = run_watched(plan, partial(_outcome, plan, told), watch)
    finished = run_report(profile, plan, outcome, read_channel(told))
    for denial in outcome.denials:
        if denial.count > 1:
            _say(denial)
    for layer, state in outcome.layers.items():
        if state.endswith("(accepted)"):
            sys.stderr.write(f"x07 run: warning: weaker isolation: {layer} {state}\n")
    if report is not None:
        from x07py.rr.files import write_atomically

        text = json.dumps(finished, indent=2, sort_keys=True) + "\n"
        write_atomically(report, text.encode())
    if outcome.timed_out:
        sys.stderr.write(f"x07 run: the time limit of {plan.timeout:g} s ended the program\n")
    if sys.stderr.isatty():
        sys.stderr.write("".join(f"x07 run: {line}\n" for line in summary(finished)))
    return exit_code(outcome)


def _verify(plan: Plan, times: int) -> int:
    """Run the same command line without the option, several times; show the output once."""
    from x07py.run.verify import verify

    if not WORLDS[plan.world].solve or times < 2:
        raise RunError(
            "X07RUN_CONTRADICTION",
            "--verify-determinism compares at least 2 runs in a solve world",
            hint="use --profile replay, or --world solve-pure",
        )
    words = sys.argv[2:]
    index = next(i for i, word in enumerate(words) if word.startswith("--verify-determinism"))
    del words[index : index + (1 if "=" in words[index] else 2)]
    seen = verify(words, times, plan.root)
    sys.stdout.buffer.write(seen.output)
    sys.stdout.flush()
    sys.stderr.buffer.write(seen.errors)
    sys.stderr.write(f"x07 run: {times} runs are identical\n")
    return seen.code


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
    from x07py.sandbox.probe import kernel_features

    shown = effective_policy(plan) | {"command": list(plan.argv), "machine": kernel_features()}
    sys.stdout.write(json.dumps(shown, indent=2, sort_keys=True) + "\n")
    return 0
