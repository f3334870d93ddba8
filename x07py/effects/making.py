"""What is known of objects while they are being made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from x07py.effects.values import Atom, Value

Key: TypeAlias = tuple[Atom, str]
"""An object and the name of an attribute."""
State: TypeAlias = tuple[Value | None, bool]
"""What an attribute can be, None if it is not set; and whether it may not be set."""


@dataclass(slots=True)
class Running:
    """One function that runs while objects are made: what it set of them, and the states in which it returned."""

    depth: int
    sets: dict[Key, Value] = field(default_factory=dict)
    looked: bool = False
    changed: bool = False
    exits: list[dict[Key, Value | None]] = field(default_factory=list)


@dataclass(slots=True)
class Branch:
    """One of several branches that is being run: the objects that were being made before it, and what they were."""

    objects: frozenset[Atom]
    before: dict[Key, State] = field(default_factory=dict)


@dataclass(slots=True)
class Making:
    """What is known of the objects that are being made.

    Args:
        fresh: the objects, each with how many loops, and functions that run at any time, were entered before it.
        born: objects that were made, or are.
        again: objects of which others of the same kind were made before.
        names: attributes that were set, by object.
        inside: how many loops and the like are entered now.
        anytime: how many functions are run now that may run later, or not at all.
        kept: values that no assignment replaces.
        unsure: attributes that may not be set.
        gone: attributes that something deletes.
        branches: those that are being run.
        running: the functions that run now.
        forgotten: how many runs were made anew, or will be, because such an object became something else.
        once: contexts that saw an object half made, and that later calls must not take for their own.
    """

    fresh: dict[Atom, tuple[int, int]] = field(default_factory=dict)
    born: set[Atom] = field(default_factory=set)
    again: set[Atom] = field(default_factory=set)
    names: dict[Atom, dict[str, None]] = field(default_factory=dict)
    inside: int = 0
    anytime: int = 0
    kept: dict[Key, Value] = field(default_factory=dict)
    unsure: set[Key] = field(default_factory=set)
    gone: set[Key] = field(default_factory=set)
    branches: list[Branch] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    once: list[tuple[Atom, Any]] = field(default_factory=list)
    forgotten: int = 0
