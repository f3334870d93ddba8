"""``x07 broker``: development brokers in the background of a project."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from x07py.brokers.process import find_broker, start_broker, stop_broker
from x07py.cli.output import Format, console, print_json
from x07py.contracts.loader import find_root
from x07py.contracts.messaging import TOPIC_INDEX, profile_ids, read_topics
from x07py.drivers.open import broker_variable
from x07py.errors import UsageError

if TYPE_CHECKING:
    from x07py.brokers.process import RunningBroker

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Start, find and end development brokers.")

FormatOption = Annotated[Format, typer.Option("--format", help="Text for people or JSON for programs.")]


class Kind(StrEnum):
    """Brokers that can be started."""

    kafka = "kafka"


KindArgument = Annotated[Kind, typer.Argument(help="Which broker.", show_default=False)]


@app.command()
def up(
    kind: KindArgument,
    embedded: Annotated[bool, typer.Option("--embedded", help="librdkafka's mock cluster; no Java.")] = False,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Start a broker in the background and print its address; one that runs already stays.

    A new one has the topics that arch/msg lists.

    Example: x07 broker up kafka --embedded
    """
    if not embedded:
        raise UsageError(
            "X07_USAGE", "only the embedded broker can be started", hint=f"x07 broker up {kind.value} --embedded"
        )
    root = find_root()
    topics = read_topics(root) if (root / TOPIC_INDEX).is_file() else ()
    broker = start_broker(root, kind.value, topics)
    if format is Format.json:
        print_json(_report("up", broker))
        return
    out = console()
    out.print(f"{broker.flavour} {broker.kind} answers at {broker.address}")
    for profile in profile_ids(root, kind.value):
        out.print(f"for the profile {profile}: export {broker_variable(kind.value, profile)}={broker.address}")


@app.command()
def status(kind: KindArgument, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Tell whether a broker runs; exit 1 if not.

    Example: x07 broker status kafka
    """
    broker = find_broker(find_root(), kind.value)
    if format is Format.json:
        print_json(_report("status", broker))
    elif broker is None:
        console().print(f"no {kind.value} broker was started here")
    else:
        console().print(f"{broker.flavour} {broker.kind} answers at {broker.address} (process {broker.pid})")
    raise typer.Exit(0 if broker else 1)


@app.command()
def down(kind: KindArgument, format: FormatOption = Format.text) -> None:  # noqa: A002
    """End the broker that `up` started; what it held is gone.

    Example: x07 broker down kafka
    """
    ended = stop_broker(find_root(), kind.value)
    if format is Format.json:
        print_json({**_report("down", None), "ended": ended})
        return
    console().print(f"{kind.value} broker ended" if ended else f"no {kind.value} broker was started here")


def _report(command: str, broker: RunningBroker | None) -> dict[str, Any]:
    return {
        "schema_version": "x07.broker.report@0.1.0",
        "command": f"broker.{command}",
        "ok": True,
        "broker": asdict(broker) if broker else None,
    }
