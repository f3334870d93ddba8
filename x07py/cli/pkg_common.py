"""What the ``x07 pkg`` commands share: options, and reports."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from x07py.cli.commands import option
from x07py.cli.output import Format, console, print_json

FormatOption = Annotated[Format, option("--format", help="Text for people or JSON for programs.")]
OfflineOption = Annotated[bool, option("--offline", help="Fetch nothing; use what is installed or cached.")]
SyncOption = Annotated[bool, option("--sync", help="Also let the project's manager install or uninstall.")]
ProjectOption = Annotated[
    Path | None,
    option("--project", help="The project's folder or manifest; found from the working directory if not given."),
]


def is_offline(flag: bool) -> bool:
    """Tell whether nothing may be fetched: the flag, or ``X07_OFFLINE`` set to anything but a word for no."""
    return flag or os.environ.get("X07_OFFLINE", "").strip().lower() not in {"", "0", "false", "no", "off"}


def print_report(command: str, result: dict[str, Any], *, ok: bool = True) -> None:
    """Print the JSON report of a ``pkg`` command."""
    print_json({"schema_version": "x07.pkg.report@0.1.0", "ok": ok, "command": f"pkg.{command}", "result": result})


def print_warnings(warnings: list[str]) -> None:
    """Print warnings for people, on standard error."""
    for warning in warnings:
        out = console(stderr=True)
        out.print("warning", style="bold yellow", end="")
        out.print(f": {warning}")
