"""Calls: arguments, callables that are passed on, objects that are made, primitives that are reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.effects.builtin_calls import BuiltinCalls
from x07py.effects.dicts import FILLING, changed, either
from x07py.effects.evaluate import Evaluate
from x07py.effects.instances import Instances
from x07py.effects.moments import Moments
from x07py.effects.reaching import Reaching
from x07py.effects.summary import takes
from x07py.effects.values import (
    LOOSE,
    NONE,
    NOTHING,
    SAID,
    TOLD,
    UNKNOWN,
    Atom,
    Value,
    atoms,
    elements,
    is_set,
    is_unordered,
    join,
    known_parts,
    says_now,
    seq,
    text_of,
)

if TYPE_CHECKING:
    from x07py.effects.state import Frame
    from x07py.effects.summary import Node

_KEEPS_QUIET = {
    "builtins.isinstance", "builtins.issubclass", "builtins.hasattr", "builtins.callable", "builtins.property",
    "builtins.staticmethod", "builtins.classmethod", "builtins.type", "builtins.getattr", "builtins.vars",
    "_functools.partial", "functools.partial", "functools.wraps", "functools.update_wrapper", "functools.lru_cache",
    "functools.cache", "functools.singledispatch", "functools.partialmethod", "functools.total_ordering",
    "typing.cast", "typing.overload", "typing.TypeVar", "typing.NewType", "contextlib.contextmanager",
    "contextlib.asynccontextmanager", "dataclasses.dataclass", "atexit.register", "posix.register_at_fork",
    "copyreg.pickle", "copyreg.constructor", "_codecs.register", "_codecs.register_error", "builtins.super",
    "inspect.signature", "warnings.warn", "builtins.id", "builtins.repr", "builtins.dir", "abc.abstractmethod",
    "builtins.NotImplementedError", "builtins.TypeError", "builtins.ValueError", "builtins.RuntimeError",
}  # fmt: skip
"""Calls that do not call what they are given, or whose result does when it is called."""
_GROWING = {"append": 0, "extend": 0, "insert": 1, "add": 0, "update": 0, "appendleft": 0, "extendleft": 0}
_FIELDS = {"dataclasses.field", "attr._next_gen.field", "attr._make.attrib"}
_FACTORIES = {"default_factory", "factory"}
_MOST_NAMED = 8
"""More functions than so many are the items of a table, and no function that a library's code names."""
_VIEWS = {"keys", "items"}
"""Methods that hardly anything but a dict has; what they give is a set to operators."""
_NO_ORDER = {
    "builtins.len", "builtins.sorted", "builtins.set", "builtins.frozenset", "builtins.sum", "builtins.any",
    "builtins.all", "builtins.bool", "builtins.isinstance", "builtins.min", "builtins.max", "builtins.list",
    "builtins.tuple", "builtins.iter", "builtins.enumerate", "builtins.zip", "builtins.map", "builtins.filter",
    "builtins.dict", "builtins.reversed", "builtins.id", "builtins.type", "builtins.hash", "builtins.callable",
    "math.fsum", "collections.Counter",
}  # fmt: skip
_OF_MANY_SETS = {"union", "intersection", "difference", "update", "difference_update", "intersection_update"}
"""Methods of sets for which the order of what they are given is nothing."""


class Calls(Evaluate, BuiltinCalls, Reaching, Moments, Instances):
    """What calling does."""

    def called(self, frame: Frame, node: Node) -> Value:
        """Evaluate a call expression."""
        _, line, func, arguments, keywords = node
        receiver: Value = NOTHING
        if func[0] == "attr":
            receiver = self.value(frame, func[2])
            self.use(frame, line, receiver)
            callee = self.resolved(frame, line, self.attribute(frame, line, receiver, func[3]))
        else:
            callee = self.value(frame, func)
        names = {self.name_of(atom) for atom in callee}
        followed = all(atom[0] in {"fn", "bound", "cls"} for atom in callee)
        ordered = not names <= _NO_ORDER and not (func[0] == "attr" and func[3] in _OF_MANY_SETS)
        how = _KEEPS_QUIET.isdisjoint(names), followed, not _FIELDS.isdisjoint(names), ordered
        args, kwargs = self._arguments(frame, line, arguments, keywords, how)
        self._handed_over(frame, line, callee, [*args, *kwargs.values()])
        if receiver and func[3] in _GROWING and self._grows(frame, line, func, receiver, args):
            return frozenset({("k", "NoneType", None)})
        if receiver and frame.module.own and callee & LOOSE:
            self.missed.add(func[3])
        if receiver and (receiver <= LOOSE or callee <= LOOSE):
            self._guess(frame, line, func, args, kwargs)
            if func[3] in _VIEWS and not arguments and not keywords and frame.module.own:
                return seq("view", UNKNOWN)
        elif callee & LOOSE or not callee:
            self.unresolved(frame, line, _shown(func))
        made = self.call_atoms(frame, line, callee, args, kwargs)
        if func[0] == "attr" and func[3] in FILLING and any(a[0] == "map" for a in receiver):
            own = func[2][0] == "name" and func[2][2] in frame.names
            after = {atom: changed(atom, func[3], args, kwargs) for atom in receiver}
            kept = frozenset(one if own else either(atom, one) for atom, one in after.items())
            self.keep(frame, func[2], receiver, kept)
        return made

    def _arguments(
        self,
        frame: Frame,
        line: int,
        arguments: tuple[Node, ...],
        keywords: tuple[Any, ...],
        how: tuple[bool, bool, bool, bool],
    ) -> tuple[list[Value], dict[str, Value]]:
        """Work out arguments.

        Args:
            frame: where the call stands.
            line: of the call.
            arguments: by place.
            keywords: by name.
            how: whether handing over a callable counts as calling it, whether the callee is followed, whether it makes
                a field of a class, and whether the order of arguments can show.
        """
        passing, followed, fields, ordered = how
        args: list[Value] = []
        kwargs: dict[str, Value] = {}
        for node in arguments:
            value = self.value(frame, node)
            if node[0] == "star" and (parts := known_parts(value)) is not None and "*" not in kwargs:
                args += parts
                continue
            if node[0] == "star":
                inside, loose = elements(value)
                if loose and ordered:
                    self.comes_out(frame, line, "arguments in the order of a set")
                kwargs["*"] = join(kwargs.get("*", NOTHING), inside)
                continue
            if "*" not in kwargs:
                args.append(value)
            if passing:
                self.mention(frame, line, self._passed(frame, value) if followed else value, node)
        for name, node in keywords:
            value = self.value(frame, node)
            if name is None:
                kwargs |= self._spread(value)
                continue
            kwargs[name] = value
            if frame.body is not None and name == "repr" and fields:
                frame.body.hides = self.truth(value) is False
            if frame.body is not None and name in _FACTORIES and fields:
                frame.body.factory = line, value
            elif passing:
                self.mention(frame, line, self._passed(frame, value) if followed else value, node)
        return args, kwargs

    @staticmethod
    def _passed(frame: Frame, value: Value) -> Value:
        """Leave out functions made here and those of a table: what they are given to is followed, and may call them."""
        found = frozenset(atoms(value))
        if not frame.judged and len(found) > _MOST_NAMED:
            return frozenset(atom for atom in found if atom[0] != "fn")
        return frozenset(atom for atom in found if atom[0] != "fn" or not atom[3] or atom[3] != frame.scope)

    @staticmethod
    def _spread(value: Value) -> dict[str, Value]:
        if len(value) == 1:
            (atom,) = value
            if atom[0] == "map" and atom[4] and all(isinstance(key, str) for key, _ in atom[4]):
                return dict(atom[4])
        return {"*": UNKNOWN}

    def _handed_over(self, frame: Frame, line: int, callee: Value, given: list[Value]) -> None:
        """Note what comes out by being handed to something that may look at its order or address."""
        if not frame.module.own or all(self.name_of(atom) in _NO_ORDER for atom in atoms(callee)):
            return
        for value in given:
            if is_unordered(value) and not is_set(value) and not all(a[0] in {"fn", "meth"} for a in callee):
                self.escape(frame, line, value)

    def _grows(self, frame: Frame, line: int, func: Node, receiver: Value, args: list[Value]) -> bool:
        """Follow what a list or set of this function takes in, and in which order."""
        if not receiver or any(atom[0] != "seq" for atom in atoms(receiver)) or not args:
            return False
        at = _GROWING[func[3]]
        value = args[at] if at < len(args) else UNKNOWN
        many = func[3] in {"extend", "update", "extendleft"}
        inside, loose = elements(value) if many else (value, False)
        grown = frozenset(
            ("seq", atom[1], join(atom[2], inside), "?" if atom[1] == "set" or loose or frame.loops else atom[3])
            for atom in receiver
        )
        self.keep(frame, func[2], receiver, grown)
        return True

    def _guess(self, frame: Frame, line: int, func: Node, args: list[Value], kwargs: dict[str, Value]) -> None:
        """Take for an unknown receiver the classes that the module names and that have a method for such a call."""
        self.unresolved(frame, line, _shown(func))
        if not frame.module.own or func[0] != "attr":
            return
        row = self.table.about(f"?.{func[3]}")
        if row is not None and row.capability and self.counts(frame, row, args, {}):
            self.end(frame, line, row.capability, f"….{func[3]}", row.reason)
        for value in list(frame.module.names.values()):
            for atom in atoms(value):
                if atom[0] == "cls" and not self.modules[atom[1]].own:
                    for found in atoms(self.class_attribute(atom, func[3])):
                        if found[0] == "fn" and takes(self.function(found), 1 + len(args), kwargs):
                            this = frozenset({("inst", atom, None)})
                            self.call_atoms(frame, line, frozenset({found}), [this], {"*": UNKNOWN})

    def _by_name(self, frame: Frame, line: int, atom: Atom, this: Value) -> Value:
        """Take the attribute that an `attrgetter` names, or call the method that a `methodcaller` names."""
        known = text_of(atom[1])
        if known is None:
            found = self.fitting(frame, line, this, atom[1])
            if found is None:
                self.unresolved(frame, line, "attrgetter" if atom[0] == "getter" else "methodcaller")
                return UNKNOWN
        else:
            if atom[0] == "caller" and this & LOOSE:
                self._guess(frame, line, ("attr", line, ("", line, ""), known), list(atom[2]), dict(atom[3]))
            found = this
            for name in known.split(".") if atom[0] == "getter" else (known,):
                found = self.attribute(frame, line, found, name)
        return found if atom[0] == "getter" else self.call_atoms(frame, line, found, list(atom[2]), dict(atom[3]))

    # what is called

    def call_atoms(self, frame: Frame, line: int, callee: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Call each thing that a value can be."""
        found = [self._one(frame, line, atom, args, kwargs) for atom in atoms(callee)]
        return join(*found) if found else UNKNOWN

    def _one(self, frame: Frame, line: int, atom: Atom, args: list[Value], kwargs: dict[str, Value]) -> Value:
        kind = atom[0]
        if kind == "fn":
            special = self._known(frame, line, self.name_of(atom), args, kwargs)
            self._unseeded(frame, line, atom, args, kwargs)
            return self.invoke(frame, line, atom, args, kwargs) if special is None else special
        if kind == "bound":
            return self._method(frame, line, atom, args, kwargs)
        if kind == "cls":
            name = self.name_of(atom)
            special = self._known(frame, line, name, args, kwargs)
            if special is not None:
                return special
            return self.given_zone(name, None, args, kwargs, self.instantiate(frame, line, atom, args, kwargs))
        if kind == "prim":
            return self.primitive(frame, line, atom[1], args, kwargs)
        if kind == "meth":
            return self.method(frame, line, atom, args, kwargs)
        if kind == "inst":
            return self.magic(frame, line, frozenset({atom}), "__call__", args) or UNKNOWN
        if kind in {"getter", "caller"}:
            return self._by_name(frame, line, atom, args[0]) if args else UNKNOWN
        if kind == "k":
            return NOTHING
        if kind == "part":
            return self.call_atoms(frame, line, atom[1], [*atom[2], *args], {**dict(atom[3]), **kwargs})
        return TOLD if atom == SAID or any(map(says_now, args)) else UNKNOWN

    def _method(self, frame: Frame, line: int, atom: Atom, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Call a method of an object or a class."""
        _, function, this, owner = atom
        given = args if this is None else [frozenset({this}), *args]
        if function[0] != "fn":
            return self._one(frame, line, function, given, kwargs)
        name = self.name_of(function)
        self._unseeded(frame, line, function, given, kwargs)
        special = self._known(frame, line, name, args, kwargs)
        special = self.zoned(name, this, args, kwargs) if special is None else special
        special = self.tallied(frame, line, name, this, args) if special is None else special
        if special is not None:
            return special
        return self.given_zone(name, this, args, kwargs, self.invoke(frame, line, function, given, kwargs, owner))

    def _unseeded(self, frame: Frame, line: int, function: Atom, args: list[Value], kwargs: dict[str, Value]) -> None:
        """Note a function of a library that was not given the seed that it asks for."""
        module = self.modules[function[1]]
        if not frame.module.own or module.found.kind != "installed" or "*" in kwargs:
            return
        row = self.function(function)
        for at, name in enumerate(row.params):
            if name in _SEEDS and row.defaults.get(name, ("",))[::2] == ("const", None):
                given = args[at] if at < min(len(args), row.positional) else kwargs.get(name, NONE)
                if given == NONE:
                    full = self.name_of(function)
                    self.end(frame, line, "randomness", full, f"draws from a generator that nobody seeded; give {name}")

    def _known(self, frame: Frame, line: int, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value | None:
        """Return what a function gives that is known better than its source says, or None."""
        self.written(frame, line, name, args, kwargs)
        if name in self.table.filters:
            self.filtered(frame, line, self.table.filters[name], args, kwargs)
        row = self.table.rows.get(name)
        if row is not None and row.capability and self.counts(frame, row, args, kwargs):
            self.end(frame, line, row.capability, name, row.reason)
            return UNKNOWN
        return self.intercepted(frame, line, name, args, kwargs)

    def magic(self, frame: Frame, line: int, value: Value, name: str, args: list[Value]) -> Value:
        """Call a special method of the objects in a value; nothing if none has it."""
        found: list[Value] = []
        for atom in atoms(value):
            if atom[0] != "inst":
                continue
            for method in atoms(self.class_attribute(atom[1], name)):
                if method[0] == "fn":
                    owner = self._owner(atom[1], name)
                    made = self.invoke(frame, line, method, [frozenset({atom}), *args], {}, owner)
                    found.append(self.given_zone(self.name_of(method), atom, args, {}, made))
                elif method[0] in {"bound", "part", "inst"}:
                    found.append(self.call_atoms(frame, line, frozenset({method}), args, {}))
        return join(*found) if found else NOTHING

    def iterated(self, frame: Frame, line: int, value: Value) -> Value:
        """Return what goes through a value, with what its ``__iter__`` and ``__next__`` reach."""
        self.use(frame, line, value)
        objects = frozenset(atom for atom in atoms(value) if atom[0] == "inst")
        classes = frozenset(atom for atom in atoms(value) if atom[0] == "cls" and self.classes[atom].meta)
        if stepped := join(*(self._each_of_class(frame, line, atom) for atom in atoms(classes))):
            value = join(value - classes, stepped)
        if not objects:
            return value
        if any(map(self.is_tally, objects)):
            return seq("gen", UNKNOWN, "?")
        for name in ("__iter__", "__aiter__"):
            stepped = self.magic(frame, line, objects, name, [])
            steps = self.magic(frame, line, stepped or objects, "__next__" if name == "__iter__" else "__anext__", [])
            value = join(value, frozenset(a for a in stepped if a[0] == "seq"), seq("gen", steps) if steps else NOTHING)
        kept = [one[2] for this in objects if self._inherited_list(this) for one in self.items_of(this)]
        return join(value - objects, seq("gen", join(*kept, UNKNOWN)) if kept else NOTHING) or UNKNOWN

    def _inherited_list(self, this: Atom) -> bool:
        """Tell whether an object is of a class that is made from a list."""
        return ("prim", "builtins.list") in self.classes[this[1]].order

    def _each_of_class(self, frame: Frame, line: int, atom: Atom) -> Value:
        """Return what going through a class gives whose metaclass says how."""
        metas = [meta for meta in atoms(self.classes[atom].meta) if meta[0] == "cls"]
        steps = [(meta, one) for meta in metas for one in atoms(self.class_attribute(meta, "__iter__"))]
        this: Value = frozenset({atom})
        found = [
            self.invoke(frame, line, one, [this], {}, self._owner(meta, "__iter__"))
            for meta, one in steps
            if one[0] == "fn"
        ]
        return join(*found)

    def entered(self, frame: Frame, line: int, value: Value) -> Value:
        """Return what a ``with`` statement binds."""
        found: list[Value] = []
        for atom in atoms(value):
            if atom[0] == "inst":
                one = frozenset({atom})
                inside = self.magic(frame, line, one, "__enter__", []) or self.magic(frame, line, one, "__aenter__", [])
                found.append(inside or UNKNOWN)
            elif atom[0] == "seq":
                found.append(atom[2])
            else:
                found.append(frozenset({atom}))
        return join(*found) if found else UNKNOWN


_SEEDS = {"seed", "random_state", "rng"}
"""Names by which libraries ask for a seed; None asks for a generator that nobody seeded."""


def _shown(node: Node) -> str:
    """Return a short text of what is called."""
    if node[0] == "attr":
        return f"{_shown(node[2])}.{node[3]}"
    return str(node[2]) if node[0] == "name" else "…"
