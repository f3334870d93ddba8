"""What is named and what primitives are called: the ends of the graph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from x07py.effects.parts import Arguments, Named, Parts
from x07py.effects.values import (
    LOOSE,
    NOTHING,
    TOLD,
    UNKNOWN,
    Atom,
    Value,
    atoms,
    constants,
    is_unordered,
    join,
    obj,
    says_now,
    seq,
    text_of,
)

if TYPE_CHECKING:
    from x07py.effects.primitives import Row
    from x07py.effects.state import Frame
    from x07py.effects.summary import Node

_ASKS = re.compile(r"now|current_|random|date|time|julian|unixepoch|attach|vacuum\s+into|load_extension", re.IGNORECASE)
"""What SQL asks for a time or a random number by, and what it opens files with."""
_FILTER = re.compile(r"\|\s*(\w+)")
_IN_MEMORY = {":memory:", "sqlite://", "sqlite:///:memory:"}
BY_ARGUMENT = ("given", "absent", "locale", "memory", "sql", "waits", "says", "path", "asks", "unless")
"""Rules of rows that depend on an argument."""
_CALLABLE = {"fn", "bound", "part", "prim", "meth"}


def _is_memory(address: str) -> bool:
    """Tell whether the ``file:`` address of a database of SQLite names one that lies in memory."""
    path, _, query = address.partition("#")[0].removeprefix("file:").partition("?")
    modes = {part for part in query.split("&") if part.startswith("mode=")}
    return path == ":memory:" or modes == {"mode=memory"}


def _is_no_time(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and value <= 0)


class Reaching(Parts):
    """Notes what code reaches by naming it, by looking at it, by calling what has no source."""

    def mention(self, frame: Frame, line: int, value: Value, node: Node | None, *, plain: bool = False) -> None:
        """Count callables that are passed on as reached; in judged code those that are merely named too."""
        if frame.function is None and not frame.judged:
            return  # to be handed something is not to call it, and a body that is imported hands much around
        if node is None or (plain and not frame.judged) or (node[0] == "name" and self._given(frame, node[2])):
            return
        for atom in atoms(value):
            if atom[0] in _CALLABLE:
                if atom[0] == "prim":
                    self._named(frame, line, atom[1], plain=plain)
                elif not (plain and atom[0] == "fn" and self.modules[atom[1]].own):
                    with self.anytime():
                        self.call_atoms(frame, line, frozenset({atom}), [], {"*": UNKNOWN})
            elif atom[0] == "cls" and frame.judged and not plain:
                with self.anytime():
                    self.call_atoms(frame, line, frozenset({atom}), [], {"*": UNKNOWN})
            elif atom[0] == "seq" and not plain and not atom[2] <= LOOSE:
                self.mention(frame, line, frozenset(a for a in atom[2] if a[0] in _CALLABLE), node)

    def _named(self, frame: Frame, line: int, name: str, *, plain: bool) -> None:
        row = self.table.about(name)
        if row is None or not row.capability or (row.rule.startswith("own") and not frame.module.own):
            return
        if row.rule.startswith(("own waits", "says")) or (plain and row.rule.startswith(BY_ARGUMENT)):
            return
        self.end(frame, line, row.capability, name, row.reason)

    def _given(self, frame: Frame, name: str) -> bool:
        """Tell whether a name is a parameter here or further out: who gave it has accounted for it."""
        function, number = frame.function, frame.outer
        while function is not None:
            if name in function.params or name in {function.star, function.stars}:
                return True
            scope = self.scopes[number] if number else None
            function, number = (self.function(scope.function), scope.outer) if scope is not None else (None, 0)
        return False

    def use(self, frame: Frame, line: int, value: Value) -> None:
        """Note that something is looked at which itself is an effect, such as the environment's variables."""
        for atom in atoms(value):
            if atom[0] == "prim":
                row = self.table.about(atom[1])
                if row is not None and row.rule == "object":
                    self.end(frame, line, row.capability, atom[1], row.reason)

    def filtered(self, frame: Frame, line: int, rule: str, args: Arguments, kwargs: Named) -> None:
        """Call the functions that a constant text names which is made code."""
        at, name, place = rule.split()
        given = args[int(at)] if int(at) < len(args) else kwargs.get(name, NOTHING)
        words = {word for atom in given if atom[:2] == ("k", "str") for word in _FILTER.findall(atom[2])}
        module, _, table = place.rpartition(".")
        found = self.modules[module].names.get(table, NOTHING) if module in self.modules else NOTHING
        for key, value in (pair for atom in found if atom[0] == "map" for pair in atom[4]):
            if key in words:
                self.call_atoms(frame, line, value, [], {"*": UNKNOWN})

    # primitives

    def primitive(self, frame: Frame, line: int, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Call something without source."""
        self.written(frame, line, name, args, kwargs)
        special = self.intercepted(frame, line, name, args, kwargs)
        if special is not None:
            return special
        row = self.table.about(name)
        if row is None:
            if not name.startswith("builtins.") and not any(name.startswith(f"{one}.") for one in self.computing):
                self.end(frame, line, "unread", name, "has no source that could be read")
        elif row.capability and self.counts(frame, row, args, kwargs):
            capability = self._mode(row, args, kwargs) if row.rule.startswith("mode") else row.capability
            self.end(frame, line, capability, name, row.reason)
        if name.startswith("itertools.") and any(map(is_unordered, args)):
            return seq("gen", UNKNOWN, "?")
        return self._made(name, [*args, *kwargs.values()])

    def method(self, frame: Frame, line: int, atom: Atom, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Call a method of an object without source."""
        _, owner, name, this = atom
        self.written(frame, line, f"{owner}.{name}", args, kwargs)
        special = self.method_of(frame, line, owner, name, this, args)
        if special is not None:
            return special
        row = self.table.about(f"{owner}.{name}")
        if name == "load" and this[0] == "inst" and self.finds_classes(frame, line, this[1], this):
            row = None
        if row is not None and row.capability and self.counts(frame, row, args, kwargs):
            self.end(frame, line, row.capability, f"{owner}.{name}", row.reason)
        return self._made(f"{owner}.{name}", [*args, *kwargs.values()])

    def _made(self, name: str, given: list[Value]) -> Value:
        """Return what a primitive gives for arguments."""
        found = self.given_by(name)
        return TOLD if found == UNKNOWN and any(map(says_now, given)) else found

    def given_by(self, name: str) -> Value:
        """Return what a primitive gives, as far as the table or its class says."""
        made = self.table.returns.get(name)
        if made is not None and "." in made and not made.startswith(("builtins.", "_")):
            module, _, kind = made.rpartition(".")
            found = self.modules.get(module)
            if found is not None and found.source is None:
                return obj(made)
            return self._one_of(found.names.get(kind, NOTHING)) if found is not None else UNKNOWN
        if made is not None:
            return obj(made)
        return self.instance_of(("prim", name)) or UNKNOWN

    def _one_of(self, value: Value) -> Value:
        return join(*(self.instance_of(atom) for atom in atoms(value))) or UNKNOWN

    def counts(self, frame: Frame, row: Row, args: list[Value], kwargs: dict[str, Value]) -> bool:
        """Tell whether a call with such arguments reaches what its row says."""
        rule, *rest = row.rule.split() or [""]
        if rule == "own":
            if not frame.module.own:
                return False
            rule, *rest = rest or [""]
        if rule == "waits":
            value = args[int(rest[0])] if int(rest[0]) < len(args) else kwargs.get(rest[1])
            return value is not None and any(a[0] != "k" or not _is_no_time(a[2]) for a in value)
        if rule == "given":
            value = (
                args[int(rest[0])]
                if int(rest[0]) < len(args)
                else next((kwargs[n] for n in rest[1:] if n in kwargs), None)
            )
            return value is None or any(atom == ("k", "NoneType", None) for atom in atoms(value)) or value == NOTHING
        if rule == "absent":
            return len(args) > int(rest[0]) or any(n in kwargs for n in rest[1:]) or "*" in kwargs
        if rule in {"memory", "sql"}:
            given = args[int(rest[0])] if int(rest[0]) < len(args) else kwargs.get(rest[1])
            text = None if given is None else text_of(given)
            if text is None or rule == "sql":
                return text is None or bool(_ASKS.search(text))
            address = text.startswith("file:") and self.truth(kwargs.get("uri", NOTHING)) is True
            return text not in _IN_MEMORY and not (address and _is_memory(text))
        if rule == "says":
            given = args[int(rest[0])] if int(rest[0]) < len(args) else kwargs.get(rest[1], kwargs.get("*"))
            return given is not None and says_now(given)
        if rule in {"path", "asks", "unless"}:
            return self._says_so(rule, rest, args, kwargs)
        if rule == "locale":
            text = text_of(args[int(rest[0])]) if int(rest[0]) < len(args) else None
            return text is not None and any(one in text for one in ("%c", "%x", "%X", "%Z"))
        return True

    def _says_so(self, rule: str, rest: list[str], args: list[Value], kwargs: dict[str, Value]) -> bool:
        """Tell whether arguments ask for what a row says."""
        if rule == "asks":
            return any(self._asks(word, args, kwargs) for word in rest)
        if rule == "unless":
            return not all(name in kwargs and self.truth(kwargs[name]) is False for name in rest)
        named = next((kwargs[name] for name in rest[1:] if name in kwargs), NOTHING)
        given = args[int(rest[0])] if int(rest[0]) < len(args) else named
        return not given or not all(map(self._is_stream, given))

    def _is_stream(self, atom: Atom) -> bool:
        """Tell whether something is surely an open file, a buffer, or an object that stands for one."""
        if atom[0] == "inst":
            return self.has(atom, "read") is True or self.has(atom, "write") is True
        return atom[0] == "obj" and str(atom[1]).startswith("_io.")

    def _asks(self, word: str, args: list[Value], kwargs: dict[str, Value]) -> bool:
        """Tell whether an argument that asks for something may be given and true."""
        at, _, named = word.rpartition("/")
        name, _, plain = named.partition(":")
        given = args[int(at)] if at and int(at) < len(args) else kwargs.get(name, kwargs.get("*", NOTHING))
        return bool(given) and self.truth(given) is not False and not (plain and text_of(given) == plain)

    @staticmethod
    def _mode(row: Row, args: list[Value], kwargs: dict[str, Value]) -> str:
        at, name = row.rule.split()[1:]
        value = args[int(at)] if int(at) < len(args) else kwargs.get(name)
        if value is None:
            return "files-read" if "*" not in kwargs else row.capability
        known = constants(value)
        if known is None:
            return row.capability
        return "files-write" if any(isinstance(one, str) and set(one) & set("wax+") for one in known) else "files-read"
