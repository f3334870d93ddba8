"""``x07 msg service``: manifests of services, and what to run them by."""

from __future__ import annotations

import shlex
from typing import Annotated

from x07py.cli.commands import Commands, argument, option
from x07py.cli.kubernetes import kubernetes
from x07py.cli.output import Format, console, print_json
from x07py.contracts.loader import find_root
from x07py.contracts.service import FOLDER, read_service, service_ids
from x07py.drivers.plugin import find_driver
from x07py.errors import UsageError

app: Commands = Commands("List services, and make Kubernetes objects of one.")


@app.command("list")
def list_(
    format: Annotated[Format, option("--format", help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """List the services of the project.

    Example: x07 msg service list
    """
    root = find_root()
    rows = [read_service(root, one) for one in service_ids(root)]
    if format is Format.json:
        listed = [
            {
                "id": one.id,
                "driver": one.driver,
                "profile": one.profile,
                "sources": list(one.sources),
                "group": one.group,
                "exactly_once": one.exactly_once,
                "in_flight": one.in_flight,
                "drain_s": one.drain_s,
            }
            for one in rows
        ]
        print_json({"schema_version": "x07.msg.service.report@0.1.0", "ok": True, "services": listed})
        return
    for one in rows:
        group = f" as {one.group}" if one.group else ""
        ways = "exactly once" if one.exactly_once else "at least once"
        console().print(f"{one.id}  {one.driver} {', '.join(one.sources)}{group}, {ways}, {one.in_flight} in flight")
    if not rows:
        console().print(f"no services: there is no manifest in {FOLDER}")


@app.command("kubernetes")
def kubernetes_(
    service: Annotated[str, argument(help=f"Id of a manifest in {FOLDER}.", show_default=False)],
    image: Annotated[str, option(help="Image of the container.", show_default=False)],
    command: Annotated[str, option(help="Command of the container, as a shell would have it.")] = "",
) -> None:
    """Print a Deployment with probes, and KEDA's objects for scaling, as JSON that kubectl takes.

    Example: x07 msg service kubernetes billing_v1 --image registry.example/billing:1.0 | kubectl apply -f -
    """
    root = find_root()
    found = read_service(root, service)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError("X07_USAGE", f"--command is no command line: {error}", hint="close the quotes") from None
    plugin = find_driver(found.driver)
    print_json(kubernetes(found, plugin, plugin.read_profile(root, found.profile), image=image, command=words))
