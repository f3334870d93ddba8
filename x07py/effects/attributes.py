"""Attributes of modules, classes, objects and what has no source."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from x07py.effects.construction import Construction
from x07py.effects.graph import End
from x07py.effects.instances import is_field
from x07py.effects.primitives import has, real
from x07py.effects.state import Frame
from x07py.effects.values import ANY, NOTHING, SAID, TOLD, UNKNOWN, Atom, Value, atoms, const, join, obj, text_of

if TYPE_CHECKING:
    from x07py.effects.primitives import Row
    from x07py.effects.state import Module

_CONSTANTS = {
    "sys.platform": "linux", "sys.byteorder": "little", "os.name": "posix", "sys.implementation.name": "cpython",
    "posix.name": "posix", "sys.maxsize": sys.maxsize, "sys.dont_write_bytecode": False,
}  # fmt: skip


class Attributes(Construction):
    """What ``x.name`` can be."""

    shared: dict[tuple[Atom, str], Value]
    """What an attribute was set to on any object of a class."""
    readings: list[tuple[int, End, str]]
    """Ends that count if a function is called by anybody: in which point, what, name of the function."""

    def attribute(self, frame: Frame, line: int, value: Value, name: str) -> Value:
        """Return what an attribute of a value can be."""
        found = [self._of(frame, line, atom, name) for atom in atoms(value)]
        return join(*found) if found else UNKNOWN

    def _of(self, frame: Frame, line: int, atom: Atom, name: str) -> Value:
        kind = atom[0]
        if kind == "mod":
            return self.module_attribute(frame, line, atom[1], name)
        if kind == "prim":
            return self._of_primitive(atom[1], name)
        if kind == "cls":
            return self._of_class(frame, line, atom, name)
        if kind == "inst":
            return self._of_object(frame, line, atom, name)
        if kind == "super":
            return self._of_super(atom, name)
        if kind in {"obj", "k", "seq", "map", "vars", "id"}:
            made = self.type_of(atom)
            if made is not None and not hasattr(made, name):
                return NOTHING
            owner = f"{made.__module__}.{made.__qualname__}" if made is not None else atom[1] if kind == "obj" else ""
            return frozenset({("meth", owner, name, atom)}) if owner else UNKNOWN
        if kind in {"fn", "bound"}:
            return self._of_function(atom, name)
        if kind in {"prop", "static", "clsm"}:
            return frozenset({atom[1]}) if name in {"fget", "__func__", "func"} else UNKNOWN
        if kind == "part":
            return atom[1] if name == "func" else UNKNOWN
        return TOLD if atom == SAID else UNKNOWN

    # modules

    def module_attribute(self, frame: Frame, line: int, module: str, name: str) -> Value:
        """Return an attribute of a module: what its body bound, a module below it, what ``__getattr__`` gives."""
        state = self.modules.get(module)
        if state is None:
            state = self.import_module(frame, line, module)
        module = state.name
        if (told := self.table.replaced(f"{module}.{name}")) is not None:
            return told
        if name in state.names:
            return state.names[name]
        if name == "__dict__":
            return frozenset({("vars", module)})
        if f"{module}.{name}" in self.modules:
            return frozenset({("mod", f"{module}.{name}")})
        if state.source is None:
            known = self.table.about(module) is not None or state.found.kind == "builtin" or module in self.computing
            return self._of_primitive(module, name) if known else UNKNOWN
        found = NOTHING
        if "__getattr__" in state.names and name not in {"__path__", "__all__", "__file__"}:
            found = self.call_atoms(frame, line, state.names["__getattr__"], [const(name)], {})
        if not found or ANY in found:
            found = join(found, self.typing_name(state, name))
        if not found and f"{module}.{name}" in self.table.rows:
            return frozenset({("prim", f"{module}.{name}")})
        if not found and not name.startswith("_") and len(state.starred) == 1:
            return self.module_attribute(frame, line, state.starred[0], name)
        return found or UNKNOWN

    def typing_name(self, module: Module, name: str) -> Value:
        """Return what a name is for type checkers, who see imports that run late or never."""
        if module.typing is None:
            module.typing = {}
            if module.summary is not None and module.summary.typing:
                names = dict(module.names)
                before = set(names)
                shadow = Frame(module, self.graph.add(module.name, "", 0), names)
                self.run_block(shadow, module.summary.typing)
                module.typing = {key: value for key, value in names.items() if key not in before}
        return module.typing.get(name, NOTHING)

    def variables(self, frame: Frame, line: int, module: str, index: Value) -> Value:
        """Return an item of a module's ``__dict__``."""
        name = text_of(index)
        if name is None and (found := self.fitting(frame, line, frozenset({("mod", module)}), index)) is not None:
            return found
        if name is None and module == frame.module.name and not frame.module.own:
            return UNKNOWN
        if name is None:
            self.end(
                frame, line, "dynamic", f"vars({module})", "a name that only a run can tell; write it as a constant"
            )
            return UNKNOWN
        if name == "__builtins__":
            return frozenset({("vars", "builtins")})
        if module == "builtins":
            return frozenset({("prim", f"builtins.{name}")})
        return self.module_attribute(frame, line, module, name)

    def _of_primitive(self, base: str, name: str) -> Value:
        full = f"{base}.{name}"
        if full in _CONSTANTS:
            return const(_CONSTANTS[full])
        if full == "sys.version_info":
            return const((*self.finder.environment.version, 0))
        if full in self.modules:
            return frozenset({("mod", full)})
        if full == "sys.modules":
            return frozenset({("prim", full)})
        thing = real(full)
        if isinstance(thing, bool | int | str) and base not in {"sys", "posix", "time"}:
            return const(thing)
        return frozenset({("prim", full)})

    # classes and objects

    def name_of(self, atom: Atom) -> str:
        """Return the full name of a function, class or primitive."""
        if atom[0] == "cls":
            return f"{atom[1]}.{self.classes[atom].row.name}"
        if atom[0] == "fn":
            return f"{atom[1]}.{self.function(atom).name}"
        if atom[0] in {"bound", "prop", "static", "clsm"}:
            return self.name_of(atom[1]) if isinstance(atom[1], tuple) else ""
        return str(atom[1]) if atom[0] == "prim" else f"{atom[1]}.{atom[2]}" if atom[0] == "meth" else ""

    def class_attribute(self, atom: Atom, name: str) -> Value:
        """Return what the bodies of a class and its bases bind to a name, first found, or nothing."""
        state = self.classes.get(atom)
        for one in state.order if state is not None else ():
            known = self.classes.get(one)
            if known is not None and name in known.names:
                return known.names[name]
        return NOTHING

    def _owner(self, atom: Atom, name: str) -> Atom:
        for one in self.classes[atom].order:
            known = self.classes.get(one)
            if known is not None and name in known.names:
                return one
        return atom

    def _of_class(self, frame: Frame, line: int, atom: Atom, name: str) -> Value:
        stored = self._set_on_classes(atom, name)
        found = join(self.class_attribute(atom, name), stored)
        if not found:
            if name == "__dict__":
                return UNKNOWN
            return self._inherited(atom, name) or self._of_meta(frame, line, atom, name) or UNKNOWN
        owner = self._owner(atom, name)
        made: list[Value] = []
        for one in found:
            if one[0] == "clsm":
                made.append(frozenset({("bound", one[1], atom, owner)}))
            elif one[0] == "static":
                made.append(frozenset({one[1]}))
            elif one[0] == "fn":
                made.append(frozenset({("bound", one, None, owner)}))
            elif one[0] in {"k", "seq"} and not name.startswith("_") and self._is_enum(atom):
                made.append(frozenset({one, ("inst", atom, None)}))
            else:
                made.append(frozenset({one}))
        return join(*made)

    def _set_on_classes(self, atom: Atom, name: str) -> Value:
        """Return what an attribute of a class, or of one above it, was set to after the class was made."""
        state = self.classes.get(atom)
        return (
            join(*(self.attributes.get((one, name), NOTHING) for one in state.order)) if state is not None else NOTHING
        )

    def _is_enum(self, atom: Atom) -> bool:
        """Tell whether the constants of a class are members, which are objects of it."""
        return any(one[:2] == ("cls", "enum") for one in self.classes[atom].order)

    def _of_meta(self, frame: Frame, line: int, atom: Atom, name: str) -> Value:
        for meta in atoms(self.classes[atom].meta):
            for found in atoms(self.class_attribute(meta, name)):
                if found[0] == "fn":
                    return frozenset({("bound", found, atom, meta)})
                if found[0] == "prop":
                    return self.call_atoms(frame, line, frozenset({found[1]}), [frozenset({atom})], {})
        return NOTHING

    def _inherited(self, atom: Atom, name: str) -> Value:
        """Return an attribute of the first base without source that has it."""
        for one in self.classes[atom].order:
            if one[0] == "prim":
                thing = real(one[1])
                if thing is None or has(thing, name):
                    return frozenset({("prim", f"{one[1]}.{name}")})
        return NOTHING

    def _of_object(self, frame: Frame, line: int, atom: Atom, name: str) -> Value:
        cls = atom[1]
        if name == "__class__":
            return frozenset({cls})
        if name == "__dict__":
            return UNKNOWN
        if frame.module.own and (row := self.table.rows.get(f"{self.name_of(cls)}.{name}")):
            self._read(frame, line, atom, f"{self.name_of(cls)}.{name}", row)
        if atom[2] is None and (atom, name) not in self.attributes:
            self._prepared(frame, atom)
        stored = self.attributes.get((atom, name), NOTHING)
        if atom[2] is None:
            stored = join(stored, self.shared.get((cls, name), NOTHING))
        hides = self.hides((atom, name))
        if frame.run is not None and stored and all(one[0] == "k" for one in stored) and atom not in self.making.fresh:
            self.relied.setdefault((atom, name), {})[frame.point] = frame.run
        if not stored and (later := self._set_on_classes(cls, name)):
            stored = self._bound(frame, line, atom, cls, name, later)
        named = self.class_attribute(cls, name)
        known = self.classes.get(self._owner(cls, name))
        bare = named == UNKNOWN or (
            known is not None and (name in known.bare or (known.made and known.generated and is_field(known, name)))
        )
        bare = bare or (hides and not any(one[0] == "prop" and len(one) > 2 for one in named))
        found = NOTHING if stored and bare else self._bound(frame, line, atom, cls, name, named)
        if stored or found:
            return join(stored, found)
        if inherited := self._inherited(cls, name):
            (one,) = inherited
            return frozenset({("meth", one[1].rpartition(".")[0], name, atom)})
        hook = self.class_attribute(cls, "__getattr__")
        if hook:
            owner = self._owner(cls, "__getattr__")
            bound = frozenset(("bound", one, atom, owner) for one in hook if one[0] == "fn")
            return self.call_atoms(frame, line, bound, [const(name)], {})
        return UNKNOWN

    def _read(self, frame: Frame, line: int, atom: Atom, name: str, row: Row) -> None:
        """Note an attribute that tells of the moment in which its object was made, unless the object was handed in."""
        if not row.rule.startswith("read "):
            return
        end = End(line, row.capability, name, row.reason)
        if atom[2] is None:
            self.readings.append((frame.point, end, row.rule.split()[1]))
        else:
            self.graph.points[frame.point].ends.setdefault(end)

    def _prepared(self, frame: Frame, atom: Atom) -> None:
        """Run ``__init__`` for an object that came from elsewhere, so that its attributes are known."""
        mark = (atom, "")
        if mark in self.attributes:
            return
        self.attributes[mark] = UNKNOWN
        for one in atoms(self.class_attribute(atom[1], "__init__")):
            if one[0] == "fn":
                aside = Frame(frame.module, self.graph.add(frame.module.name, "", 0), {})
                owner = self._owner(atom[1], "__init__")
                with self.made(atom):
                    self.invoke(aside, 0, one, [frozenset({atom})], {"*": UNKNOWN}, owner)

    def _bound(self, frame: Frame, line: int, this: Atom, cls: Atom, name: str, found: Value) -> Value:
        """Return what a class's attribute is when an object is asked for it."""
        made: list[Value] = []
        owner = self._owner(cls, name) if found else cls
        for one in found:
            kind = one[0]
            if kind == "fn":
                made.append(frozenset({("bound", one, this, owner)}))
            elif kind == "prop":
                function = one[1]
                if function[0] == "fn":
                    made.append(self.invoke(frame, line, function, [frozenset({this})], {}, owner))
                else:
                    made.append(self.call_atoms(frame, line, frozenset({function}), [frozenset({this})], {}))
            elif kind == "static":
                made.append(frozenset({one[1]}))
            elif kind == "clsm":
                made.append(frozenset({("bound", one[1], cls, owner)}))
            elif kind == "inst" and (getter := self.class_attribute(one[1], "__get__")):
                bound = frozenset(("bound", g, one, self._owner(one[1], "__get__")) for g in getter if g[0] == "fn")
                made.append(self.call_atoms(frame, line, bound, [frozenset({this}), frozenset({cls})], {}))
            else:
                made.append(frozenset({one}))
        return join(*made) if made else NOTHING

    def _of_super(self, atom: Atom, name: str) -> Value:
        _, after, this = atom
        cls = this[1] if this[0] == "inst" else this
        state = self.classes.get(cls)
        order = state.order if state is not None else []
        rest = order[order.index(after) + 1 :] if after in order else []
        for one in rest:
            known = self.classes.get(one)
            if known is not None and name in known.names:
                found = known.names[name]
                if name == "__new__":
                    return frozenset(a[1] if a[0] == "static" else a for a in found)
                return join(*(frozenset({self._super_bound(a, this, cls, one)}) for a in found))
            if one[0] == "prim" and (real(one[1]) is None or has(real(one[1]), name)):
                return frozenset({("meth", one[1], name, this)})
        return UNKNOWN

    @staticmethod
    def _super_bound(atom: Atom, this: Atom, cls: Atom, owner: Atom) -> Atom:
        if atom[0] == "fn":
            return "bound", atom, this, owner
        if atom[0] == "clsm":
            return "bound", atom[1], cls, owner
        return atom[1] if atom[0] == "static" else atom

    def _of_function(self, atom: Atom, name: str) -> Value:
        function = atom if atom[0] == "fn" else atom[1]
        if name == "__globals__":
            return frozenset({("vars", function[1])})
        if name in {"__func__", "__wrapped__"}:
            return frozenset({function})
        if name == "__self__" and atom[0] == "bound" and atom[2]:
            return frozenset({atom[2]})
        stored = self.attributes.get((function, name))
        if stored:
            return stored
        return obj("builtins.str") if name in {"__name__", "__qualname__", "__module__", "__doc__"} else UNKNOWN

    def set_attribute(self, base: Value, name: str, value: Value, *, surely: bool = False) -> None:
        """Note what an attribute was set to."""
        for atom in atoms(base):
            if atom[0] == "inst":
                self.set_on_object((atom, name), value, surely=surely and len(base) == 1)
            elif atom[0] in {"cls", "fn"}:
                key = atom, name
                before = self.attributes.get(key, NOTHING)
                self.attributes[key] = after = join(before, value)
                if key in self.relied and after != before:
                    for run in self.relied.pop(key).values():
                        self.again(run)
            elif atom[0] == "mod":
                module = self.modules.get(atom[1])
                if module is not None and module.source is not None:
                    module.names[name] = join(module.names.get(name, NOTHING), value)
