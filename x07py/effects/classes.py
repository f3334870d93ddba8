"""Statements that define: imports, functions with their decorators, classes with their order of resolution."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from x07py.effects.parts import Parts
from x07py.effects.primitives import has, real
from x07py.effects.state import ClassState, Frame
from x07py.effects.values import (
    DATA,
    LOOSE,
    NONE,
    NOTHING,
    UNKNOWN,
    Atom,
    Value,
    atoms,
    constants,
    join,
    obj,
    plain_truth,
)
from x07py.files import SOURCE_BYTES, decoded, read_file

if TYPE_CHECKING:
    from x07py.effects.state import Module
    from x07py.effects.summary import Node

_GENERATING = {"dataclasses.dataclass", "attr", "attrs"}
_HASHING = {"eq", "hash", "unsafe_hash", "cmp", "order"}
"""Arguments of what generates methods by which a class keeps the hash of an address."""
_HOOK = "__get_pydantic_core_schema__"
"""By which a kind of fields says how it is validated."""
_MAKES_NAMES = r"import\s+\*|\b(?:globals|vars|setattr|__getattr__|__dict__|modules)\b"
"""What can give a module names that its source does not spell."""
_FLOAT = obj("builtins.float")
_OBJECT: Atom = ("prim", "builtins.object")


class Definitions(Parts):
    """Runs statements that bind what they define."""

    def absolute(self, frame: Frame, level: int, name: str) -> str:
        """Return the dotted name that a ``from`` import means."""
        if not level:
            return name
        parts = frame.module.package.split(".")
        kept = parts[: len(parts) - level + 1]
        return ".".join([*kept, *([name] if name else [])])

    def run_import(self, frame: Frame, node: Node) -> bool:
        for name, alias in node[2]:
            module = self.import_module(frame, node[1], name)
            bound = module.name if alias else name.partition(".")[0]
            self.bind_name(frame, alias or bound, frozenset({("mod", bound)}))
        return False

    def run_from(self, frame: Frame, node: Node) -> bool:
        _, line, level, name, names = node
        base = self.absolute(frame, level, name)
        module = self.import_module(frame, line, base)
        for item, alias in names:
            if item == "*":
                self._import_star(frame, module.name)
            else:
                value = self.imported(frame, line, module.name, item)
                self.bind_name(frame, alias, value)
                self.import_table(frame, alias, value, (module.name, item))
        return False

    def imported(self, frame: Frame, line: int, base: str, item: str) -> Value:
        """Return what ``from base import item`` gives."""
        module, below = self.modules[base], f"{base}.{item}"
        if below in self.modules and module.names.get(item) == frozenset({("mod", below)}):
            self.import_module(frame, line, below)  # what its body does counts, whoever imported it first
        if item not in module.names and module.found.package and module.found.kind not in {"missing", "native"}:
            if below not in self.modules and self.finder.find(below).kind != "missing":
                self.import_module(frame, line, below)
                return frozenset({("mod", below)})
            if below not in self.modules and frame.module.own and self._binds_nowhere(module, item):
                self.end(frame, line, "unread", below, "could not be read: no source of the project has it")
        if item not in module.names and module.source is not None and not module.done:
            return frozenset({("later", base, item)})
        return self.module_attribute(frame, line, base, item)

    def _binds_nowhere(self, package: Module, item: str) -> bool:
        """Tell whether a package of the project neither has a name nor does anything that could give it one."""
        if package.found.kind == "folder":
            return not package.found.path
        if package.found.kind != "project" or not package.done or item.startswith("__"):
            return False
        try:
            text = decoded(read_file(Path(package.found.path), limit=SOURCE_BYTES))
        except (OSError, ValueError, SyntaxError):
            return False
        return not re.search(rf"\b{re.escape(item)}\b|{_MAKES_NAMES}", text)

    def _import_star(self, frame: Frame, base: str) -> None:
        module = self.modules[base]
        if module.source is None:
            thing = real(base)
            if thing is None and base not in frame.module.starred:
                frame.module.starred.append(base)
            for name in (one for one in dir(thing) if not one.startswith("_")) if thing is not None else ():
                known = frame.names.get(name, NOTHING)
                if not any(atom[0] in {"fn", "cls", "inst"} for atom in known):
                    self.bind_name(frame, name, frozenset({("prim", f"{base}.{name}")}))
            return
        listed = module.names.get("__all__")
        names = self._listed(listed) if listed else None
        for name in names if names is not None else [one for one in module.names if not one.startswith("_")]:
            value = self.module_attribute(frame, 0, base, name)
            self.bind_name(frame, name, value)
            self.import_table(frame, name, value, (module.name, name))

    @staticmethod
    def _listed(value: Value) -> list[str] | None:
        found = []
        for atom in atoms(value):
            inner = constants(atom[2]) if atom[0] == "seq" else list(atom[2]) if atom[0] == "k" else None
            if inner is None:
                return None
            found += [one for one in inner if isinstance(one, str)]
        return found

    def run_def(self, frame: Frame, node: Node) -> bool:
        _, line, number, name, decorators = node
        atom = "fn", frame.module.name, number, frame.scope
        function = self.function(atom)
        for default in function.defaults.values():
            value = self.value(frame, default)
            self.mention(frame, line, value, default)
        made: Value = frozenset({atom})
        for decorator in reversed(decorators):
            made = self._decorated(frame, line, decorator, made)
        if frame.body is not None and name in {"__new__", "__init_subclass__", "__class_getitem__"}:
            made = frozenset({("static" if name == "__new__" else "clsm", atom)})
        self.bind_name(frame, name, made)
        return False

    def _decorated(self, frame: Frame, line: int, node: Node, made: Value) -> Value:
        decorator = self.value(frame, node)
        for atom in atoms(decorator):
            kind = _DECORATORS.get(atom[1]) if atom[0] == "prim" else self._named_decorator(atom)
            if kind:
                return frozenset({(kind, one) for one in made if one[0] in {"fn", "bound", "part", "cls"}})
            if atom[0] == "meth" or (atom[0] == "attr" and atom[-1] in {"setter", "getter", "deleter"}):
                return made
        if node[0] == "attr" and node[3] in {"setter", "deleter", "getter"}:
            before = self.value(frame, node[2])
            setter = next((one for one in atoms(made) if one[0] == "fn"), None)
            if node[3] != "setter" or setter is None:
                return before
            return frozenset(("prop", one[1], setter) if one[0] == "prop" else one for one in before)
        result = self.call_atoms(frame, line, decorator, [made], {})
        if frame.judged:
            objects = frozenset(atom for atom in atoms(result) if atom[0] == "inst")
            for one in objects:
                for method in atoms(self.class_attribute(one[1], "__call__")):
                    if method[0] == "fn":
                        self.invoke(frame, line, method, [frozenset({one})], {"*": UNKNOWN})
        kept = frozenset(atom for atom in atoms(result) if atom not in LOOSE and atom[:2] != ("k", "NoneType"))
        return join(kept, made) if kept else made

    def _named_decorator(self, atom: Atom) -> str | None:
        if atom[0] not in {"cls", "fn"}:
            return None
        name = self.name_of(atom)
        return "prop" if name.endswith((".cached_property", ".abstractproperty")) else None

    def run_class(self, frame: Frame, node: Node) -> bool:
        _, line, number, name, decorators = node
        summary = frame.module.summary
        assert summary is not None  # noqa: S101 (only modules with one run)
        row = summary.classes[number]
        atom: Atom = ("cls", frame.module.name, number, frame.scope)
        state = ClassState(atom, row)
        self.classes[atom] = state
        for base in row.bases:
            state.bases.append(self.value(frame, base))
        inside = Frame(frame.module, frame.point, state.names, None, frame.scope, frame.scope, atom, state)
        self._order(state)
        keywords = {key: self.value(frame, value) for key, value in row.keywords if key}
        self.run_block(inside, row.body)
        self._order(state)
        made: Value = frozenset({atom})
        self._created(frame, line, state, keywords)
        for decorator in reversed(decorators):
            value = self.value(frame, decorator)
            named = self.quietly(frame, decorator[2]) if decorator[0] == "call" else value
            generates = any(self.name_of(one).startswith(tuple(_GENERATING)) for one in named)
            if generates:
                state.generated = True
                state.shown = not (decorator[0] == "call" and self._without_text(frame, decorator))
                state.hashed = decorator[0] != "call" or self._with_hash(frame, decorator)
            result = self.call_atoms(frame, line, value, [made], {})
            if not generates:  # what generates methods gives a class with the same names
                made = join(made, frozenset(one for one in result if one[0] == "cls"))
        self.bind_name(frame, name, made)
        return False

    def _without_text(self, frame: Frame, decorator: Node) -> bool:
        """Tell whether a decorator that generates methods is told to leave ``__repr__`` out."""
        return any(key == "repr" and self.truth(self.quietly(frame, node)) is False for key, node in decorator[4])

    def _with_hash(self, frame: Frame, decorator: Node) -> bool:
        """Tell whether a decorator that generates methods surely does not leave the hash of an address."""
        return not decorator[3] and all(
            key is not None and (key not in _HASHING or self.truth(self.quietly(frame, node)) is True)
            for key, node in decorator[4]
        )

    def _created(self, frame: Frame, line: int, state: ClassState, keywords: dict[str, Value]) -> None:
        """Call what Python calls when a class is made: hooks of its bases, and its metaclass."""
        meta = keywords.pop("metaclass", NOTHING)
        this: Value = frozenset({state.atom})
        for base in state.order[1:]:
            known = self.classes.get(base)
            if known is None:
                continue
            meta = meta or known.meta
            hook = known.names.get("__init_subclass__")
            if hook:
                self.call_atoms(frame, line, hook, [this], keywords)
                break
        state.meta = meta
        for atom in atoms(meta):
            for name in ("__new__", "__init__"):
                for found in atoms(self.class_attribute(atom, name)):
                    if found[0] in {"fn", "static"}:
                        given = [
                            frozenset({atom}) if name == "__new__" else this,
                            obj("builtins.str"),
                            UNKNOWN,
                            UNKNOWN,
                        ]
                        self.call_atoms(frame, line, frozenset({found}), given, keywords)

    def _order(self, state: ClassState) -> None:
        """Work out in which order classes are asked: each base's own, what comes again later only there."""
        found: list[Atom] = []
        for base in state.bases:
            for atom in atoms(base):
                known = self.classes.get(atom)
                if known is not None:
                    found += known.order
                    state.closed = state.closed and known.closed
                    state.generated = state.generated or known.generated
                    state.shown = state.shown or known.shown
                elif atom[0] == "prim":
                    found.append(atom)
                else:
                    state.closed = False
        kept = dict.fromkeys(atom for atom in reversed(found) if atom != _OBJECT)
        state.order = [state.atom, *reversed(kept), _OBJECT]

    # kinds

    def annotated(self, frame: Frame, kind: Node) -> Value:
        """Return what an annotation lets a value be, or nothing if it says nothing."""
        if kind[0] == "or":
            parts = [self.annotated(frame, part) for part in kind[2]]
            return join(*parts) if all(parts) else NOTHING
        if kind[0] == "const":
            return NONE if kind[2] is None else NOTHING
        where = (
            frame
            if frame.function is None
            else Frame(frame.module, -1, {}, frame.function, 0, frame.outer, frame.owner)
        )
        found = self.named_kind(where, kind)
        made = [self.instance_of(atom) for atom in found]
        if _FLOAT in made:
            made.append(obj("builtins.int"))  # which every checker of types lets pass for a float
        return join(*made) if made and all(made) else NOTHING

    def field_of(self, frame: Frame, line: int, kind: Node) -> None:
        """Ask the kind of a field how it is validated, as the library asks that makes the class."""
        if kind[0] == "or":
            for part in kind[2]:
                self.field_of(frame, line, part)
        for atom in self.named_kind(frame, kind):
            for one in atoms(join(atom[1], atom[2])) if atom[0] == "noted" else (atom,):
                if one[0] in {"cls", "inst"} and self.class_attribute(one if one[0] == "cls" else one[1], _HOOK):
                    hook = self.attribute(frame, line, frozenset({one}), _HOOK)
                    self.call_atoms(frame, line, hook, [UNKNOWN, UNKNOWN], {})

    def instance_of(self, atom: Atom) -> Value:
        """Return an object of a class, or nothing if the atom is no class."""
        if atom[0] == "cls":
            state = self.classes.get(atom)
            plain = state is not None and not any(self.name_of(one).startswith("typing.") for one in state.order)
            return frozenset({("inst", atom, None)}) if plain else NOTHING
        if atom[0] == "prim":
            thing = real(atom[1])
            return obj(atom[1]) if isinstance(thing, type) and thing is not object and thing is not type else NOTHING
        return NOTHING

    def kinds(self, value: Value) -> list[Atom]:
        """Return the classes that the second argument of ``isinstance`` names."""
        found: list[Atom] = []
        for atom in atoms(value):
            found += [one for one in atom[2] if one[0] in {"cls", "prim"}] if atom[0] == "seq" else [atom]
        return found

    def is_kind(self, atom: Atom, kinds: Value) -> bool | None:
        """Tell whether an atom is an object of one of the classes; None if that is not known."""
        answers = [self._is_one(atom, kind) for kind in self.kinds(kinds)]
        if not answers or True in answers:
            return True if answers else None
        return None if None in answers else False

    def _is_one(self, atom: Atom, kind: Atom) -> bool | None:
        if atom == DATA and kind[0] == "cls" and not self.modules[kind[1]].own and not self._hooked(kind):
            return False
        if atom in LOOSE or kind[0] not in {"cls", "prim"}:
            return None
        if kind == _OBJECT:
            return True
        if atom[0] == "inst":
            state = self.classes.get(atom[1])
            if state is None or kind in state.order:
                return None if state is None else True
            if kind[0] == "cls" and self._hooked(kind):
                return self._path_like(atom, kind)
            if atom[2] is None and (
                self._hooked(atom[1]) or (kind[0] == "cls" and atom[1] in self.classes[kind].order)
            ):
                return None  # what was handed in can be of a class below, of an abstract one of any class
            return False if state.closed and kind[0] in {"cls", "prim"} else None
        made = self.type_of(atom) or self._type_of_callable(atom)
        if made is None:
            return None
        if kind[0] == "cls":
            return self._path_like(atom, kind) if self._hooked(kind) else self._is_below(atom, made, kind)
        wanted = real(kind[1])
        if not isinstance(wanted, type):
            return None
        return issubclass(made, wanted) or (None if atom[0] == "obj" and issubclass(wanted, made) else False)

    def _type_of_callable(self, atom: Atom) -> type | None:
        """Return what a function or class is an object of; None for a class whose metaclass may be anything."""
        if atom[0] == "cls":
            state = self.classes.get(atom)
            return type if state is not None and state.closed and not state.meta else None
        thing = real(atom[1]) if atom[0] == "prim" else None
        return type(thing) if thing is not None else _CALLABLES.get(atom[0])

    def _is_below(self, atom: Atom, made: type, kind: Atom) -> bool | None:
        """Tell that it is not known whether an object of a builtin class is of a class with source below that."""
        bases = [real(one[1]) for one in self.classes[kind].order if one[0] == "prim"] if atom[0] == "obj" else []
        return None if any(isinstance(base, type) and issubclass(base, made) for base in bases) else False

    def truth(self, value: Value) -> bool | None:
        """Tell whether a value counts as true, or None if it can be both."""
        found = {self._object_truth(atom) if atom[0] == "inst" else plain_truth(atom) for atom in value}
        return found.pop() if len(found) == 1 else None

    def _object_truth(self, atom: Atom) -> bool | None:
        state = self.classes[atom[1]]
        if not state.closed or any(self.class_attribute(atom[1], name) for name in ("__bool__", "__len__")):
            return None
        things = [real(one[1]) for one in state.order if one[0] == "prim"]
        decides = any(thing is None or has(thing, "__len__") or has(thing, "__bool__") for thing in things)
        return None if decides else True

    def _hooked(self, kind: Atom) -> bool:
        return bool(self.class_attribute(kind, "__subclasshook__")) or bool(self.classes[kind].meta)

    def _path_like(self, atom: Atom, kind: Atom) -> bool | None:
        if self.name_of(kind) != "os.PathLike":
            return None
        if atom[0] == "inst":
            return bool(self.class_attribute(atom[1], "__fspath__")) or None
        return False

    @staticmethod
    def type_of(atom: Atom) -> Any:
        """Return the class of an atom without source as this interpreter has it, or None."""
        if atom[0] == "k":
            return type(atom[2])
        if atom[0] == "obj":
            thing = real(atom[1])
            return thing if isinstance(thing, type) else None
        return _TYPES.get(atom[1] if atom[0] == "seq" else atom[0])


_TYPES: dict[str, type] = {
    "list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "map": dict, "id": int, "vars": dict,
    "mod": ModuleType,
}  # fmt: skip
_CALLABLES: dict[str, type] = {"fn": FunctionType, "bound": MethodType, "part": partial}
_DECORATORS = {"builtins.property": "prop", "builtins.staticmethod": "static", "builtins.classmethod": "clsm"}
