"""``x07 broker``: development brokers in the background of a project."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from x07py.brokers.answers import answers
from x07py.brokers.docker import engine_runs
from x07py.brokers.process import (
    PORTS,
    RunningBroker,
    find_broker,
    start_docker,
    start_embedded,
    start_native,
    starting,
    state_file,
    stop_broker,
)
from x07py.cli.output import Format, console, print_json
from x07py.contracts.loader import find_root
from x07py.contracts.messaging import TOPIC_INDEX, profile_ids, read_topics
from x07py.drivers.open import broker_variable
from x07py.errors import DriverError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, add_completion=False, help="Start, find and end development brokers."
)

FormatOption = Annotated[Format, typer.Option("--format", help="Text for people or JSON for programs.")]


class Kind(StrEnum):
    """Brokers that can be started."""

    kafka = "kafka"
    amqp = "amqp"


KindArgument = Annotated[Kind, typer.Argument(help="Which broker.", show_default=False)]


@app.command()
def up(
    kind: KindArgument,
    docker: Annotated[bool, typer.Option("--docker", help="Redpanda or RabbitMQ by docker compose.")] = False,
    native: Annotated[bool, typer.Option("--native", help="Apache Kafka (Java, Maven) or RabbitMQ (Debian).")] = False,
    embedded: Annotated[bool, typer.Option("--embedded", help="librdkafka's mock cluster; no Java.")] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port on 127.0.0.1, 0 for a free one.", show_default="usual")
    ] = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Start a broker in the background and print its address; one that runs already stays.

    Without a flavour: what answers at the port is used; else Docker if its engine runs; else the native broker.

    Example: x07 broker up kafka
    """
    chosen = [name for name, on in (("docker", docker), ("native", native), ("embedded", embedded)) if on]
    if len(chosen) > 1:
        raise UsageError("X07_USAGE", f"--{chosen[0]} and --{chosen[1]} contradict each other", hint="give one of them")
    if embedded and (kind is Kind.amqp or port is not None):
        raise UsageError(
            "X07_USAGE", "the embedded broker is a Kafka, at a port of its own", hint="use --native, or leave --port"
        )
    root = find_root()
    with starting(root, kind.value):
        broker = _start(root, kind.value, chosen[0] if chosen else "", port)
    if format is Format.json:
        print_json(_report("up", broker))
        return
    out = console()
    out.print(f"{broker.flavour} {broker.kind} answers at {broker.address}")
    for profile in profile_ids(root, kind.value):
        out.print(f"for the profile {profile}: export {broker_variable(kind.value, profile)}={broker.address}")


def _start(root: Path, kind: str, flavour: str, port: int | None) -> RunningBroker:
    running = find_broker(root, kind)
    if running is not None:
        _refuse_another(running, flavour, port)
        return start_native(root, kind) if running.flavour == "native" else running
    if flavour == "embedded":
        return start_embedded(root, read_topics(root) if (root / TOPIC_INDEX).is_file() else ())
    number = PORTS[kind] if port is None else port
    if not flavour and number and answers(kind, "127.0.0.1", number):
        return RunningBroker(kind, "found", f"127.0.0.1:{number}", 0, "")
    if flavour == "docker" or (not flavour and engine_runs()):
        return start_docker(root, kind, port=port)
    progress = console(stderr=True)
    with progress.status(f"starting {kind}"):
        return start_native(root, kind, port=port, say=progress.print)


def _refuse_another(running: RunningBroker, flavour: str, port: int | None) -> None:
    """Refuse to pass a running broker off as one of another flavour, or at another port."""
    other = [f"--{flavour}"] if flavour not in {"", running.flavour} else []
    if port and running.address != f"127.0.0.1:{port}":
        other.append(f"--port {port}")
    if other:
        raise DriverError(
            9628,
            f"this project's {running.kind} broker runs already, {running.flavour} at {running.address}",
            where=" ".join(other),
            hint=f"leave {' and '.join(other)}, or x07 broker down {running.kind} first",
        )


@app.command()
def status(kind: KindArgument, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Tell whether a broker runs; exit 1 if not.

    Example: x07 broker status kafka
    """
    root = find_root()
    broker = find_broker(root, kind.value)
    if format is Format.json:
        print_json(_report("status", broker))
    elif broker is None:
        file = state_file(root, kind.value)
        died = f"the {kind.value} broker that was started here has ended by itself: see {file.with_suffix('.log')}"
        console().print(died if file.is_file() else f"no {kind.value} broker was started here", soft_wrap=True)
    else:
        process = f" (process {broker.pid})" if broker.pid else ""
        console().print(f"{broker.flavour} {broker.kind} answers at {broker.address}{process}")
    raise typer.Exit(0 if broker else 1)


@app.command()
def down(kind: KindArgument, format: FormatOption = Format.text) -> None:  # noqa: A002
    """End the broker that `up` started. Data of a native broker stays in .x07/broker; the embedded one keeps none.

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
