"""What the functions of some modules reach: the machine run over them, and the walk over what it found."""

from __future__ import annotations

import gc
import hashlib
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from x07py.effects.closures import Closures
from x07py.effects.facts import facts_of
from x07py.effects.finder import Environment, Finder
from x07py.effects.graph import Chain, End, Point, Reach, Step
from x07py.effects.machine import Machine
from x07py.effects.primitives import primitives
from x07py.effects.starts import starts_of
from x07py.effects.store import ANSWERS, Store, Summaries
from x07py.effects.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from x07py.effects.facts import Facts


CAPABILITIES = (
    "clock", "randomness", "environment", "files-read", "files-write", "network", "processes", "threads", "event-loop",
    "parallel", "native", "order", "identity", "dynamic", "unread",
)  # fmt: skip
"""What code can reach; ``dynamic`` is code that no check has read, ``unread`` what could not be read."""
AT_IMPORT = frozenset(
    {"clock", "randomness", "environment", "files-read", "native", "order", "identity", "dynamic", "unread"}
)
"""What an installed distribution may reach as it is imported without a finding: it is counted and listed."""
_DEPTH = 60_000
_STACK = 512 << 20
_SHOWN = 400
_TOO_MUCH = "what calls give beyond the first 150,000 points of the program"
_TOO_DEEP = "what calls give that lie more than 60 deep in each other"
"""These stand in a list of calls that nobody can follow where the program is too large, or its calls too deep."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a module that was asked about, or the module's body.

    Args:
        name: name inside the module; empty for the body.
        line: 1-based.
        reach: what it reaches, each capability and primitive once for each line that it starts in.
    """

    name: str
    line: int
    reach: tuple[Reach, ...]


@dataclass(slots=True)
class Answer:
    """What modules reach, and what the answer was made from.

    Args:
        functions: by module.
        modules: how many modules were read.
        distributions: names of the installed packages among them.
        unread: why, by name of a module that could not be read.
        unresolved: calls that nobody can follow, by module: function, line, text.
        quiet: how often a row of the list of quiet functions left something out, by function.
        at_import: what installed packages reach as they are imported: package, capability, primitive.
        files: files that were read and folders that were looked through.
    """

    functions: dict[str, list[Function]] = field(default_factory=dict)
    modules: int = 0
    distributions: tuple[str, ...] = ()
    unread: dict[str, str] = field(default_factory=dict)
    unresolved: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)
    quiet: dict[str, int] = field(default_factory=dict)
    at_import: list[tuple[str, str, str]] = field(default_factory=list)
    files: tuple[str, ...] = ()

    def findings(self, module: str, admitted: Mapping[str, frozenset[str]] | None = None) -> list[Reach]:
        """Return what a module reaches and may not, each capability once a line, by the shortest chain.

        What is said of one function is not said of those that call it.

        Args:
            module: its name.
            admitted: capabilities that each module that was asked about may reach; by default none.
        """
        may = admitted or {}
        nothing: frozenset[str] = frozenset()
        own = {
            (name, reach.chain.step.line, reach.end.capability, reach.end.name)
            for name, functions in self.functions.items()
            for function in functions
            for reach in function.reach
            if reach.end.capability not in may.get(name, nothing)
        }
        found: dict[tuple[int, str], Reach] = {}
        for function in self.functions[module]:
            for reach in function.reach:
                line, end = reach.chain.step.line, reach.end
                if end.capability not in may.get(module, nothing) and not any(
                    (step.module, step.line, end.capability, end.name) in own
                    for step in reach.chain.rest or ()
                    if (step.module, step.line) != (module, line)
                ):
                    key = line, end.capability
                    found[key] = min(found.get(key, reach), reach, key=_shortest)
        return [found[key] for key in sorted(found)]

    def summary(self) -> str:
        """Return in one line what was read."""
        parts = f"{self.modules} modules, {len(self.distributions)} distributions"
        return f"{parts}, {len(self.unread)} not read"


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask about.

    Args:
        project: files of the project's modules by dotted name, absolute.
        judged: names of the modules to ask about, sorted.
        environment: what the program imports from.
        refused: modules whose import counts in the project's code: capability, name and reason.
        trusted: modules, with all below them, that are answered for elsewhere, so that nothing in them counts.
        told: functions of trusted modules whose use counts all the same, by each full name: capability and reason.
        root: the project's folder, in which no cache is believed; None keeps nothing.
        function: name of a function that may be called with anything, though only its module's calls judge it.
        installed: the modules are those of an installed distribution, whose files need not lie in the project.
    """

    project: Mapping[str, str]
    judged: tuple[str, ...]
    environment: Environment
    refused: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    trusted: tuple[str, ...] = ()
    told: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    root: Path | None = None
    function: str = ""
    installed: bool = False

    def digest(self) -> str:
        """Return what tells this question from others."""
        asked = self.judged, self.function, sorted(self.refused.items()), self.trusted, sorted(self.told.items())
        parts = sorted(self.project.items()), self.environment, asked
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def _shortest(reach: Reach) -> tuple[object, ...]:
    return reach.chain.length, reach.end.name, reach.steps


def analyze(question: Question) -> Answer:
    """Return what modules of a project reach, with everything that they call.

    Time is linear in the code that is reached, and in the number of files where nothing changed.
    """
    place = f"{ANSWERS}{question.digest()}"
    store = Store(question.root)
    known = store.load(place)
    if known is not None and all(facts_of(path) == (facts and tuple(facts)) for path, facts in known[0]):
        answer = _answer(known[1])
        answer.files = tuple(path for path, _ in known[0])
        return answer
    answer, seen = _deeply(question, store)
    answer.files = tuple(seen)
    store.keep(place, (list(seen.items()), _plain(answer)))
    return answer


def _deeply(question: Question, store: Store) -> tuple[Answer, dict[str, Facts | None]]:
    """Run the machine in a thread with a stack for the deepest calls."""
    result: list[tuple[Answer, dict[str, Facts | None]] | BaseException] = []

    def run() -> None:
        try:
            result.append(_run(question, store))
        except BaseException as error:  # noqa: BLE001 (handed to the caller)
            result.append(error)

    limit, size, collects = sys.getrecursionlimit(), threading.stack_size(_STACK), gc.isenabled()
    sys.setrecursionlimit(_DEPTH)
    gc.disable()  # what the machine makes lives until its end, so looking through it again and again finds nothing
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
        if collects:
            gc.enable()
    found = result[0]
    if isinstance(found, BaseException):
        raise found
    return found


def _run(question: Question, store: Store) -> tuple[Answer, dict[str, Facts | None]]:
    finder = Finder(question.environment, question.project)
    summaries = Summaries(store, finder.checkout(question.root, installed=question.installed))
    table = primitives().with_told(question.told)
    machine = Machine(finder, summaries, table, frozenset(question.judged), question.refused, question.trusted)
    Closures(machine, store, question.trusted, question.told).load()
    starts = starts_of(machine, question.judged, question.function)
    rules = _Rules(machine, question.trusted)
    reaches = Walk(machine.graph, [number for points in starts.values() for number in points], rules).reaches()
    answer = Answer(unread=dict(machine.unread))
    for name, points in starts.items():
        functions: dict[tuple[str, int], dict[tuple[str, str, int], Reach]] = {}
        for number in points:
            point = machine.graph.points[number]
            found = functions.setdefault((point.name, point.line), {})
            for reach in reaches[number]:
                key = reach.end.capability, reach.end.name, reach.chain.step.line
                if key not in found or reach.chain.length < found[key].chain.length:
                    found[key] = reach
        answer.functions[name] = [Function(*at, tuple(found.values())) for at, found in sorted(functions.items())]
    _count(machine, answer, rules)
    return answer, {path: facts for path, (facts, _) in summaries.read.items()} | {
        folder: facts for folder, (facts, _) in finder.listed.items()
    }


def _count(machine: Machine, answer: Answer, rules: _Rules) -> None:
    read = [module for module in machine.modules.values() if module.source is not None]
    answer.modules = len(read)
    installed = {module.name.partition(".")[0] for module in read if module.found.kind == "installed"}
    answer.distributions = tuple(sorted(installed))
    answer.quiet = dict(rules.quiet)
    answer.at_import = sorted(rules.at_import)
    for number, calls in machine.unknown.items():
        point = machine.graph.points[number]
        if point.module in answer.functions:
            rows = answer.unresolved.setdefault(point.module, [])
            rows += [(point.name, line, text) for line, text in calls]
    limits = [("", 1, text) for text, met in ((_TOO_MUCH, machine.full), (_TOO_DEEP, machine.deep)) if met]
    for name in answer.functions if limits else ():
        answer.unresolved.setdefault(name, []).extend(limits)
    for rows in answer.unresolved.values():
        rows[:] = sorted(set(rows))[:_SHOWN]


class _Rules:
    """What counts: the standard library's bodies do not, installed ones do where they do more than look."""

    def __init__(self, machine: Machine, trusted: tuple[str, ...]) -> None:
        self._machine = machine
        self._trusted = tuple(f"{name}." for name in trusted)
        self.quiet: Counter[str] = Counter()
        self.at_import: set[tuple[str, str, str]] = set()

    def left_out(self, point: Point, end: End) -> None:
        if self._kind(point) == "installed":
            self.at_import.add((point.module.partition(".")[0], end.capability, end.name))

    def leaves(self, point: Point, end: End) -> bool:
        row = self._machine.table.quiet.get(point.full)
        left = row is not None and row.itself and end.capability in row.capabilities
        if left:
            self.quiet[point.full] += 1
        return left

    def stops(self, point: Point) -> bool:
        if f"{point.module}.".startswith(self._trusted):
            return True
        return not point.name and self._kind(point) in {"standard library", "builtin"}

    def drops(self, point: Point, caller: Point | None) -> frozenset[str]:
        row = self._machine.table.quiet.get(point.full)
        if row is not None and row.itself:
            row = None
        if row is not None and row.on_the_way and (caller is None or self._kind(caller) == "project"):
            row = None
        if row is not None:
            self.quiet[point.full] += 1
        dropped = row.capabilities if row is not None else frozenset()
        return dropped | AT_IMPORT if not point.name and self._kind(point) == "installed" else dropped

    def _kind(self, point: Point) -> str:
        module = self._machine.modules.get(point.module)
        return module.found.kind if module is not None else ""


def _plain(answer: Answer) -> Any:
    """Return an answer as `marshal` keeps it; each chain is a row: its first step, and the number of the rest's row."""
    numbers: dict[int, int] = {}
    rows: list[tuple[tuple[Any, ...], int]] = []

    def number(chain: Chain | None) -> int:
        fresh = []
        while chain is not None and id(chain) not in numbers:
            fresh.append(chain)
            chain = chain.rest
        at = numbers[id(chain)] if chain is not None else -1
        for one in reversed(fresh):
            rows.append((tuple(one.step), at))
            at = numbers[id(one)] = len(rows) - 1
        return at

    functions = {
        name: [(row.name, row.line, [(tuple(one.end), number(one.chain)) for one in row.reach]) for row in found]
        for name, found in answer.functions.items()
    }
    rest = answer.modules, list(answer.distributions), answer.unread, answer.unresolved, answer.quiet, answer.at_import
    return rows, functions, *rest


def _answer(value: Any) -> Answer:
    rows, functions, modules, distributions, unread, unresolved, quiet, at_import = value
    chains: list[Chain] = []
    for step, at in rows:
        rest = chains[at] if at >= 0 else None
        chains.append(Chain(Step(*step), rest, 1 + (rest.length if rest is not None else 0)))
    found = {
        name: [
            Function(own, line, tuple(Reach(End(*end), chains[at]) for end, at in reach)) for own, line, reach in row
        ]
        for name, row in functions.items()
    }
    return Answer(found, modules, tuple(distributions), unread, unresolved, quiet, at_import)
