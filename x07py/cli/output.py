"""How commands print: text for people, JSON for programs, errors alike everywhere."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, TextIO

from x07py.printing import json_text, terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console

    from x07py.errors import X07Error

_ROWS_AT_ONCE = 200


class Format(StrEnum):
    """The values of ``--format`` that every command has."""

    text = "text"
    json = "json"


def wants_json(args: list[str]) -> bool:
    """Tell whether a raw command line asks for JSON, for errors that come before or after its parsing."""
    own = args[: args.index("--")] if "--" in args else args
    return "--format=json" in own or any(pair == ("--format", "json") for pair in pairwise(own))


def console(*, stderr: bool = False) -> Console:
    """Return a rich console for standard output or error: colour only on a terminal, foreign text as escapes."""
    from rich.console import Console

    class EscapingConsole(Console):
        def print(self, *objects: Any, **options: Any) -> None:
            shown = [terminal(one) if isinstance(one, str) else one for one in objects]
            super().print(*shown, **options)

    return EscapingConsole(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)


@contextmanager
def output_aside() -> Iterator[TextIO]:
    """Let what programs print go to standard error, and give the standard output of this process for the report."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(own, "w", encoding="utf-8", closefd=False) as out, redirect_stdout(out):
            yield out
    finally:
        os.dup2(own, 1)
        os.close(own)


def say(text: str) -> None:
    """Write a line to standard error, foreign text as escapes; without rich, whose import takes as long as a run."""
    sys.stderr.write(terminal(text) + "\n")


def print_line(text: str) -> None:
    """Write a line to standard output, foreign text as escapes; for many, since rich takes long for each."""
    sys.stdout.write(terminal(text) + "\n")


def print_json(report: dict[str, Any]) -> None:
    """Print a report as one JSON document with sorted keys."""
    sys.stdout.write(json_text(report) + "\n")


def print_json_rows(
    name: str, rows: Iterable[dict[str, Any]], *, before: dict[str, Any], after: Callable[[], dict[str, Any]]
) -> None:
    """Print a report as `print_json` does, with a list in it that is never whole in memory.

    Args:
        name: what the list is called.
        rows: the rows of the list, printed as they come.
        before: what stands before the list, by its name.
        after: returns what stands behind it, once there are no more rows.
    """
    head = json_text({**before, name: []})
    sys.stdout.write(head[: -len("]\n}")])
    left, first = iter(rows), True
    while some := list(islice(left, _ROWS_AT_ONCE)):
        text = json_text(some)[1:-2].replace("\n", "\n  ")
        sys.stdout.write(text if first else f",{text}")
        first = False
    sys.stdout.write(("]" if first else "\n  ]") + f",{json_text(after())[1:]}\n")


def print_error(error: X07Error, *, command: str, as_json: bool) -> None:
    """Print an error: JSON on standard output for programs, text on standard error for people."""
    if as_json:
        detail: dict[str, Any] = {
            "code": error.code,
            "message": error.message,
            "where": error.where,
            "hint": error.hint,
        }
        if error.details:
            detail["details"] = error.details
        print_json({"schema_version": "x07.error.report@0.1.0", "ok": False, "command": command, "error": detail})
        return
    out = console(stderr=True)
    out.print(f"error[{error.code}]", style="bold red", end="")
    out.print(f": {error.message}")
    if error.where:
        out.print(f"  at: {error.where}")
    if error.hint:
        out.print(f"  help: {error.hint}")
