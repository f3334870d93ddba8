"""``x07 msg topology``: exchanges, queues and bindings of ``arch/msg/amqp/topology`` against a broker."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from x07py.cli.commands import Commands, Exit, argument, option
from x07py.cli.output import Format, console, print_json
from x07py.contracts.loader import find_root
from x07py.drivers import open_driver
from x07py.drivers.amqp_contract import profile_ids, read_topology
from x07py.errors import UsageError

app: Commands = Commands("Compare a topology with a broker, or declare it.")

TopologyArgument = Annotated[str, argument(help="Id of a topology of the project.", show_default=False)]
ProfileOption = Annotated[str | None, option(help="Broker profile.", show_default="the only one")]
FormatOption = Annotated[Format, option("--format", help="Text for people or JSON for programs.")]


@app.command()
def plan(topology: TopologyArgument, profile: ProfileOption = None, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Show what would be declared against what the broker has; exit 1 if something conflicts. Changes nothing.

    Example: x07 msg topology plan app_v1
    """
    found = _carry_out("plan_topology", topology, profile)
    _show("plan", topology, found, format)
    raise Exit(1 if any(step["action"] == "conflict" for step in found["plan"]) else 0)


@app.command()
def apply(topology: TopologyArgument, profile: ProfileOption = None, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Declare what the broker does not have; if anything conflicts, change nothing.

    Example: x07 msg topology apply app_v1
    """
    _show("apply", topology, _carry_out("apply_topology", topology, profile), format)


def _carry_out(op: str, topology: str, profile: str | None) -> dict[str, Any]:
    root = find_root()
    document = read_topology(root, topology)
    known = profile_ids(root)
    if profile is None and len(known) != 1:
        raise UsageError("X07_USAGE", "the project has several AMQP profiles", hint=f"--profile {' or '.join(known)}")

    async def ask() -> dict[str, Any]:
        async with open_driver("amqp", profile=profile or known[0]) as driver:
            answer: dict[str, Any] = await driver.control(op, {"topology": document})
            return answer

    return asyncio.run(ask())


def _show(command: str, topology: str, found: dict[str, Any], form: Format) -> None:
    if form is Format.json:
        report: dict[str, Any] = {"command": f"msg.topology.{command}", "topology": topology, **found}
        print_json({"schema_version": "x07.msg.topology.report@0.1.0", "ok": True, **report})
        return
    for step in found["plan"]:
        detail = f"  {step['detail']}" if step["detail"] else ""
        console().print(f"{step['action']:<9}{step['kind']:<9} {step['name']}{detail}")
    console().print(found["note"])
