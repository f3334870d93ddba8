"""``x07 explain``: what a code means and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from x07py.cli.commands import Commands, argument, option
from x07py.cli.output import Format, console, print_json
from x07py.codes import Code, all_codes
from x07py.errors import UsageError

app: Commands = Commands()


def _codes(incomplete: str) -> list[str]:
    return [code for code in all_codes() if code.startswith(incomplete.upper())]


@app.command()
def explain(
    code: Annotated[
        str, argument(help="A code as printed: 9502, E_ARCH_CYCLE, X07PKG_CONFLICT.", autocompletion=_codes)
    ] = "",
    everything: Annotated[bool, option("--all", help="List every code.")] = False,
    format: Annotated[Format, option(help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """Tell what a code means, why it appears, and what to do.

    Example: x07 explain 9502
    """
    table = all_codes()
    if everything == bool(code):
        raise UsageError("X07_USAGE", "give one code, or --all", hint="x07 explain 9502")
    chosen = list(table.values()) if everything else [_find(code, table)]
    if format is Format.json:
        print_json({"schema_version": "x07.explain.report@0.1.0", "codes": [asdict(row) for row in chosen]})
    elif everything:
        _print_list(chosen)
    else:
        _print_one(chosen[0])


def _find(code: str, table: dict[str, Code]) -> Code:
    wanted = code.strip().strip("[]")
    found = table.get(wanted) or table.get(wanted.upper())
    if found:
        return found
    from difflib import get_close_matches

    near = get_close_matches(wanted.upper(), table, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "`x07 explain --all` lists every code"
    raise UsageError("X07_CODE_UNKNOWN", f"no code {wanted!r}", hint=hint)


def _print_list(codes: list[Code]) -> None:
    width = max(len(row.id) for row in codes)
    for row in codes:
        console().print(f"{row.id:<{width}}  {row.title}")


def _print_one(row: Code) -> None:
    out = console()
    out.print(row.id, style="bold", end="")
    out.print(f": {row.title}\n\nWhy   {row.why}\nFix   {row.fix}")
