"""Print docs/reference/codes.md, made from the code table that `x07 explain` shows."""

from __future__ import annotations

import sys
from itertools import groupby

from x07py.codes import all_codes


def page() -> str:
    """Return the page: one table an area."""
    parts = ["# Codes\n\nMade by `make codes` from `x07py/codes/*.toml`; `x07 explain CODE` shows one.\n"]
    for area, rows in groupby(all_codes().values(), key=lambda row: row.area):
        parts.append(f"\n## {area}\n\n| code | what | why | what to do |\n| --- | --- | --- | --- |\n")
        parts += [f"| `{row.id}` | {_cell(row.title)} | {_cell(row.why)} | {_cell(row.fix)} |\n" for row in rows]
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(page())
