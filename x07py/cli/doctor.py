"""``x07 doctor``: what this machine has for x07py."""

from __future__ import annotations

import os
import platform
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any

from x07py._version import __version__
from x07py.cli.commands import Commands, option
from x07py.cli.output import Format, console, print_json
from x07py.contracts.loader import find_root
from x07py.errors import X07Error
from x07py.sandbox.probe import kernel_features

if TYPE_CHECKING:
    from pathlib import Path

app: Commands = Commands()

_DISTRIBUTIONS = ("confluent-kafka", "aio-pika", "jsonschema", "rfc8785", "rich", "tomlkit", "typer")
_CONNECT_TIMEOUT_S = 1.0


@app.command()
def doctor(
    format: Annotated[Format, option(help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """Tell what this machine has: Python, distributions, kernel features for the sandbox, brokers of the project.

    Example: x07 doctor
    """
    report: dict[str, Any] = {
        "schema_version": "x07.doctor.report@0.1.0",
        "x07py": __version__,
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "distributions": {name: _version(name) for name in _DISTRIBUTIONS},
        "kernel": {"release": platform.release(), "machine": platform.machine(), "features": kernel_features()},
        "brokers": _brokers(find_root()),
    }
    if format is Format.json:
        print_json(report)
        return
    out = console()
    out.print(f"x07py {__version__}, Python {report['python']['version']}, Linux {report['kernel']['release']}")
    for name, found in report["distributions"].items():
        out.print(f"  {'ok' if found else '--':<4}{name} {found or 'not installed'}")
    out.print("kernel, for the sandbox")
    for row in report["kernel"]["features"]:
        out.print(f"  {'ok' if row['available'] else '--':<4}{row['name']}: {row['detail']}")
    out.print("brokers of this project")
    for row in report["brokers"]:
        out.print(f"  {'ok' if row['reachable'] else '--':<4}{row['kind']} {row['profile']} {row['detail']}")
    if not report["brokers"]:
        out.print("  --  no broker profiles under arch/msg")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _brokers(root: Path) -> list[dict[str, Any]]:
    from x07py.drivers.plugin import driver_kinds, find_driver

    rows: list[dict[str, Any]] = []
    for kind in driver_kinds():
        try:
            names = find_driver(kind).profile_ids(root)
        except X07Error as error:
            rows.append({"kind": kind, "profile": "", "reachable": False, "detail": str(error)})
            continue
        rows += [_broker(root, kind, name) for name in names]
    return rows


def _broker(root: Path, kind: str, name: str) -> dict[str, Any]:
    from x07py.drivers.plugin import find_driver

    driver = find_driver(kind)
    try:
        addresses = list(driver.addresses(driver.read_profile(root, name)))
    except X07Error as error:
        return {"kind": kind, "profile": name, "reachable": False, "detail": str(error)}
    failed = [f"{address}: {why}" for address in addresses if (why := _refusal(address))]
    return {
        "kind": kind,
        "profile": name,
        "reachable": len(failed) < len(addresses),
        "detail": "; ".join(failed) or ", ".join(addresses),
    }


def _refusal(address: str) -> str | None:
    """Return why a TCP connection to ``host:port`` fails, or None if it does not."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        return (os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)).lower()
    return None
