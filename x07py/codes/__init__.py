"""The table of all codes: what each means and what to do about it.

One TOML file an area stands beside this module; ``x07 explain`` and ``docs/reference/codes.md`` are made from
them, and a test fails when code raises a code that no file lists.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources

from x07py.errors import UsageError


@dataclass(frozen=True, slots=True)
class Code:
    """One entry of the table: ``id`` as printed, ``area`` (file), ``title``, ``why``, ``fix``."""

    id: str
    area: str
    title: str
    why: str
    fix: str


def all_codes() -> dict[str, Code]:
    """Return every code by its id, sorted by area and then in file order.

    Raises:
        UsageError: ``X07_CODE_DUPLICATE`` if two entries have one id.
    """
    table: dict[str, Code] = {}
    files = [f for f in resources.files(__package__).iterdir() if f.name.endswith(".toml")]
    for file in sorted(files, key=lambda f: f.name):
        area = file.name.removesuffix(".toml")
        for row in tomllib.loads(file.read_text(encoding="utf-8"))["code"]:
            entry = Code(id=row["id"], area=area, title=row["title"], why=row["why"], fix=row["fix"])
            if entry.id in table:
                raise UsageError("X07_CODE_DUPLICATE", f"code {entry.id} is listed twice", where=file.name)
            table[entry.id] = entry
    return table
