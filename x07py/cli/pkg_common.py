"""What the ``x07 pkg`` commands share: the app, options, the project with its index, and reports."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from x07py.cli.output import Format, console, print_json
from x07py.contracts.project import read_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from x07py.contracts.project import Project
    from x07py.pkg.index import SparseIndex

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help="Add, lock, install and understand packages.",
)

FormatOption = Annotated[Format, typer.Option("--format", help="Text for people or JSON for programs.")]
IndexOption = Annotated[
    str | None, typer.Option("--index", metavar="URL", help="Use this index instead of the manifest's.")
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Fetch nothing; use the cache and what is installed.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change and change nothing.")]
SyncOption = Annotated[bool, typer.Option("--sync", help="Also install what the new lock says.")]
ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", help="The project's folder or manifest; found from the working directory if not given."),
]


def open_project(start: Path | None, index_url: str | None) -> Project:
    """Return the project with the index that holds for this command: option, ``X07_PKG_INDEX_URL``, manifest."""
    project = read_project(start)
    return replace(project, index_url=index_url or os.environ.get("X07_PKG_INDEX_URL") or project.index_url)


def is_offline(flag: bool) -> bool:
    """Tell whether nothing may be fetched: the flag, or ``X07_OFFLINE`` set to anything but a word for no."""
    return flag or os.environ.get("X07_OFFLINE", "").strip().lower() not in {"", "0", "false", "no", "off"}


@contextmanager
def open_index(project: Project, *, offline: bool) -> Iterator[SparseIndex | None]:
    """Open the project's index, if it has one; on a terminal its fetches move a bar."""
    if project.index_url is None:
        yield None
        return
    from x07py.pkg.index import SparseIndex

    with (
        _bar() as advance,
        SparseIndex(project.index_url, keys=project.index_keys, offline=is_offline(offline), progress=advance) as index,
    ):
        yield index


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("index"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("index", total=None)
        yield lambda done, known: bar.update(task, completed=done, total=known)


def print_report(command: str, result: dict[str, Any], *, ok: bool = True) -> None:
    """Print the JSON report of a ``pkg`` command."""
    print_json({"schema_version": "x07.pkg.report@0.1.0", "ok": ok, "command": f"pkg.{command}", "result": result})


def print_warnings(warnings: list[str]) -> None:
    """Print warnings for people, on standard error."""
    for warning in warnings:
        out = console(stderr=True)
        out.print("warning", style="bold yellow", end="")
        out.print(f": {warning}")
