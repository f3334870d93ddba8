"""Functions that look at names, kinds and modules, and those that make functions of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.effects.parts import Arguments, Named, Parts
from x07py.effects.primitives import real
from x07py.effects.texts import fits, is_part
from x07py.effects.values import (
    ANY,
    NOTHING,
    UNKNOWN,
    Atom,
    Value,
    atoms,
    boolean,
    const,
    constants,
    elements,
    held,
    join,
    text_of,
)

if TYPE_CHECKING:
    from x07py.effects.state import Frame

_MOST_NAMES = 60
_ROUNDS = 2
"""How often a reduction is gone through, so that it meets what it made itself."""
_DYNAMIC_IMPORT = "an import by a name that only a run can tell; import by a constant name"


class Reflection(Parts):
    """One method a function; each returns what the function gives."""

    def _isinstance(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if len(args) < 2:
            return boolean(None)
        answers = {self.is_kind(atom, args[1]) for atom in args[0]}
        return boolean(answers.pop() if len(answers) == 1 else None)

    def _callable(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        answers = {self._is_callable(atom) for atom in args[0]} if args else {None}
        return boolean(answers.pop() if len(answers) == 1 else None)

    def _is_callable(self, atom: Atom) -> bool | None:
        if atom[0] in {"fn", "cls", "bound", "meth", "part"}:
            return True
        if atom[0] == "inst":
            return self.has(atom, "__call__")
        return False if atom[0] in {"k", "seq", "map", "mod"} else None

    def _hasattr(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        name = text_of(args[1]) if len(args) > 1 else None
        answers = {self.has(atom, name) if name else None for atom in args[0]} if args else {None}
        return boolean(answers.pop() if len(answers) == 1 else None)

    def has(self, atom: Atom, name: str) -> bool | None:
        """Tell whether something has an attribute, or None if that is not known."""
        if atom[0] == "inst":
            if self.class_attribute(atom[1], name) or (atom, name) in self.attributes:
                return True
            state = self.classes[atom[1]]
            things = [real(one[1]) for one in state.order if one[0] == "prim"]
            if not state.closed or None in things or self.class_attribute(atom[1], "__getattr__"):
                return None
            return any(hasattr(thing, name) for thing in things)
        made = self.type_of(atom)
        return hasattr(made, name) if made is not None and atom[0] in {"k", "obj", "seq", "map"} else None

    def _getattr(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        names = constants(args[1]) if len(args) > 1 else None
        default = args[2] if len(args) > 2 else NOTHING
        if names is None or len(names) > _MOST_NAMES:
            fitting = self.fitting(frame, line, args[0], args[1]) if len(args) > 1 else None
            if fitting is None:
                self._computed_attribute(frame, line, args)
                return UNKNOWN
            value = join(fitting, default)
            self.use(frame, line, value)
            return value
        found = [self.attribute(frame, line, args[0], name) for name in names if isinstance(name, str)]
        value = join(*found, default) if found else UNKNOWN
        self.use(frame, line, value)
        return value

    def fitting(self, frame: Frame, line: int, base: Value, name: Value) -> Value | None:
        """Return what attributes can be meant by a name of which an end is known.

        Returns:
            all attributes of that name that an object has; None if the object or both ends are not known, or if so
            many fit that the name says nothing.
        """
        if not is_part(name) or not base or not all(map(self._shows_names, base)):
            return None
        found = [(atom, one) for atom in atoms(base) for one in sorted(self._names_of(atom)) if fits(one, name)]
        if len(found) > _MOST_NAMES:
            return None
        return join(*(self.attribute(frame, line, frozenset({atom}), one) for atom, one in found))

    def _shows_names(self, atom: Atom) -> bool:
        """Tell whether all names of something's attributes are known."""
        if atom[0] in {"inst", "cls"}:
            cls = atom[1] if atom[0] == "inst" else atom
            return self.classes[cls].closed and not self.class_attribute(cls, "__getattr__")
        if atom[0] != "mod":
            return False
        module = self.modules.get(atom[1])
        return real(atom[1]) is not None or (module is not None and module.source is not None)

    def _names_of(self, atom: Atom) -> set[str]:
        """Return the names of an object's, class's or module's attributes."""
        if atom[0] == "mod":
            module = self.modules.get(atom[1])
            known = set(module.names) if module is not None else set()
            return known if module is not None and module.source is not None else known | set(dir(real(atom[1])))
        cls = atom[1] if atom[0] == "inst" else atom
        names = {name for key, name in self.attributes if key in {atom, cls}}
        for one in self.classes[cls].order:
            names.update(self.classes[one].names if one in self.classes else dir(real(one[1])))
        return names

    def _computed_attribute(self, frame: Frame, line: int, args: Arguments) -> None:
        modules = [atom[1] for atom in atoms(args[0]) if atom[0] == "mod"] if args else []
        if modules and frame.module.own and not frame.module.name.startswith(modules[0]):
            reason = "an attribute whose name only a run can tell; name it as a constant"
            self.end(frame, line, "dynamic", f"getattr({modules[0]}, …)", reason)

    def _setattr(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        name = text_of(args[1]) if len(args) > 1 else None
        if name and len(args) > 2:
            self.set_attribute(args[0], name, args[2])
        return const(None)

    def _vars(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        found = (
            [frozenset({("vars", atom[1])}) if atom[0] == "mod" else UNKNOWN for atom in atoms(args[0])] if args else []
        )
        return join(*found) if found else UNKNOWN

    def _globals(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        return frozenset({("vars", frame.module.name)})

    def _type(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if len(args) != 1:
            return UNKNOWN
        found = []
        for atom in atoms(args[0]):
            made = self.type_of(atom)
            if atom[0] == "inst":
                found.append(frozenset({atom[1]}))
            elif atom[0] == "cls" and self.classes[atom].meta:
                found.append(self.classes[atom].meta)
            else:
                known = made is not None and made.__module__ == "builtins"
                found.append(frozenset({("prim", f"builtins.{made.__name__}")}) if known else UNKNOWN)
        return join(*found)

    def _super(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        owner, function, number = frame.owner, frame.function, frame.outer
        names = frame.names
        if len(args) == 2:
            owners, this = [a for a in args[0] if a[0] == "cls"], args[1]
            owner = owners[0] if owners else owner
        else:
            while (
                function is not None and number and (not function.params or function.params[0] not in {"self", "cls"})
            ):
                scope = self.scopes[number]
                assert scope is not None  # noqa: S101 (only number 0 has none)
                function, number = self.function(scope.function), scope.outer
                names, owner = scope.names, scope.owner or owner
            this = names.get(function.params[0], NOTHING) if function is not None and function.params else NOTHING
        made = frozenset(("super", owner, one) for one in this if one[0] in {"inst", "cls"})
        return made if owner is not None and made else UNKNOWN

    # modules by name

    def _import(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        names = constants(args[0]) if args else constants(kwargs.get("name", UNKNOWN))
        if names is None:
            if not any(atom[0] == "k" for atom in atoms(args[0])) if args else True:
                self.end(frame, line, "dynamic", "import ?", _DYNAMIC_IMPORT)
                return UNKNOWN
            names = [atom[2] for atom in atoms(args[0]) if atom[0] == "k"]
        package = text_of(args[1] if len(args) > 1 else kwargs.get("package", NOTHING))
        wanted = [name for name in names if isinstance(name, str) and name]
        found = [self._one_import(frame, line, name, package) for name in wanted]
        return join(*found) if found else UNKNOWN

    def _one_import(self, frame: Frame, line: int, name: str, package: str | None) -> Value:
        base = name.partition(":")[0]
        level = len(base) - len(base.lstrip("."))
        if level:
            parts = (package or frame.module.package).split(".")
            base = ".".join([*parts[: len(parts) - level + 1], base[level:]]).rstrip(".")
        module = self.import_module(frame, line, base)
        value: Value = frozenset({("mod", module.name)})
        for part in name.partition(":")[2].split(".") if ":" in name else ():
            value = self.attribute(frame, line, value, part)
        return value

    def _dunder_import(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        found = self._import(frame, line, args[:1], kwargs)
        if len(args) > 3 and self.truth(args[3]) is not False:
            return found
        tops = {name.partition(".")[0] for name in constants(args[0]) or () if isinstance(name, str)} if args else set()
        return frozenset(("mod", name) for name in tops if name in self.modules) or found

    # functions of functions

    def _partial(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if not args:
            return UNKNOWN
        return frozenset({("part", held(args[0]), *_held(args[1:], kwargs))})

    def _wrapped(self, frame: Frame, line: int, args: Arguments, kwargs: Named, *, kind: str) -> Value:
        """Return what ``staticmethod``, ``classmethod`` and ``property`` make of a callable."""
        given = args[0] if args else kwargs.get("fget", UNKNOWN)
        kinds = {"fn", "bound", "part", "cls", "prim", "meth"}
        return frozenset((kind, atom) if atom[0] in kinds else ANY for atom in given) or UNKNOWN

    def _first(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value | None:
        return args[0] if args else UNKNOWN

    def _second(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        return args[1] if len(args) > 1 else UNKNOWN

    def _cached(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        callables = (
            [atom for atom in atoms(args[0]) if atom[0] in {"fn", "bound", "cls", "part", "prim"}] if args else []
        )
        return args[0] if callables else UNKNOWN

    def _new(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        made = [self._object_of(frame, atom) for atom in atoms(args[0]) if atom[0] == "cls"] if args else []
        return join(*made) or UNKNOWN

    def _object_of(self, frame: Frame, atom: Atom) -> Value:
        """Return a new object; what is made in one run of a function is told from what is made in others."""
        if frame.function is None or not self.instance_of(atom):
            return self.instance_of(atom)
        return frozenset({("inst", atom, self.variant(atom, [const(frame.point)], {}))})

    def _unknown(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        return UNKNOWN

    def _attrgetter(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        return frozenset({("getter", held(name)) for name in args}) or UNKNOWN

    def _methodcaller(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        return frozenset({("caller", held(args[0]), *_held(args[1:], kwargs))}) if args else UNKNOWN

    def _reduce(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        if len(args) > 1:
            if elements(args[1])[1]:
                self.comes_out(frame, line, "a reduction of a set")
            before, inside = args[2] if len(args) > 2 else UNKNOWN, elements(args[1])[0]
            for _ in range(_ROUNDS):
                before = join(before, self.call_atoms(frame, line, args[0], [before, inside], {}))
            return before
        return UNKNOWN


def _held(args: Arguments, kwargs: Named) -> tuple[tuple[Value, ...], tuple[tuple[str, Value], ...]]:
    """Return arguments for a callable to hold."""
    return tuple(map(held, args)), tuple((name, held(value)) for name, value in sorted(kwargs.items()))
