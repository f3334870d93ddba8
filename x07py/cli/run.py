"""``x07 run``: a program in a world."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (Typer reads the annotations)
from typing import Annotated

from x07py.cli.commands import Commands, Exit, argument, option
from x07py.cli.completion import cassettes, profiles
from x07py.cli.output import Format
from x07py.cli.running import RunOptions, execute
from x07py.sandbox.layers import LAYERS

app: Commands = Commands(interspersed=False)

Many = list[str] | None


@app.command()
def run(
    args: Annotated[Many, argument(help="Arguments of the program, after --.", show_default=False)] = None,
    profile: Annotated[
        str | None, option(help="sandbox, os, replay, or one of the manifest.", autocompletion=profiles)
    ] = None,
    world: Annotated[str | None, option(help="The world, instead of the profile's.")] = None,
    entry: Annotated[str | None, option(help="module, module:function or file.py.")] = None,
    policy: Annotated[str | None, option(help="Policy file of the project.")] = None,
    allow_host: Annotated[Many, option(help="HOST:PORTS that it may connect to.")] = None,
    deny_host: Annotated[Many, option(help="HOST:PORTS or HOST:* to refuse, even if allowed.")] = None,
    allow_host_file: Annotated[list[Path] | None, option(help="A file with such hosts.")] = None,
    deny_host_file: Annotated[list[Path] | None, option(help="A file with hosts to refuse.")] = None,
    allow_contract: Annotated[Many, option(help="The broker of KIND:PROFILE, as kafka:local_dev_v1.")] = None,
    allow_listen: Annotated[Many, option(help="HOST:PORTS that it may listen on.")] = None,
    allow_unix: Annotated[Many, option(help="A Unix socket, or @NAME, to connect to and listen on.")] = None,
    allow_read: Annotated[Many, option(help="A folder or file outside the project that it may read.")] = None,
    deny_read: Annotated[Many, option(help="A folder or file to refuse, even if allowed.")] = None,
    allow_write: Annotated[Many, option(help="A folder or file that it may change.")] = None,
    allow_env: Annotated[Many, option(help="A variable that it may see.")] = None,
    allow_run: Annotated[Many, option(help="A program that it may start.")] = None,
    rr: Annotated[str | None, option(help="off, record, replay, record_missing or rewrite.")] = None,
    cassette: Annotated[str | None, option(help="Cassette below .x07_rr.", autocompletion=cassettes)] = None,
    timeout: Annotated[float | None, option(help="Seconds after which it is stopped.", min=0.001)] = None,
    max_memory: Annotated[int | None, option(help="Address space of each process, in bytes.", min=1)] = None,
    max_procs: Annotated[int | None, option(help="Most processes and threads at one time.", min=1)] = None,
    report: Annotated[Path | None, option(help="Write a JSON report here.")] = None,
    audit: Annotated[Path | None, option(help="Add each access decision to this file, as JSON lines.")] = None,
    learn: Annotated[Path | None, option(help="Allow and watch everything; write a policy for it here.")] = None,
    require_layer: Annotated[Many, option(help=f"Refuse to run without this layer: {', '.join(LAYERS)}.")] = None,
    i_accept_weaker_isolation: Annotated[
        bool, option("--i-accept-weaker-isolation", help="Run even if a layer is missing; warns.")
    ] = False,
    verify_determinism: Annotated[int, option(help="Run this many times and compare; in a solve world.")] = 0,
    schedule_seed: Annotated[int | None, option(help="Seed of another order of threads.")] = None,
    schedules: Annotated[int, option(help="Try this many orders; stop at the first that differs or fails.")] = 0,
    explain: Annotated[bool, option("--explain", help="Show what would be in force, and run nothing.")] = False,
    format: Annotated[  # noqa: A002 (the option's name)
        Format,
        option("--format", help="With json, what the program prints goes to standard error, then the report."),
    ] = Format.text,
) -> None:
    """Run the project's program in a world; its exit code is the program's own.

    124: time limit. 125: could not be run or confined. 126: refused by world or policy. 137: killed by a limit.

    Example: x07 run --profile sandbox --allow-host 127.0.0.1:9092 -- --count 100
    """
    raise Exit(execute(RunOptions(**locals())))
