"""``x07 broker``: development brokers in the background of a project."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from x07py.brokers.docker import engine_runs
from x07py.brokers.health import answers
from x07py.brokers.kinds import ADDED, PORTS, add_kind
from x07py.brokers.process import (
    RunningBroker,
    find_broker,
    log_file,
    start_docker,
    start_embedded,
    start_native,
    starting,
    state_file,
    stop_broker,
)
from x07py.cli.commands import Commands, Exit, argument, option
from x07py.cli.completion import plain
from x07py.cli.output import Format, console, print_json
from x07py.contracts.loader import check_id, find_root
from x07py.contracts.messaging import read_topics
from x07py.contracts.profiles import TOPIC_INDEX
from x07py.drivers.plugin import broker_variable, driver_kinds, find_driver
from x07py.errors import DevelopmentBrokerError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

app: Commands = Commands("Start, find and end development brokers.")

FormatOption = Annotated[Format, option("--format", help="Text for people or JSON for programs.")]


def _kinds(incomplete: str) -> list[str]:
    return plain({*PORTS, *driver_kinds()}, incomplete)


_KIND_HELP = "kafka, amqp, or the kind of a driver that brings one."
KindArgument = Annotated[str, argument(metavar="KIND", help=_KIND_HELP, show_default=False, autocompletion=_kinds)]


def _known(kind: str) -> str:
    """Return a kind of broker that can be started, after a driver that brings it was asked how.

    Raises:
        UsageError: ``X07_USAGE`` for another one.
    """
    if kind not in PORTS and kind in driver_kinds():
        development = find_driver(kind).development
        if development is not None:
            add_kind(kind, development)
    if kind not in PORTS:
        what = f"no broker called {kind!r} can be started here"
        brings = (
            "its driver brings none" if kind in driver_kinds() else "x07 pkg list shows the drivers that are installed"
        )
        raise UsageError("X07_USAGE", what, hint=f"there are {', '.join(sorted(PORTS))}; {brings}")
    return kind


@app.command()
def up(
    kind: KindArgument,
    docker: Annotated[bool, option("--docker", help="Redpanda or RabbitMQ by docker compose.")] = False,
    native: Annotated[bool, option("--native", help="Apache Kafka (Java, Maven) or RabbitMQ (Debian).")] = False,
    embedded: Annotated[bool, option("--embedded", help="librdkafka's mock cluster; no Java.")] = False,
    port: Annotated[
        int | None, option(min=0, max=65535, help="Port on 127.0.0.1, 0 for a free one.", show_default="usual")
    ] = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Start a broker in the background and print its address; one that runs already stays.

    Without a flavour: what answers at the port is used; else Docker if its engine runs; else the native broker.

    Example: x07 broker up kafka
    """
    _known(kind)
    chosen = [name for name, on in (("docker", docker), ("native", native), ("embedded", embedded)) if on]
    if docker and kind in ADDED:
        raise UsageError("X07_USAGE", f"there is no container for {kind}", where="--docker", hint="leave it out")
    if len(chosen) > 1:
        raise UsageError("X07_USAGE", f"--{chosen[0]} and --{chosen[1]} contradict each other", hint="give one of them")
    if embedded and (kind != "kafka" or port is not None):
        raise UsageError(
            "X07_USAGE", "the embedded broker is a Kafka, at a port of its own", hint="use --native, or leave --port"
        )
    root = find_root()
    profiles = find_driver(kind).profile_ids(root) if format is not Format.json else []
    for profile in profiles:
        check_id(profile, "a shell reads the line about it")
    with starting(root, kind):
        ran = find_broker(root, kind)
        broker = _start(root, kind, chosen[0] if chosen else "", port)
    if format is Format.json:
        print_json(_report("up", broker))
        return
    out = console()
    out.print(f"{_how_found(broker, ran)} at {broker.address}")
    for profile in profiles:
        out.print(f"for the profile {profile}: export {broker_variable(kind, profile)}={shlex.quote(broker.address)}")


def _how_found(broker: RunningBroker, ran: RunningBroker | None) -> str:
    if broker.flavour == "found":
        return f"found a {broker.kind} broker that this project did not start,"
    if ran is not None and ran.address == broker.address:
        return f"{broker.flavour} {broker.kind} ran already; it answers"
    return f"started {broker.flavour} {broker.kind}; it answers"


def _start(root: Path, kind: str, flavour: str, port: int | None) -> RunningBroker:
    running = find_broker(root, kind)
    if running is not None:
        _refuse_another(running, flavour, port)
        return start_native(root, kind) if running.flavour == "native" else running
    if flavour == "embedded":
        listed = read_topics(root).values() if (root / TOPIC_INDEX).is_file() else ()
        return start_embedded(root, [topic.id for topic in listed if topic.parameters is None])
    number = PORTS[kind] if port is None else port
    if not flavour and number and answers(kind, "127.0.0.1", number):
        return RunningBroker(kind, "found", f"127.0.0.1:{number}", 0, "")
    if flavour == "docker" or (not flavour and kind not in ADDED and engine_runs()):
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
        raise DevelopmentBrokerError(
            9628,
            f"this project's {running.kind} broker runs already, {running.flavour} at {running.address}",
            where=" ".join(other),
            hint=f"leave {' and '.join(other)}, or x07 broker down {running.kind} first",
        )


@app.command()
def status(
    kind: Annotated[
        str,
        argument(
            metavar="[KIND]", help="As for up; every kind if not given.", show_default=False, autocompletion=_kinds
        ),
    ] = "",
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Tell whether a broker runs; exit 1 if none does.

    Example: x07 broker status kafka
    """
    root = find_root()
    found = {one: find_broker(root, one) for one in ([_known(kind)] if kind else PORTS)}
    if format is Format.json:
        running = next((broker for broker in found.values() if broker), None)
        every = {} if kind else {"brokers": [asdict(broker) for broker in found.values() if broker]}
        print_json(_report("status", running) | every)
    else:
        for one, broker in found.items():
            console().print(_how_it_is(root, one, broker), soft_wrap=True)
    raise Exit(0 if any(found.values()) else 1)


def _how_it_is(root: Path, kind: str, broker: RunningBroker | None) -> str:
    if broker is not None:
        process = f" (process {broker.pid})" if broker.pid else ""
        return f"{broker.flavour} {broker.kind} answers at {broker.address}{process}"
    if state_file(root, kind).is_file():
        return f"the {kind} broker that was started here has ended by itself: see {log_file(root, kind)}"
    return f"no {kind} broker was started here"


@app.command()
def down(kind: KindArgument, format: FormatOption = Format.text) -> None:  # noqa: A002
    """End the broker that `up` started. Data of a native broker stays; the embedded one keeps none.

    Example: x07 broker down kafka
    """
    ended = stop_broker(find_root(), _known(kind))
    if format is Format.json:
        print_json({**_report("down", None), "ended": ended})
        return
    console().print(f"{kind} broker ended" if ended else f"no {kind} broker was started here")


def _report(command: str, broker: RunningBroker | None) -> dict[str, Any]:
    return {
        "schema_version": "x07.broker.report@0.1.0",
        "command": f"broker.{command}",
        "ok": True,
        "broker": asdict(broker) if broker else None,
    }
