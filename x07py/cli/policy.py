"""``x07 policy``: files that state what a program of the sandboxed world gets."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated

import typer

from x07py.cli.output import console
from x07py.run.policy import TEMPLATES, apply, read_policy, template
from x07py.run.profile import Profile

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Start and check policy files.")

Template = StrEnum("Template", {name: name for name in TEMPLATES})  # type: ignore[misc]


@app.command()
def init(name: Annotated[Template, typer.Argument(help="What the program is.", show_default=False)]) -> None:
    """Print a policy to start from.

    Example: x07 policy init kafka-worker > policy/worker.json
    """
    sys.stdout.write(template(name.value))


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="Policy files.", show_default=False)]) -> None:
    """Check policy files: form, hosts, and that x07py enforces every field.

    Example: x07 policy check policy/worker.json
    """
    from x07py.run.hosts import parse_host

    for file in files:
        policy = read_policy(file)
        for text in apply(policy, Profile("run-os-sandboxed")).allow_host:
            parse_host(text, str(file))
        console().print(f"{file}: ok, policy {policy.document['policy_id']}")
