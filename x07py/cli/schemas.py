"""``x07 msg schemas``: the schemas of a registry into ``arch/msg/schemas``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from x07py.cli.commands import Commands, argument, option
from x07py.cli.output import Format, console, print_json
from x07py.contracts.loader import find_root
from x07py.drivers import open_driver
from x07py.drivers.fetching import fetch_subjects
from x07py.drivers.kafka_contract import profile_ids
from x07py.errors import UsageError

if TYPE_CHECKING:
    from x07py.drivers.fetching import Fetched

app: Commands = Commands("Pin the schemas of a registry.")


@app.command()
def fetch(
    subjects: Annotated[
        list[str] | None, argument(help="Subjects to pin.", show_default="those that are pinned")
    ] = None,
    profile: Annotated[str | None, option(help="Broker profile.", show_default="the only one")] = None,
    format: Annotated[Format, option("--format", help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """Pin the versions that the profile's registry has, with what they refer to; what is pinned is never changed.

    Example: x07 msg schemas fetch orders-value
    """
    root = find_root()
    known = profile_ids(root)
    if profile is None and len(known) != 1:
        hint = f"--profile {' or '.join(known)}"
        raise UsageError("X07_USAGE", f"the project has {len(known)} Kafka profiles", hint=hint)

    async def ask() -> list[Fetched]:
        async with open_driver("kafka", profile=profile or known[0]) as driver:
            return await fetch_subjects(driver, root, subjects or None)

    found = asyncio.run(ask())
    if format is Format.json:
        rows = [one._asdict() for one in found]
        print_json({"schema_version": "x07.msg.schemas.report@0.1.0", "ok": True, "versions": rows})
        return
    for one in found:
        console().print(f"{one.action:<7} {one.subject} version {one.version}  {one.path}")
    pinned = sum(one.action == "pinned" for one in found)
    console().print(
        f"{pinned} pinned, {len(found) - pinned} kept" + ("; x07 arch check compares them" if pinned else "")
    )
