"""The table of what has no Python source: which capability a name reaches, when, and why."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from x07py.effects.values import Value

FILE = Path(__file__).with_name("primitives.toml")
QUIET = Path(__file__).with_name("quiet.toml")


class Row(NamedTuple):
    """One row of the table.

    Args:
        capability: empty if the primitive reaches nothing.
        rule: when it counts; empty for always.
        reason: why, as a predicate; what to do stands behind a semicolon.
    """

    capability: str
    rule: str
    reason: str


_PURE = Row("", "", "reaches nothing")


class Quiet(NamedTuple):
    """Capabilities that a library's function reaches and that its result does not show, with the evidence.

    Args:
        capabilities: those that do not count.
        reason: the evidence.
        on_the_way: whether they count where the project calls the function itself.
        itself: whether they are left out of the function alone, and not of what it calls.
    """

    capabilities: frozenset[str]
    reason: str
    on_the_way: bool
    itself: bool


@dataclass(frozen=True, slots=True)
class Primitives:
    """The whole table.

    Args:
        rows: by full name; a name covers what is below it.
        objects: names of module globals that count as primitives although their module has source.
        sources: modules with source that stand for modules without.
        returns: class of what a primitive gives, by its name.
        filters: by full name of a function that makes code of a text: number and name of the argument, and the dict of
            functions that the text calls by name behind a ``|``.
        quiet: by full name of the function, or of a module for what its body does.
    """

    rows: Mapping[str, Row]
    objects: frozenset[str]
    sources: Mapping[str, str]
    returns: Mapping[str, str]
    filters: Mapping[str, str]
    quiet: Mapping[str, Quiet]
    _asked: dict[str, Row | None] = field(default_factory=dict, init=False, compare=False)

    def about(self, name: str) -> Row | None:
        """Return the row of a primitive: its own, or that of the longest name above it; None for an unknown one."""
        if name not in self._asked:
            self._asked[name] = self._looked_up(name)
        return self._asked[name]

    def _looked_up(self, name: str) -> Row | None:
        found = _upwards(name, self.rows)
        if not found:
            return None
        row = self.rows[found]
        by_argument = found != name and row.rule.removeprefix("own ").startswith(
            ("given", "absent", "mode", "locale", "memory", "sql", "waits", "says", "path", "asks", "unless")
        )
        return _PURE if by_argument else row

    def with_told(self, told: Mapping[str, tuple[str, str]]) -> Primitives:
        """Return the table with module globals that count as primitives for one question: capability and reason."""
        rows = {name: Row(capability, "", reason) for name, (capability, reason) in told.items()}
        return replace(self, rows={**self.rows, **rows}, objects=self.objects | told.keys()) if told else self

    def replaced(self, name: str) -> Value | None:
        """Return what stands for a module global that the table knows better than its source."""
        return frozenset({("prim", name)}) if name in self.objects else None


def _upwards(name: str, rows: Mapping[str, Any]) -> str:
    while name and name not in rows:
        name = name.rpartition(".")[0]
    return name


@cache
def primitives() -> Primitives:
    """Return the table that x07py ships, read once a process."""
    document = tomllib.loads(FILE.read_text(encoding="utf-8"))
    rows: dict[str, Row] = {}
    for name in document["pure"]["names"]:
        rows[name] = Row("", "", "reaches nothing")
    for capability, named in document["reach"].items():
        for name, text in named.items():
            rule, bar, reason = text.rpartition(" | ")
            rows[name] = Row(capability, rule if bar else "", reason)
    quiet = {
        name: Quiet(
            frozenset(row["capabilities"]), row["reason"], row.get("on_the_way", False), row.get("itself", False)
        )
        for name, row in tomllib.loads(QUIET.read_text(encoding="utf-8")).items()
    }
    objects = frozenset(document["objects"]["names"])
    return Primitives(rows, objects, document["sources"], document["returns"], document["filters"], quiet)


_MISSING = object()


@cache
def real(name: str) -> Any:
    """Return what a name of the standard library's modules without source means here, or None.

    Only what is part of the interpreter is looked up; nothing of a project or an installed package is imported.
    """
    top = name.partition(".")[0]
    if top not in sys.builtin_module_names and top not in _EXTENSIONS:
        return None
    try:
        thing: Any = import_module(top)
    except ImportError:
        return None
    for part in name.split(".")[1:]:
        thing = getattr(thing, part, _MISSING)
        if thing is _MISSING:
            return None
    return thing


def has(thing: object, name: str) -> bool:
    """Tell whether a thing of the interpreter has an attribute, also where looking at it raises.

    Some attributes of the abstract classes of ``_ctypes`` raise TypeError from Python 3.14 on.
    """
    try:
        return hasattr(thing, name)
    except TypeError:
        return name in dir(thing)


_WITHOUT_SOURCE = {"array", "binascii", "cmath", "math", "pyexpat", "select", "unicodedata", "zlib"}
_EXTENSIONS = frozenset(
    name for name in sys.stdlib_module_names if name.startswith("_") or name in _WITHOUT_SOURCE
) - {"__future__", "__main__", "_tkinter", "_curses", "_curses_panel"}  # fmt: skip
