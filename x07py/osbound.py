"""Which modules have no use but the operating system, and why: a typed reader of ``osbound.toml``.

The static check (`x07 arch check`) and the import guard (`x07 run`) read the same table. What other modules reach is
not a matter of their import: `x07py.effects` follows the calls.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE = Path(__file__).with_name("osbound.toml")

_LINE = re.compile(r"^(\S+) = (.+)$", re.MULTILINE)
_TEXT = re.compile(r'"([^"]*)"')

Origin = Literal["standard library", "distribution"]


class OsBound(NamedTuple):
    """One row: a module that reaches the operating system.

    Args:
        name: full dotted name.
        capability: what it reaches (``network``, ``clock``, ...); the worlds admit or refuse capabilities.
        reason: why, as a predicate without a full stop (``opens connections``).
        origin: where the name comes from.
    """

    name: str
    capability: str
    reason: str
    origin: Origin


class OsBoundTable(NamedTuple):
    """The whole table: modules by name, the capabilities that each solve world admits, and replayed libraries."""

    modules: Mapping[str, OsBound]
    admits: Mapping[str, frozenset[str]]
    replayed: frozenset[str]

    def refused_module(self, module: str, world: str) -> OsBound | None:
        """Return the row that forbids to import a module in a world, or None.

        Other distributions than those that a cassette replaces may be imported: what their types and functions reach
        is told by `x07 arch check` from their calls, and refused by the kernel at the call.

        Args:
            module: full dotted name; the row of the longest listed parent counts.
            world: name of one of the seven worlds; OS worlds refuse nothing.
        """
        admitted = self.admits.get(world)
        if admitted is None:
            return None
        name = module
        while name:
            row = self.modules.get(name)
            if row is not None:
                counts = row.origin == "standard library" or row.name in self.replayed
                return row if counts and row.capability not in admitted else None
            name = name.rpartition(".")[0]
        return None


@cache
def os_bound_table() -> OsBoundTable:
    """Return the table that x07py ships, read once a process."""
    sections = _sections(TABLE.read_text(encoding="utf-8"))
    modules = {row.name: row for row in _rows(sections, "modules", "standard library")}
    modules.update((row.name, row) for row in _rows(sections, "distributions", "distribution"))
    admits = {world: frozenset(_TEXT.findall(listed)) for world, listed in sections["admits"].items()}
    return OsBoundTable(modules, admits, frozenset(_TEXT.findall(sections["replayed"]["libraries"])))


def _sections(text: str) -> dict[str, dict[str, str]]:
    """Return the keys and values of each section; the file keeps to one line for each, which reads ten times as fast.

    A test compares the result with that of a TOML parser.
    """
    found: dict[str, dict[str, str]] = {}
    for section in text.split("\n[")[1:]:
        title, _, body = section.partition("]")
        found[title] = {key.strip('"'): value for key, value in _LINE.findall(body)}
    return found


def _rows(sections: dict[str, dict[str, str]], group: str, origin: Origin) -> list[OsBound]:
    return [
        OsBound(name, title.removeprefix(f"{group}."), reason[1:-1], origin)
        for title, names in sections.items()
        if title.startswith(f"{group}.")
        for name, reason in names.items()
    ]
