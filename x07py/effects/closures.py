"""What a project imports from elsewhere, worked out before the project itself, and kept.

Standard library and installed packages know nothing of the project. So what a machine knows once it has loaded them
depends on which of them it loads, in which order, and on their files. It always loads them first: installed packages,
then the standard library, each by name. What it knows then is kept, and believed again where every file that was read
and every folder that was looked through is as it was, and the project has no module that one of them asked for.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from x07py.effects.facts import facts_of
from x07py.effects.finder import Found, entries_of
from x07py.effects.machine_state import plain_state, restore
from x07py.effects.store import CLOSURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from x07py.effects.facts import Facts
    from x07py.effects.machine import Machine
    from x07py.effects.store import Store
    from x07py.effects.summary import Node

_Roots: TypeAlias = "dict[str, tuple[str, ...]]"
"""Modules, each with the names imported from it that can be modules below it."""
_INSTALLED = {"installed", "native", "folder"}
_MOST_KEPT = 64
"""So many sets of imports are kept for a user; the oldest go first."""


class Closures:
    """Loads what the modules of a project import from elsewhere.

    Args:
        machine: loads it, and knows nothing yet.
        store: keeps what the machine knows then.
        trusted: modules, with all below them, that are answered for elsewhere.
        told: functions of trusted modules whose use counts all the same, by full name: capability and reason.
    """

    def __init__(
        self, machine: Machine, store: Store, trusted: tuple[str, ...], told: Mapping[str, tuple[str, str]]
    ) -> None:
        self._machine = machine
        self._finder = machine.finder
        self._summaries = machine.summaries
        self._store = store
        self._trusted = trusted
        self._told = told
        self._project = machine.finder.project
        self._own = {above for name in self._project for above in _upwards(name)}
        self._paths = set(self._project.values())

    def load(self) -> None:
        """Load what statements at the top level of judged modules, and of those that they import, name elsewhere."""
        roots = self._roots()
        first = {name for name in roots if self._finder.find(name.partition(".")[0]).kind in _INSTALLED}
        steps = [{name: roots[name] for name in roots if (name in first) is one} for one in (True, False)]
        steps = [step for step in steps if step]
        done = next((count for count in range(len(steps), 0, -1) if self._recalls(steps[:count])), 0)
        for count in range(done + 1, len(steps) + 1):
            for name, items in steps[count - 1].items():
                self._machine.load_first(name, items)
            self._keep(steps[:count])

    def _roots(self) -> _Roots:
        """Return what is imported from elsewhere, sorted."""
        project = self._project
        own = {name.partition(".")[0] for name in project}
        found: dict[str, set[str]] = {}
        seen, waiting = set(self._machine.judged), sorted(self._machine.judged)
        while waiting:
            name = waiting.pop()
            summary = self._summaries(project[name])
            package = name if PurePath(project[name]).stem == "__init__" else name.rpartition(".")[0]
            for base, items in _imported(summary.body, package) if not isinstance(summary, str) else ():
                if base.partition(".")[0] not in own:
                    found.setdefault(base, set()).update(items)
                    continue
                named = [*_upwards(base), *(f"{base}.{item}" for item in items)]
                fresh = [one for one in named if one in project and one not in seen]
                seen.update(fresh)
                waiting += fresh
        trusted = tuple(f"{name}." for name in self._trusted)
        return {
            base: tuple(sorted(item for item in items if self._finder.find(f"{base}.{item}").kind != "missing"))
            for base, items in sorted(found.items())
            if self._finder.find(base).kind != "missing" and not f"{base}.".startswith(trusted)
        }

    def _place(self, steps: list[_Roots]) -> str:
        loaded = [list(step.items()) for step in steps]
        parts = loaded, self._finder.environment, self._trusted, sorted(self._told.items())
        return f"{CLOSURES}{hashlib.sha256(repr(parts).encode()).hexdigest()}"

    def _is_of_project(self, names: dict[str, Any], files: list[tuple[Any, ...]]) -> bool:
        """Tell whether the project has a module of one of the names, or one of the files lies in it."""
        return not self._own.isdisjoint(names) or any(self._summaries.checkout(row[0]) is not None for row in files)

    def _keep(self, steps: list[_Roots]) -> None:
        """Keep what the machine knows, unless something of the project is part of it."""
        finder, summaries = self._finder, self._summaries
        files = [(path, *row) for path, row in summaries.read.items() if path not in self._paths]
        if self._is_of_project(finder.known, files):
            return
        folders = [(path, *row) for path, row in finder.listed.items()]
        known = {name: tuple(found) for name, found in finder.known.items()}
        self._store.keep(self._place(steps), (known, files, folders, plain_state(self._machine)))
        self._store.limit(CLOSURES, _MOST_KEPT)

    def _recalls(self, steps: list[_Roots]) -> bool:
        """Have the machine go on from what one knew that loaded these modules; tell whether that is known."""
        kept = self._store.load(self._place(steps))
        if kept is None or self._is_of_project(*kept[:2]):
            return False
        known, files, folders, state = kept
        fresh = {path: facts_of(path) for path, *_ in (*files, *folders)}
        touched = [(path, held) for path, facts, held in (*files, *folders) if not _same(facts, fresh[path])]
        if not all(self._holds(path, held) for path, held in touched):
            return False
        restore(self._machine, state)
        self._finder.known |= {name: Found(*found) for name, found in known.items()}
        for path, _, entries in folders:
            self._finder.listed.setdefault(path, (fresh[path], entries))
        self._summaries.read |= {path: (fresh[path], digest) for path, _, digest in files}
        if touched:
            self._keep(steps)
        return True

    def _holds(self, path: str, held: Any) -> bool:
        """Tell whether a file has the content of a digest, or a folder has some entries."""
        if isinstance(held, dict):
            return entries_of(path) == held
        try:
            return bool(held) and self._summaries.digest(path) == held
        except OSError:
            return False


def _imported(block: tuple[Node, ...], package: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the modules that statements import whatever holds, each with the names that they take from it."""
    for node in block:
        if node[0] == "import":
            yield from ((name, ()) for name, _ in node[2])
        elif node[0] == "from":
            level, name = node[2], node[3]
            kept = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            yield ".".join([*kept, *([name] if name else [])]), tuple(item for item, _ in node[4] if item != "*")
        elif node[0] in {"try", "with"}:
            yield from _imported(node[2] if node[0] == "try" else node[3], package)


def _upwards(name: str) -> Iterator[str]:
    """Yield a module's name and those of the packages above it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _same(before: Any, now: Facts | None) -> bool:
    return now == (before and tuple(before))
