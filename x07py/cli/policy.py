"""``x07 policy``: files that state what a program of the sandboxed world gets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from x07py.cli.commands import Commands, Exit, argument, option
from x07py.cli.completion import plain
from x07py.cli.output import Format, console, print_json
from x07py.run.policy import read_policy, template, templates

app: Commands = Commands("Start, check, compare and learn policy files.")


def _templates(incomplete: str) -> list[str]:
    return plain(templates(), incomplete)


_WHAT = "What the program is: job, or KIND-worker for a driver that is installed."
Name = Annotated[str, argument(metavar="NAME", help=_WHAT, show_default=False, autocompletion=_templates)]
File = Annotated[Path, argument(help="A policy file.", show_default=False)]
FormatOption = Annotated[Format, option("--format", help="Text for people or JSON for programs.")]


@app.command()
def init(name: Name) -> None:
    """Print a policy to start from.

    Example: x07 policy init kafka-worker > policy/worker.json
    """
    sys.stdout.write(template(name))


@app.command()
def check(
    files: Annotated[list[Path], argument(help="Policy files.", show_default=False)],
    format: FormatOption = Format.text,  # noqa: A002 (the option's name)
) -> None:
    """Check policy files: form, hosts, and that x07py enforces every field.

    Example: x07 policy check policy/worker.json
    """
    from x07py.run.grants import granted

    found = []
    for file in files:
        policy = read_policy(file)
        granted(policy)
        found.append({"path": str(file), "policy_id": policy.document["policy_id"]})
        if format is Format.text:
            console().print(f"{file}: ok, policy {policy.document['policy_id']}")
    if format is Format.json:
        print_json({"schema_version": "x07.policy.check.report@0.1.0", "ok": True, "policies": found})


@app.command()
def show(file: File, format: FormatOption = Format.text) -> None:  # noqa: A002 (the option's name)
    """Show what a policy grants, and a digest that is equal for policies that grant the same.

    Example: x07 policy show policy/worker.json
    """
    from x07py.run.grants import digest, granted

    policy = read_policy(file)
    grants = granted(policy)
    if format is Format.json:
        print_json(
            {
                "schema_version": "x07.policy.show.report@0.1.0",
                "policy_id": policy.document["policy_id"],
                "grants": grants,
                "sha256": digest(grants),
            }
        )
        return
    out = console()
    out.print(f"policy {policy.document['policy_id']}, sha256 {digest(grants)}")
    for kind, values in grants.items():
        for value in values or ["none"]:
            out.print(f"  {kind:<12} {value}")


@app.command()
def diff(old: File, new: File, format: FormatOption = Format.text) -> None:  # noqa: A002 (the option's name)
    """Compare what two policies grant; exit 1 if they differ.

    Example: x07 policy diff policy/worker.json learned.json
    """
    from x07py.run.grants import changes, granted

    rows = changes(granted(read_policy(old)), granted(read_policy(new)))
    if format is Format.json:
        print_json({"schema_version": "x07.policy.diff.report@0.1.0", "equal": not rows, "changes": rows})
    else:
        for row in rows:
            console().print(f"{'+' if row['change'] == 'added' else '-'} {row['kind']} {row['value']}")
        console().print(f"{len(rows)} differences" if rows else "no differences")
    raise Exit(1 if rows else 0)


@app.command()
def learn(audits: Annotated[list[Path], argument(help="Files of x07 run --audit.", show_default=False)]) -> None:
    """Print a policy that would allow what the audit logs of runs in this project hold, also what was denied there.

    Example: x07 policy learn run.audit.jsonl > policy/worker.json
    """
    from x07py.run.audit import read_audit
    from x07py.run.learn import learned_policy
    from x07py.run.profile import find_project_to_run

    accesses = [access for path in audits for access in read_audit(path)]
    print_json(learned_policy(accesses, find_project_to_run().root))
