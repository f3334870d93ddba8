"""``x07 rr exec``: run a program that was not written for x07py on a cassette."""

from __future__ import annotations

from typing import Annotated

import typer

from x07py.cli.output import print_error


def exec_program(
    command: Annotated[list[str], typer.Argument(help="The program and its arguments, after --.", show_default=False)],
    cassette: Annotated[str, typer.Option("--cassette", help="Path below .x07_rr of the project.")],
    mode: Annotated[str, typer.Option("--mode", help="none, once, new_episodes or all.")] = "once",
    match_on: Annotated[
        list[str] | None, typer.Option("--match-on", help="topic, key, headers or value; repeat it. Default: all four.")
    ] = None,
    ignore_header: Annotated[
        list[str] | None, typer.Option("--ignore-header", help="Do not compare this header; repeat it.")
    ] = None,
    filter_header: Annotated[
        list[str] | None, typer.Option("--filter-header", help="Redact this header before it is written; repeat it.")
    ] = None,
    allow_unused: Annotated[bool, typer.Option("--allow-unused", help="A replay may leave entries unused.")] = False,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="A replay waits as long as the recording did.")
    ] = False,
    until_idle: Annotated[
        float | None,
        typer.Option("--until-idle", min=0.1, help="Interrupt the program (SIGINT) after so many idle seconds."),
    ] = None,
) -> None:
    """Run a Python program on confluent-kafka or aio-pika: record it the first time, then replay it without a broker.

    The exit code is the program's; 125 if the cassette does not fit.

    Example: x07 rr exec --cassette shop.x07rr.bin -- python shop.py --customer 7
    """
    from x07py.testing.program import run_program

    options: dict[str, object] = {"name": cassette, "mode": mode, "allow_unused": allow_unused, "real_time": real_time}
    if match_on:
        options["match_on"] = match_on
    if ignore_header:
        options["ignore_headers"] = ignore_header
    if filter_header:
        options["filter_headers"] = filter_header
    code, error = run_program(command, options, until_idle_s=until_idle)
    if error is not None:
        print_error(error, command="rr.exec", as_json=False)
        raise typer.Exit(125)
    raise typer.Exit(code if code >= 0 else 128 - code)
