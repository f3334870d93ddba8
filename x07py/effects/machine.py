"""The abstract machine: loads modules as imports ask for them, runs functions once for each kind of arguments."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from x07py.effects.attributes import Attributes
from x07py.effects.calls import Calls
from x07py.effects.graph import End, Graph
from x07py.effects.making import Making
from x07py.effects.private import called_only
from x07py.effects.state import Context, Frame, Module, Scope
from x07py.effects.values import (
    ANY,
    GIVEN,
    LOOSE,
    NONE,
    NOTHING,
    UNKNOWN,
    Atom,
    Value,
    const,
    join,
    mapping,
    parts_of,
    seq,
)
from x07py.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from x07py.effects.finder import Finder, Found
    from x07py.effects.primitives import Primitives
    from x07py.effects.state import ClassState
    from x07py.effects.store import Summaries
    from x07py.effects.summary import Function, Summary

_ANNOTATED_WELL = {"standard library", "installed"}
"""Kinds of modules in which what is not known of an argument is what its parameter is annotated as."""
_ANYTHING = UNKNOWN | GIVEN
_CONSTRUCTORS = {"__init__", "__post_init__", "__new__"}
_CONTEXTS = 16
_DEPTH = 60
_MOST_RUNS = 3
_MOST_POINTS = 150_000


class Machine(Calls, Attributes):
    """Runs summaries; what it learns stands in `graph` and `unknown`.

    Args:
        finder: finds modules.
        summaries: returns a file's summary, or why it cannot be read.
        table: the primitives.
        judged: names of the project's modules that findings are about; mentions count there.
        refused: modules whose import counts in the project's code: capability, name and reason.
        trusted: modules, with all below them, that are answered for elsewhere.
    """

    def __init__(
        self,
        finder: Finder,
        summaries: Summaries,
        table: Primitives,
        judged: frozenset[str],
        refused: Mapping[str, tuple[str, str, str]],
        trusted: tuple[str, ...],
    ) -> None:
        self.finder = finder
        self.table = table
        self.graph: Graph = Graph()
        self.modules: dict[str, Module] = {}
        self.classes: dict[Atom, ClassState] = {}
        self.scopes: list[Scope | None] = [None]
        self.attributes: dict[tuple[Atom, str], Value] = {}
        self.relied: dict[tuple[Atom, str], dict[int, tuple[Any, ...]]] = {}
        self.unread: dict[str, str] = {}
        self.unknown: dict[int, dict[tuple[int, str], None]] = {}
        self.summaries = summaries
        self.judged = judged
        self._refused = refused
        self._trusted = tuple(f"{name}." for name in trusted)
        self.contexts: dict[Atom, dict[Any, Context]] = {}
        self.variants: dict[Atom, dict[Any, int]] = {}
        self.shared: dict[tuple[Atom, str], Value] = {}
        self.origins: dict[tuple[str, str], tuple[str, str]] = {}
        self.second_names: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
        self.computing: set[str] = set()
        self.missed: set[str] = set()
        self.readings: list[tuple[int, End, str]] = []
        self.texts: set[int] = set()
        self.handed: list[tuple[int, End, int]] = []
        self.making = Making()
        self.former: dict[Atom, list[Context]] = {}
        self.full = False
        """Whether so much is reached that what some calls give counts as unknown."""
        self.deep = False
        """Whether something that can matter was given by a call that lay so deep that it counted as unknown."""
        self._depth = 0
        self.waiting: list[tuple[Any, ...]] = []
        """Runs of functions that were put off."""

    # modules

    def module(self, name: str) -> Module:
        """Return a module, its body run (or running, in a circle of imports)."""
        module = self.modules.get(name)
        if module is None:
            module = self._load(name, self.finder.find(name))
        return module

    def _load(self, name: str, found: Found) -> Module:
        source = self.table.sources.get(name) if found.kind in {"builtin", "missing"} else None
        if source is not None and self.finder.find(source).path:
            self.modules[name] = module = self.module(source)
            return module
        module = Module(name, found, self.graph.add(name, "", 1), judged=name in self.judged)
        self.modules[name] = module
        if found.kind in {"native", "missing"} and self.table.about(name) is None:
            why = self._why_not(found.path) if found.kind == "native" else "not installed"
            if why:
                self.unread[name] = why
            else:
                self.computing.add(name)
        if found.kind in {"native", "missing", "builtin", "folder"}:
            module.done = True
            return module
        summary = self.summaries(found.path)
        if isinstance(summary, str):
            self.unread[name] = summary
            module.done = True
            return module
        module.source = partial(self.summary_of, found.path)
        if module.judged:
            module.called_only = called_only(summary)
        file, package = ("kind", "builtins.str"), module.package
        module.names |= {"__name__": frozenset({("k", "str", name)}), "__package__": frozenset({("k", "str", package)})}
        module.names["__file__"] = frozenset({("obj", file[1])})
        self.run_block(Frame(module, module.point, module.names), summary.body)
        module.done = True
        return module

    def summary_of(self, path: str) -> Summary:
        """Return the summary of a file that could be read.

        Raises:
            FileError: ``X07IO_READ`` if it no longer can.
        """
        summary = self.summaries(path)
        if isinstance(summary, str):
            raise FileError("X07IO_READ", summary, where=path, hint="check again; something changed it meanwhile")
        return summary

    def load_first(self, name: str, items: tuple[str, ...]) -> None:
        """Load a module that is none of the project's, as ``from name import items`` does."""
        above = ""
        for part in name.split("."):
            here = f"{above}.{part}" if above else part
            self.module(here)
            if above:
                self.modules[above].names[part] = frozenset({("mod", here)})
            if here in self.unread or f"{here}.".startswith(self._trusted):
                return
            above = here
        for item in items:
            if item not in self.modules[name].names:
                self.load_first(f"{name}.{item}", ())

    def _why_not(self, path: str) -> str:
        """Return why an extension module counts as not read; empty if its symbols show that it only computes."""
        bound = self.summaries.native(path)
        if bound is None:
            return "an extension module, not in the table"
        return f"an extension module, not in the table; it may call {bound}" if not bound.nothing else ""

    def import_module(self, frame: Frame, line: int, name: str) -> Module:
        """Import a module and the packages above it, as an import statement does."""
        parts = name.split(".")
        module = None
        for length in range(1, len(parts) + 1):
            here = ".".join(parts[:length])
            fresh = here not in self.modules
            module = self.module(here)
            if not frame.module.name.startswith(f"{here}.") or fresh:
                self.edge(frame, line, module.point)
            if length > 1:
                self.modules[".".join(parts[: length - 1])].names[parts[length - 1]] = frozenset({("mod", here)})
            if here in self._refused and frame.module.own:
                self.end(frame, line, *self._refused[here])
            if f"{here}.".startswith(self._trusted):
                return module
            if here in self.unread and (frame.module.own or self.unread[here] != "not installed"):
                self.end(frame, line, "unread", here, f"could not be read: {self.unread[here]}")
                return module
        assert module is not None  # noqa: S101 (a name has a part)
        return module

    # what happens

    def edge(self, frame: Frame, line: int, target: int) -> None:
        """Note that a frame calls a point."""
        self.graph.call(frame.point, target, line, each=frame.module.own)

    def end(self, frame: Frame, line: int, capability: str, name: str, reason: str) -> None:
        """Note that a frame reaches a primitive."""
        self.graph.points[frame.point].ends.setdefault(End(line, capability, name, reason))

    def unresolved(self, frame: Frame, line: int, what: str) -> None:
        """Note a call that nobody can follow."""
        if frame.module.own:
            self.unknown.setdefault(frame.point, {})[line, what] = None

    # functions

    def function(self, atom: Atom) -> Function:
        """Return the summary of a function."""
        summary = self.modules[atom[1]].summary
        assert summary is not None  # noqa: S101 (only modules with one make functions)
        return summary.functions[atom[2]]

    def generic(self, atom: Atom, owner: Atom | None = None, this: Value = NOTHING) -> int:
        """Return the point of a function that is called with anything."""
        return self._context(atom, None, [this] if this else [], {}, owner).point

    def calls_of(self, atom: Atom) -> list[int]:
        """Return the points of a function, one for each kind of arguments that it was called with."""
        return [one.point for one in (*self.contexts.get(atom, {}).values(), *self.former.get(atom, ()))]

    def forget(self, function: Atom, key: Any) -> None:
        """Have a function run anew when it is called again in this way; constructors are not."""
        if self.function(function).name.rpartition(".")[2] not in _CONSTRUCTORS:
            context = self.contexts[function].pop(key, None)
            if context is not None:
                self.former.setdefault(function, []).append(context)

    def invoke(
        self,
        frame: Frame,
        line: int,
        atom: Atom,
        args: list[Value],
        kwargs: dict[str, Value],
        owner: Atom | None = None,
    ) -> Value:
        """Call a function of known source and return what it gives."""
        function = self.function(atom)
        bound = self._bind(function, args, kwargs)
        key = frozenset(bound.items()), owner
        if len(self.contexts.get(atom, ())) >= _CONTEXTS and (key not in self.contexts[atom]):
            this = {function.params[0]: args[0]} if owner and args and function.params else {}
            context = self._context(atom, None, [], this, owner)
        else:
            context = self._context(atom, key, [], bound, owner)
        self.edge(frame, line, context.point)
        if "g" in function.flags and "a" not in function.flags:
            return context.result or seq("gen", UNKNOWN)
        found = context.result if context.done or context.result else UNKNOWN
        self.text_of_own(frame, line, atom, context.point, bound, found)
        return found

    def _context(
        self, atom: Atom, key: Any, first: list[Value], bound: dict[str, Value], owner: Atom | None
    ) -> Context:
        contexts = self.contexts.setdefault(atom, {})
        context = contexts.get(key)
        if context is None:
            function = self.function(atom)
            context = contexts[key] = Context(self.graph.add(atom[1], function.name, function.line))
            if self._depth >= _DEPTH or len(self.graph.points) > _MOST_POINTS:
                context.result = UNKNOWN
                self.full = self.full or len(self.graph.points) > _MOST_POINTS
                self.waiting.append((atom, context, first, bound, owner))
            else:
                self.run_begins()
                with self.anytime() if set(function.flags) & {"a", "g"} else nullcontext():
                    self._run(atom, context, first, bound, owner)
                context.sets = self.run_ends(atom, key)
        elif self.making.fresh:
            self.run_repeats(context.sets, done=context.done)
        return context

    def again(self, run: tuple[Any, ...]) -> None:
        """Run a function once more, since what it relied on became something else."""
        context = run[1]
        if not context.waits and context.runs < _MOST_RUNS and len(self.graph.points) <= _MOST_POINTS:
            context.waits = True
            self.waiting.append(run)

    def settle(self) -> None:
        """Run what was put off because calls were too deep, and note what counts only now that all calls are known."""
        while self.waiting:
            atom, context, *rest = self.waiting.pop()
            late = not context.runs
            self._run(atom, context, *rest)
            self.deep = self.deep or (late and any(one[0] != "k" and one not in LOOSE for one in context.result))
        called = {self.name_of(atom) for atom in self.contexts} if self.readings else set()
        for point, end, maker in self.readings:
            if maker in called:
                self.graph.points[point].ends.setdefault(end)
        leading = self.graph.leading(self.texts) if self.handed else set()
        for point, end, callee in self.handed:
            if callee in leading:
                self.graph.points[point].ends.setdefault(end)

    def _run(self, atom: Atom, context: Context, first: list[Value], bound: dict[str, Value], owner: Any) -> None:
        function = self.function(atom)
        module = self.modules[atom[1]]
        names = dict(zip(function.params, first, strict=False)) | bound
        scope = Scope(dict(names), atom, owner)
        self.scopes.append(scope)
        frame = Frame(module, context.point, names, function, len(self.scopes) - 1, atom[3], owner)
        frame.run = atom, context, first, bound, owner
        context.runs += 1
        context.waits = False
        self._depth += 1
        for name in (*function.params, function.star, function.stars):
            if name and names.get(name) == frozenset({("default", name)}):
                names[name] = scope.names[name] = self._default(frame, function.defaults[name])
            if name and name not in names:
                value = self._parameter(frame, function, name)
                names[name] = scope.names[name] = value
        if module.found.kind in _ANNOTATED_WELL:
            self._told_by_annotations(frame, function, scope)
        ends = self.run_block(frame, function.body)
        self._depth -= 1
        if frame.yields:
            found = seq("gen", join(*frame.yields))
        else:
            found = join(*frame.result, *([] if ends else [NONE])) if frame.result or not ends else NOTHING
        if ANY in found and (kind := function.kinds.get("return")):
            found = join(found, self._of_self(frame, kind) or self.annotated(frame, kind))
        context.result = found
        context.done = True

    def _of_self(self, frame: Frame, kind: Any) -> Value:
        """Return the object, or an object of the class, that a method was called on which is annotated to give one."""
        if kind[0] not in {"name", "attr"} or kind[-1] != "Self" or not frame.function or not frame.function.params:
            return NOTHING
        this = frame.names.get(frame.function.params[0], NOTHING)
        return join(*(frozenset({one}) if one[0] == "inst" else self.instance_of(one) for one in this))

    def _told_by_annotations(self, frame: Frame, function: Function, scope: Scope) -> None:
        """Take for a parameter of a library that was given nobody knows what an object of the class it is annotated as.

        Abstract classes and protocols say too little for that.
        """
        for name, kind in function.kinds.items():
            if frame.names.get(name, NOTHING) and frame.names[name] <= _ANYTHING:
                found = self.annotated(frame, kind)
                default = function.defaults.get(name, ("", 0))
                if found and not any(atom[0] == "inst" and self.classes[atom[1]].meta for atom in found):
                    found = join(found, const(default[2]) if default[0] == "const" else NOTHING)
                    frame.names[name] = scope.names[name] = found

    def _parameter(self, frame: Frame, function: Function, name: str) -> Value:
        """Return what a parameter is that nothing was given for: its default, what it is annotated as, anything."""
        if name == function.star:
            return seq("tuple", UNKNOWN)
        if name == function.stars:
            return UNKNOWN
        if name == "record" and frame.owner is not None and (record := self._log_record(frame.owner)):
            return record
        default = function.defaults.get(name)
        found = [UNKNOWN if default is not None else GIVEN]
        if default is not None:
            found.append(self._default(frame, default))
        if kind := function.kinds.get(name):
            named = self.annotated(frame, kind)
            if named and ANY not in named:
                found = [*found[1:], named]
        return join(*found)

    def _log_record(self, owner: Atom) -> Value:
        """Return a log record, if a class is a handler, filter or formatter of `logging`, whose methods take one."""
        if not any(one[:2] == ("cls", "logging") for one in self.classes[owner].order if owner in self.classes):
            return NOTHING
        return join(*(self.instance_of(atom) for atom in self.modules["logging"].names.get("LogRecord", NOTHING)))

    def _default(self, frame: Frame, node: Any) -> Value:
        """Return a default, which is worked out where the function is made; its effects count there."""
        place = Frame(frame.module, self.graph.add(frame.module.name, "", 0), {}, outer=frame.outer)
        if frame.outer:
            place.scope = frame.outer
        if frame.owner is not None and frame.owner in self.classes:
            place.names = dict(self.classes[frame.owner].names)
        return self.value(place, node)

    def _bind(self, function: Function, args: list[Value], kwargs: dict[str, Value]) -> dict[str, Value]:
        """Return the parameters that a call gives a value; None in `kwargs` stands for what nobody can tell."""
        star = "*" in kwargs
        bound: dict[str, Value] = dict(zip(function.params[: function.positional], args, strict=False))
        if function.star and not star:
            rest_of = args[function.positional :]
            bound[function.star] = parts_of(*rest_of)
        rest = {}
        for name, value in kwargs.items():
            if name in function.params:
                bound[name] = value
            elif name != "*":
                rest[name] = value
        if function.stars and not star:
            pairs = tuple(sorted(rest.items()))
            bound[function.stars] = mapping(join(*map(const, rest)), join(*rest.values()), "", pairs)
        if not star:
            for name in function.defaults:
                if name not in bound:
                    bound[name] = self._given_default(function, name)
        return bound

    def _given_default(self, function: Function, name: str) -> Value:
        node = function.defaults[name]
        if node[0] == "const":
            return frozenset({("k", type(node[2]).__name__, node[2])})
        return frozenset({("default", name)})
