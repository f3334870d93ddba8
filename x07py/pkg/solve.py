"""The resolver: finds one version a package such that every requirement holds, or proves that there is none.

It is PubGrub, as in uv and Dart: propagate what follows, decide, and learn from each conflict a rule that the search
never breaks again. Version sets are bit masks over the versions that exist, with bit 0 for "not selected"; so
intersection, union and complement are one machine operation, and a rule is a conjunction of masks that must not hold.

resolvelib was tried on paper and lost: it copies its whole state at every pin (quadratic: 5,000 packages take minutes),
backtracks without learning, and its conflicts name one requirement, not the chain.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from x07py.contracts.semver import Range, Version

ABSENT = 1
"""The bit that says that a package is not selected."""


class Provider(Protocol):
    """What the resolver asks about packages. Answers must not change while it runs."""

    def versions(self, name: str) -> Sequence[Version]:
        """Return the versions that may be chosen, ascending."""

    def requires(self, name: str, version: Version) -> Mapping[str, Range]:
        """Return what one version needs."""

    def admits(self, name: str, wanted: Range, version: Version) -> bool:
        """Tell whether `version` is in the range."""

    def preference(self, name: str) -> Sequence[int]:
        """Return positions in ``versions(name)``, best first."""


@dataclass(slots=True, eq=False)
class Rule:
    """A conjunction that must not hold: package to mask. ``parents`` are the two rules that it was learnt from.

    A rule without parents is a fact: `dependent` (None for the project itself) requires `name` in `wanted`.
    """

    terms: dict[str, int]
    parents: tuple[Rule, Rule] | None = None
    dependent: str | None = None
    name: str = ""
    wanted: Range | None = None


class UnsolvableError(Exception):
    """No selection exists; `rule` is the proof, a tree of rules whose leaves are facts."""

    def __init__(self, rule: Rule, solver: Solver) -> None:
        super().__init__("no selection of versions satisfies the requirements")
        self.rule = rule
        self.solver = solver


@dataclass(slots=True)
class _Step:
    """One entry of the trail: the mask of `name` became `mask`, because of `cause` or by decision (None)."""

    name: str
    before: int
    mask: int
    level: int
    cause: Rule | None


@dataclass(slots=True)
class Solver:
    """One run of the resolver. Memory grows with the packages looked at and the conflicts met."""

    provider: Provider
    masks: dict[str, int] = field(default_factory=dict)
    full: dict[str, int] = field(default_factory=dict)
    trail: list[_Step] = field(default_factory=list)
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    decided: dict[str, Version] = field(default_factory=dict)
    level: int = 0
    _history: dict[str, list[int]] = field(default_factory=dict)
    _open: list[tuple[bool, int, str]] = field(default_factory=list)
    _direct: frozenset[str] = frozenset()
    _sets: dict[tuple[str, str], int] = field(default_factory=dict)
    _known: set[tuple[str, str, str]] = field(default_factory=set)

    def solve(self, roots: Mapping[str, Range]) -> dict[str, Version]:
        """Return the chosen version of every package that `roots` need, by name.

        The result does not depend on the order of `roots` or of anything that the provider returns.

        Raises:
            UnsolvableError: with the proof.
        """
        self._direct = frozenset(roots)
        for name in sorted(roots):
            terms = {name: self.full_mask(name) & ~self._mask_of(name, roots[name])}
            self._learn(Rule(terms, name=name, wanted=roots[name]))
            if terms[name] == self.full[name]:
                raise UnsolvableError(self.rules[name][-1], self)
        self._propagate(sorted(roots))
        while (chosen := self._next()) is not None:
            self._decide(chosen)
            self._propagate([chosen])
        return {name: self.decided[name] for name in sorted(self._reached(roots))}

    def full_mask(self, name: str) -> int:
        """Return the mask of all versions of `name` and of its absence."""
        mask = self.full.get(name)
        if mask is None:
            mask = self.full[name] = self.masks[name] = (2 << len(self.provider.versions(name))) - 1
            self.rules[name], self._history[name] = [], []
        return mask

    def _mask_of(self, name: str, wanted: Range) -> int:
        key = (name, wanted.text)
        mask = self._sets.get(key)
        if mask is None:
            mask = 0
            for place, version in enumerate(self.provider.versions(name), 1):
                if self.provider.admits(name, wanted, version):
                    mask |= 1 << place
            self._sets[key] = mask
        return mask

    def _learn(self, rule: Rule) -> None:
        for name in rule.terms:
            self.rules[name].append(rule)

    def _next(self) -> str | None:
        """Return the package to decide: direct ones first, then the most constrained, then by name."""
        while self._open:
            _, count, name = heapq.heappop(self._open)
            mask = self.masks[name]
            if name not in self.decided and not mask & ABSENT and mask.bit_count() == count:
                return name
        return None

    def _decide(self, name: str) -> None:
        mask = self.masks[name]
        place = next(place for place in self.provider.preference(name) if mask >> (place + 1) & 1)
        self.level += 1
        self._set(name, 2 << place, None)
        version = self.provider.versions(name)[place]
        self.decided[name] = version
        needs = self.provider.requires(name, version)
        for other in sorted(needs):
            self._add_dependency(name, other, needs[other])

    def _add_dependency(self, name: str, other: str, wanted: Range) -> None:
        """Add the rule "`name` needs `other`" for every version of `name` that states it in the same words."""
        key = (name, other, wanted.text)
        if key in self._known:
            return
        self._known.add(key)
        stating = 0
        for place, version in enumerate(self.provider.versions(name), 1):
            if self.provider.requires(name, version).get(other) == wanted:
                stating |= 1 << place
        refused = self.full_mask(other) & ~self._mask_of(other, wanted)
        terms = {name: stating & refused} if other == name else {name: stating}
        if other != name and refused != self.full[other]:
            terms[other] = refused
        self._learn(Rule(terms, dependent=name, name=other, wanted=wanted))

    def _set(self, name: str, mask: int, cause: Rule | None) -> None:
        self._history[name].append(len(self.trail))
        self.trail.append(_Step(name, self.masks[name], mask, self.level, cause))
        self.masks[name] = mask
        if not mask & ABSENT and name not in self.decided:
            heapq.heappush(self._open, (name not in self._direct, mask.bit_count(), name))

    def _propagate(self, changed: Iterable[str]) -> None:
        """Draw every conclusion; on a conflict, learn, go back, and continue from there."""
        queue = list(changed)
        queued = set(queue)
        while queue:
            name = queue.pop()
            queued.discard(name)
            for rule in reversed(self.rules[name]):
                forced = self._check(rule)
                if forced is None:
                    continue
                if forced == "":
                    learnt = self._resolve(rule)
                    forced = self._check(learnt)
                    assert forced, "a learnt rule forces a package after going back"  # noqa: S101
                    self._set(forced, self.masks[forced] & ~learnt.terms[forced], learnt)
                    queue, queued = [forced], {forced}
                    break
                self._set(forced, self.masks[forced] & ~rule.terms[forced], rule)
                if forced not in queued:
                    queue.append(forced)
                    queued.add(forced)

    def _check(self, rule: Rule) -> str | None:
        """Return the one package that `rule` constrains now, "" if the rule is broken, None if it says nothing."""
        masks, forced = self.masks, ""
        for name, term in rule.terms.items():
            mask = masks[name]
            if mask & ~term:
                if forced or not mask & term:
                    return None
                forced = name
        return forced

    def _resolve(self, rule: Rule) -> Rule:
        """Learn from a broken rule; return the rule that forces something at the level gone back to."""
        start = rule
        while rule.terms:
            place, before = self._satisfiers(rule)
            step = self.trail[place]
            if step.cause is None or before < step.level:
                self._back_to(before)
                if rule is not start:
                    self._learn(rule)
                return rule
            rule = self._combine(rule, step.cause, step.name)
        raise UnsolvableError(rule, self)

    def _satisfiers(self, rule: Rule) -> tuple[int, int]:
        """Return the place in the trail where `rule` broke, and the level at which it already said something."""
        places = {name: self._first(name, term, len(self.trail)) for name, term in rule.terms.items()}
        last = max(places, key=places.__getitem__)
        place = places[last]
        before = max((self.trail[at].level for name, at in places.items() if name != last), default=0)
        step = self.trail[place]
        if step.cause is not None:
            allowed = rule.terms[last] | step.cause.terms[last]
            if self.full[last] & ~allowed:
                earlier = self._first(last, allowed, place)
                before = max(before, self.trail[earlier].level)
        return place, before

    def _first(self, name: str, term: int, end: int) -> int:
        """Return the first place before `end` in the trail after which `name` is within `term`."""
        for place in self._history[name]:
            if place < end and not self.trail[place].mask & ~term:
                return place
        raise AssertionError("the rule does not hold")

    def _combine(self, rule: Rule, cause: Rule, name: str) -> Rule:
        terms = dict(rule.terms)
        for other, term in cause.terms.items():
            if other == name:
                either = terms[name] | term
                if self.full[name] & ~either:
                    terms[name] = either
                else:
                    del terms[name]
            else:
                terms[other] = terms.get(other, self.full[other]) & term
        return Rule(terms, parents=(rule, cause))

    def _back_to(self, level: int) -> None:
        while self.trail and self.trail[-1].level > level:
            step = self.trail.pop()
            self._history[step.name].pop()
            self.masks[step.name] = step.before
            if step.cause is None:
                del self.decided[step.name]
            if not step.before & ABSENT:
                heapq.heappush(self._open, (step.name not in self._direct, step.before.bit_count(), step.name))
        self.level = level

    def _reached(self, roots: Iterable[str]) -> set[str]:
        reached: set[str] = set()
        stack = list(roots)
        while stack:
            name = stack.pop()
            if name not in reached:
                reached.add(name)
                stack += self.provider.requires(name, self.decided[name])
        return reached
