"""A conflict in plain words: the facts, what follows from them step by step, and the commands that would mend it."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from x07py.contracts.project import read_project
from x07py.contracts.semver import parse_range
from x07py.errors import PackageError
from x07py.pkg.solve import ABSENT, Rule, Solver, UnsolvableError

if TYPE_CHECKING:
    from x07py.contracts.project import Project
    from x07py.contracts.semver import Range
    from x07py.pkg.sources import Sources


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why there is no solution.

    Args:
        requirements: the facts, as ``{"by", "name", "range"}``; ``by`` is ``project`` or ``NAME VERSIONS``.
        derivation: the proof, one sentence a step; later steps name earlier ones by number.
        mend: ways out, best first; each is the commands to run, in order.
    """

    requirements: tuple[dict[str, str], ...]
    derivation: tuple[str, ...]
    mend: tuple[tuple[str, ...], ...]


class ConflictError(PackageError):
    """``X07PKG_CONFLICT``: no selection of versions satisfies the project."""

    def __init__(self, conflict: Conflict, where: str) -> None:
        best = " && ".join(conflict.mend[0]) if conflict.mend else "change one of the requirements above"
        super().__init__(
            "X07PKG_CONFLICT",
            "no selection of versions satisfies the project\n  " + "\n  ".join(conflict.derivation),
            where=where,
            hint=best + "".join(f"\n    or: {' && '.join(way)}" for way in conflict.mend[1:]),
        )
        self.conflict = conflict
        self.details = dict(asdict(conflict))

    def __reduce__(self) -> tuple[object, ...]:
        return ConflictError, (self.conflict, self.where)


def explain(error: UnsolvableError, sources: Sources, *, pending: str | None) -> ConflictError:
    """Return the error for users.

    Args:
        error: what the resolver raised.
        sources: what it was asked with.
        pending: the package that the command is about to add, which is not in the manifest yet.
    """
    words = _Words(error.solver, sources)
    words.tell(error.rule)
    direct = sorted({rule.name for rule in words.facts if rule.dependent is None})
    needed = {rule.name for rule in words.facts if rule.dependent is not None}
    mend = _ways_out(sources, direct, needed, pending)
    requirements = tuple(
        {"by": words.dependent(rule), "name": rule.name, "range": rule.wanted.text if rule.wanted else "*"}
        for rule in words.facts
    )
    return ConflictError(Conflict(requirements, tuple(words.lines), mend), str(sources.project.file))


class _Words:
    """Turns a proof into sentences; each rule is told once, parents before children."""

    def __init__(self, solver: Solver, sources: Sources) -> None:
        self.solver, self.sources = solver, sources
        self.lines: list[str] = []
        self.facts: list[Rule] = []
        self._number: dict[int, int] = {}

    def tell(self, rule: Rule) -> None:
        stack = [rule]
        while stack:
            top = stack[-1]
            todo = [parent for parent in reversed(top.parents or ()) if id(parent) not in self._number]
            if todo:
                stack += todo
                continue
            stack.pop()
            if id(top) not in self._number:
                self._number[id(top)] = len(self._number) + 1
                self.lines.append(f"{self._number[id(top)]}. {self._sentence(top)}")
        if rule.parents is None:
            self.lines.append(f"{len(self._number) + 1}. from 1: there is no solution")

    def _sentence(self, rule: Rule) -> str:
        if rule.parents is not None:
            first, second = (self._number[id(parent)] for parent in rule.parents)
            return f"from {first} and {second}: {self._conclusion(rule)}"
        self.facts.append(rule)
        wanted = rule.wanted.text if rule.wanted is not None else "*"
        subject = "your project requires" if rule.dependent is None else f"{self.dependent(rule)} requires"
        return f"{subject} {rule.name} {wanted}{self._nothing(rule)}"

    def dependent(self, rule: Rule) -> str:
        """Return who states the fact: ``project``, or a package with its versions."""
        if rule.dependent is None:
            return "project"
        return f"{rule.dependent} {self._versions(rule.dependent, rule.terms.get(rule.dependent, 0))}"

    def _nothing(self, rule: Rule) -> str:
        """Return why no version is in the range, if none is."""
        name = rule.name
        usable = self.solver.full_mask(name) >> 1
        if rule.terms.get(name, self.solver.full[name]) != self.solver.full[name] and usable:
            return ""
        excluded = [f"{version.text}, but {why}" for version, why in self.sources.excluded.get(name, [])]
        there = [version.text for version in self.sources.versions(name)]
        if not there and not excluded:
            return ", and no source has a package of that name"
        return ", of which there is only " + "; ".join([*([", ".join(there)] if there else []), *excluded])

    def _conclusion(self, rule: Rule) -> str:
        used = [
            f"{name} {self._versions(name, term)}" for name, term in sorted(rule.terms.items()) if not term & ABSENT
        ]
        needs = [
            f"{name} {self._versions(name, self.solver.full[name] & ~term)}"
            for name, term in sorted(rule.terms.items())
            if term & ABSENT
        ]
        if not used and not needs:
            return "there is no solution"
        if not needs:
            return f"{' and '.join(used)} cannot be used" + (" together" if len(used) > 1 else "")
        return f"{' with '.join(used) or 'your project'} requires {' or '.join(needs)}"

    def _versions(self, name: str, mask: int) -> str:
        versions = self.sources.versions(name)
        chosen = [version.text for place, version in enumerate(versions, 1) if mask >> place & 1]
        if len(chosen) == len(versions) > 1:
            return "(any version)"
        if len(chosen) > 4:
            return f"{chosen[0]} to {chosen[-1]} ({len(chosen)} versions)"
        return ", ".join(chosen)


def _ways_out(
    sources: Sources, direct: list[str], needed: set[str], pending: str | None
) -> tuple[tuple[str, ...], ...]:
    """Return command sequences that were tried and work, removals of what others bring in anyway first."""
    roots, folders = sources.roots(), {row.name: row.path for row in sources.project.dependencies}
    index = _index_option(sources.project)

    def command(verb: str, name: str, wanted: str) -> str:
        spec = name if wanted == "*" else shlex.quote(f"{name}@{wanted}")
        folder = folders.get(name) if verb == "add" else None
        where = "" if folder is None else f" --path {shlex.quote(os.path.relpath(sources.project.root / folder))}"
        return f"x07 pkg {verb} {spec}{where} --sync{index}"

    again = (command("add", pending, roots[pending].text),) if pending in roots and pending else ()
    ways: list[tuple[str, ...]] = []
    for name in sorted(direct, key=lambda name: (name not in needed, name)):
        rest = {other: wanted for other, wanted in roots.items() if other != name}
        if name != pending and _solves(sources, rest) is not None:
            ways.append((command("remove", name, "*"), *again))
        chosen = _solves(sources, {**rest, name: parse_range("*")})
        if chosen is not None and name in chosen:
            verb = "add" if name == pending else "update"
            ways.append((command(verb, name, chosen[name]), *(again if name != pending else ())))
    return tuple(ways)


def _index_option(project: Project) -> str:
    """Return the option that names the index where the manifest does not."""
    if project.index_url is None or read_project(project.file).index_url is not None:
        return ""
    return f" --index {shlex.quote(project.index_url)}"


def _solves(sources: Sources, roots: dict[str, Range]) -> dict[str, str] | None:
    rows = tuple(row for row in sources.project.dependencies if row.name in roots)
    trial = replace(sources, project=replace(sources.project, dependencies=rows))
    try:
        return {name: version.text for name, version in Solver(trial).solve(roots).items()}
    except UnsolvableError:
        return None
