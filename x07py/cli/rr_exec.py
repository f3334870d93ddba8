"""``x07 rr exec``: run a program of any language, as it is, on a cassette."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

from x07py.cli.commands import Exit, argument, option
from x07py.cli.output import Format, output_aside, print_error, print_json


def exec_program(
    command: Annotated[list[str], argument(help="The program and its arguments, after --.", show_default=False)],
    cassette: Annotated[str, option("--cassette", help="Path below .x07_rr of the project.")],
    mode: Annotated[str, option("--mode", help="none, once, new_episodes or all.")] = "once",
    match_on: Annotated[
        list[str] | None, option("--match-on", help="topic, key, headers or value; repeat it. Default: all four.")
    ] = None,
    ignore_header: Annotated[
        list[str] | None, option("--ignore-header", help="Do not compare this header; repeat it.")
    ] = None,
    ignore_field: Annotated[
        list[str] | None,
        option("--ignore-field", help="Do not compare this path of JSON values, such as $.at; repeat it."),
    ] = None,
    capture: Annotated[
        list[str] | None,
        option("--capture", help="Where identifiers stand: $.id, key, headers.NAME or uuid; repeat it."),
    ] = None,
    filter_header: Annotated[
        list[str] | None, option("--filter-header", help="Redact this header before it is written; repeat it.")
    ] = None,
    allow_unused: Annotated[bool, option("--allow-unused", help="A replay may leave entries unused.")] = False,
    allow_empty: Annotated[bool, option("--allow-empty", help="The program may use no broker at all.")] = False,
    passthrough: Annotated[
        list[str] | None,
        option("--passthrough", help="HOST:PORT of what is no broker and may be reached; repeat it."),
    ] = None,
    real_time: Annotated[bool, option("--real-time", help="A replay waits as long as the recording did.")] = False,
    until_idle: Annotated[
        float | None,
        option("--until-idle", min=0.1, help="Interrupt the program (SIGINT) after this many idle seconds."),
    ] = None,
    format: Annotated[  # noqa: A002 (the option's name)
        Format,
        option("--format", help="With json, what the program prints goes to standard error, then a report."),
    ] = Format.text,
) -> None:
    """Run a program of any language on Kafka or RabbitMQ: record it the first time, then replay it without a broker.

    The exit code is the program's; 125 if the cassette does not fit.

    Example: x07 rr exec --cassette shop.x07rr.bin -- python shop.py --customer 7
    """
    from x07py.testing.program import run_program

    options: dict[str, object] = {"name": cassette, "mode": mode, "allow_unused": allow_unused, "real_time": real_time}
    if allow_empty:
        options["allow_empty"] = True
    if passthrough:
        options["passthrough"] = passthrough
    if match_on:
        options["match_on"] = match_on
    if ignore_header:
        options["ignore_headers"] = ignore_header
    if ignore_field:
        options["ignore_fields"] = ignore_field
    if capture:
        options["capture"] = capture
    if filter_header:
        options["filter_headers"] = filter_header
    as_json = format is Format.json
    with output_aside() if as_json else nullcontext():
        ended = run_program(command, options, until_idle_s=until_idle)
    if ended.error is not None:
        print_error(ended.error, command="rr.exec", as_json=as_json)
        raise Exit(125)
    code = ended.code if ended.code >= 0 else 128 - ended.code
    if as_json:
        report = {"ok": code == 0, "command": command, "cassette": cassette, "exit": code, "summary": ended.summary}
        print_json({"schema_version": "x07.rr.exec.report@0.1.0", **report})
    raise Exit(code)
