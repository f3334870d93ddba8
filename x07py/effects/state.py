"""What the machine knows while it runs: modules, classes, scopes, frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from x07py.effects.values import NOTHING, Atom, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.effects.finder import Found
    from x07py.effects.summary import Class, Function, Node, Summary


@dataclass(slots=True)
class Module:
    """One module of the program.

    Args:
        name: dotted name.
        found: where it lies.
        point: number of its body in the graph.
        judged: whether findings are about it.
    """

    name: str
    found: Found
    point: int
    source: Callable[[], Summary] | None = None
    """Gives its summary; None for what has no Python source that could be read."""
    judged: bool = False
    done: bool = False
    names: dict[str, Value] = field(default_factory=dict)
    typing: dict[str, Value] | None = None
    called_only: frozenset[str] = frozenset()
    """Functions of a judged module that are judged by its own calls."""
    starred: list[str] = field(default_factory=list)
    """Modules without source all of whose names it has."""
    _summary: Summary | None = None

    @property
    def summary(self) -> Summary | None:
        """Its summary, which is read where it is first asked for; None for what has no source."""
        if self._summary is None and self.source is not None:
            self._summary = self.source()
        return self._summary

    @property
    def package(self) -> str:
        """Dotted name that relative imports start from."""
        return self.name if self.found.package else self.name.rpartition(".")[0]

    @property
    def own(self) -> bool:
        """Whether it is the project's."""
        return self.found.kind == "project"


@dataclass(slots=True)
class ClassState:
    """One class, with what its body bound."""

    atom: Atom
    row: Class
    bases: list[Value] = field(default_factory=list)
    names: dict[str, Value] = field(default_factory=dict)
    order: list[Atom] = field(default_factory=list)
    """The method resolution order: classes, and names of classes without source."""
    meta: Value = NOTHING
    closed: bool = True
    """Whether all its bases are known."""
    annotated: set[str] = field(default_factory=set)
    """Names that its body annotates."""
    bare: set[str] = field(default_factory=set)
    """Names that its body annotates and gives no value."""
    generated: bool = False
    """Whether a decorator or base writes ``__init__`` and ``__eq__``."""
    shown: bool = False
    """Whether it writes ``__repr__``, too."""
    unseen: set[str] = field(default_factory=set)
    """Fields that this text leaves out."""
    hashed: bool = False
    """Whether it writes ``__hash__``, too, or takes it away."""
    factory: tuple[int, Value] | None = None
    """What makes the value of the field that is being defined: line, callable."""
    factories: dict[str, tuple[int, Value]] = field(default_factory=dict)
    """What makes the values of fields that a constructor is not given."""
    hides: bool = False
    """Whether the field that is being defined is left out of the text."""
    made: bool = False
    """Whether its constructor was called."""


@dataclass(slots=True)
class Scope:
    """The names of one function in one context, for the functions inside it."""

    names: dict[str, Value]
    function: Atom
    owner: Atom | None

    @property
    def outer(self) -> int:
        """Number of the scope that the function was made in, 0 for the module."""
        number: int = self.function[3]
        return number


@dataclass(slots=True)
class Frame:
    """A function, class body or module body that is being run."""

    module: Module
    point: int
    names: dict[str, Value]
    function: Function | None = None
    scope: int = 0
    outer: int = 0
    owner: Atom | None = None
    """The class that the code stands in, for ``super()``."""
    body: ClassState | None = None
    result: list[Value] = field(default_factory=list)
    yields: list[Value] = field(default_factory=list)
    loops: list[tuple[int, Node]] = field(default_factory=list)
    """Loops that are being run whose order nobody knows: line, and what they bind."""
    run: tuple[Any, ...] | None = None
    """What runs it again, if it is a function."""
    second: dict[str, Node] = field(default_factory=dict)
    """Names that were given to what an attribute or an item is, with the expression of that."""
    raising: bool = False
    """Whether an exception is being made, in whose message texts end."""

    @property
    def judged(self) -> bool:
        """Whether findings are about this code."""
        return self.module.judged

    @property
    def gives_to_anybody(self) -> bool:
        """Whether it is judged, and what it returns may be called by somebody whose calls are not followed."""
        return self.module.judged and (self.function is None or self.function.name not in self.module.called_only)


@dataclass(slots=True)
class Context:
    """One function with one kind of arguments."""

    point: int
    result: Value = NOTHING
    done: bool = False
    runs: int = 0
    waits: bool = False
    """Whether it is to run once more."""
    sets: dict[tuple[Atom, str], Value] = field(default_factory=dict)
    """What it set of objects that were being made."""
