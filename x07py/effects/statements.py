"""Running statements: both sides of a branch unless it is known which, loops twice, names with what they can be."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from x07py.effects.classes import Definitions
from x07py.effects.narrowing import Narrowing
from x07py.effects.order import Order
from x07py.effects.stores import Stores, names_item
from x07py.effects.values import (
    ANY,
    NONE,
    NOTHING,
    UNKNOWN,
    Value,
    elements,
    is_empty,
    join,
    known_parts,
    seq,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.effects.state import Frame
    from x07py.effects.summary import Node


class Statements(Definitions, Order, Narrowing, Stores):
    """One method a kind of statement; each returns whether the block ends there."""

    def run_block(self, frame: Frame, block: tuple[Node, ...]) -> bool:
        """Run statements; return whether the rest after them is never reached."""
        return any(_RUN[node[0]](self, frame, node) for node in block)

    def _expr(self, frame: Frame, node: Node) -> bool:
        self.value(frame, node[2])
        return False

    def _assign(self, frame: Frame, node: Node) -> bool:
        value = self.value(frame, node[3])
        self.mention(frame, node[1], value, node[3], plain=True)
        for target in node[2]:
            self.bind(frame, target, value)
            self._made_by(frame, target)
            if target[0] == "name" and (node[3][0] in {"attr", "item"} or names_item(node[3])):
                frame.second[target[2]] = node[3]
        return False

    def _augmented(self, frame: Frame, node: Node) -> bool:
        _, line, operator, target, right = node
        value = self.value(frame, right)
        before = self.value(frame, target)
        result = self.binary(frame, line, operator, before, value)
        self.bind(frame, target, result)
        return False

    def _annotated(self, frame: Frame, node: Node) -> bool:
        _, line, target, kind, given = node
        value = self.value(frame, given) if given is not None else UNKNOWN
        self.mention(frame, line, value, given, plain=True)
        if kind is not None and (given is None or ANY in value) and target[0] != "item":
            named = self.annotated(frame, kind)
            value = join(named, *([value] if given is not None else [])) if named else value
        if kind is not None and frame.body is not None and frame.module.own:
            self.field_of(frame, line, kind)
        if frame.body is not None and target[0] == "name":
            frame.body.annotated.add(target[2])
            if given is None:
                frame.body.bare.add(target[2])
        if given is None and (target[0] != "name" or frame.function is not None or frame.body is None):
            if target[0] == "name" and target[2] not in frame.names:
                self.bind(frame, target, value)
            return False
        self.bind(frame, target, value)
        self._made_by(frame, target)
        return False

    @staticmethod
    def _made_by(frame: Frame, target: Node) -> None:
        """Keep the factory of a field, which counts where an object is made without it, and what texts leave out."""
        if frame.body is not None and frame.body.hides and target[0] == "name":
            frame.body.unseen.add(target[2])
            frame.body.hides = False
        if frame.body is not None and frame.body.factory is not None and target[0] == "name":
            frame.body.factories[target[2]] = frame.body.factory
            frame.body.factory = None

    def bind(self, frame: Frame, target: Node, value: Value) -> None:
        """Give a name, attribute or item a value."""
        kind = target[0]
        if kind == "name":
            self.bind_name(frame, target[2], value)
        elif kind in {"tuple", "list"}:
            self._unpack(frame, target[2], value)
        elif kind == "star":
            self.bind(frame, target[2], seq("list", elements(value)[0]))
        elif kind == "attr":
            self.escape(frame, target[1], value)
            self._set_attribute(frame, target, value)
        elif kind == "item":
            self.set_item(frame, target, value)

    def _set_attribute(self, frame: Frame, target: Node, value: Value) -> None:
        """Set an attribute, by the setter of its property if there is one."""
        _, line, node, name = target
        base = self.value(frame, node)
        plain = set(base)
        for atom in base:
            setters = (
                [one[2] for one in self.class_attribute(atom[1], name) if one[0] == "prop" and len(one) > 2]
                if atom[0] == "inst"
                else []
            )
            for one in setters:
                plain.discard(atom)
                self.invoke(frame, line, one, [frozenset({atom}), value], {}, self._owner(atom[1], name))
        function = frame.function
        own = function is not None and bool(function.params) and node[::2] == ("name", function.params[0])
        self.set_attribute(frozenset(plain), name, value, surely=own and len(base) == 1)

    def bind_name(self, frame: Frame, name: str, value: Value) -> None:
        """Give a name a value in the frame that owns it."""
        function = frame.function
        if function is not None and name in function.outer:
            scope = self.scopes[frame.outer] if frame.outer else None
            while scope is not None and name not in self.function(scope.function).locals:
                scope = self.scopes[scope.outer] if scope.outer else None
            names = scope.names if scope is not None else frame.module.names
            names[name] = join(names.get(name, NOTHING), value)
            return
        if function is None and frame.body is None:
            value = self.table.replaced(f"{frame.module.name}.{name}") or value
        frame.names[name] = value
        frame.second.pop(name, None)
        scope = self.scopes[frame.scope] if frame.scope and function is not None else None
        if scope is not None:
            scope.names[name] = join(scope.names.get(name, NOTHING), value)

    def _unpack(self, frame: Frame, targets: tuple[Node, ...], value: Value) -> None:
        rows = [known_parts(frozenset({atom})) for atom in value]
        plain = not any(target[0] == "star" for target in targets)
        if rows and plain and all(row is not None and len(row) == len(targets) for row in rows):
            for target, *each in zip(targets, *(row for row in rows if row is not None), strict=True):
                self.bind(frame, target, join(*each))
            return
        inner, loose = elements(value)
        if loose and len(targets) > 1:
            self.comes_out(frame, targets[0][1], "a part of a set")
        for target in targets:
            self.bind(frame, target, inner)

    def _branch(self, frame: Frame, blocks: list[Callable[[], bool]]) -> bool:
        """Run alternatives from the same names and join what they leave; return whether none goes on."""
        before = frame.names
        shared = frame.function is None
        after: list[dict[str, Value]] = []
        follows = bool(self.making.fresh)
        ends = []
        for block in blocks:
            if follows:
                self.begin_branch()
            if not shared:
                frame.names = dict(before)
                if not block():
                    after.append(frame.names)
            else:
                saved = dict(frame.names)
                if not block():
                    after.append(dict(frame.names))
                frame.names.clear()
                frame.names.update(saved)
            if follows:
                ends.append(self.end_branch())
        self.join_branches(ends)
        if not after:
            return True
        if shared:
            frame.names.update(_joined(after))
        else:
            frame.names = _joined(after) if len(after) > 1 else after[0]
        return False

    def _if(self, frame: Frame, node: Node) -> bool:
        _, _, test, body, orelse = node
        known = self.truth(self.value(frame, test))
        if known is not None:
            self.narrow(frame, test, known)
            return self.run_block(frame, body if known else orelse)

        def side(holds: bool, block: tuple[Node, ...]) -> Callable[[], bool]:
            def run() -> bool:
                self.narrow(frame, test, holds)
                return self.run_block(frame, block)

            return run

        return self._branch(frame, [side(True, body), side(False, orelse)])

    def _for(self, frame: Frame, node: Node) -> bool:
        _, line, target, iterable, body, orelse = node
        value = self.iterated(frame, line, self.value(frame, iterable))
        items, unordered = elements(value)
        if is_empty(value):
            return self.run_block(frame, orelse)

        def once() -> bool:
            with self.loosely():
                self.bind(frame, target, items)
                self.run_block(frame, body)
            return False

        if unordered:
            frame.loops.append((line, target))
        self._branch(frame, [once, lambda: False])
        self._branch(frame, [once, lambda: False])
        if unordered:
            frame.loops.pop()
        return self._after_loop(frame, body, orelse)

    def _while(self, frame: Frame, node: Node) -> bool:
        _, _, test, body, orelse = node
        known = self.truth(self.value(frame, test))
        if known is False:
            return self.run_block(frame, orelse)

        def once() -> bool:
            with self.loosely():
                self.run_block(frame, body)
            return False

        self._branch(frame, [once, lambda: False])
        self.value(frame, test)
        self._branch(frame, [once, lambda: False])
        return self._after_loop(frame, body, orelse)

    def _after_loop(self, frame: Frame, body: tuple[Node, ...], orelse: tuple[Node, ...]) -> bool:
        """Run what stands under a loop's ``else``, which a ``break`` leaves out."""
        if orelse and _breaks(body):
            return self._branch(frame, [lambda: self.run_block(frame, orelse), lambda: False])
        return self.run_block(frame, orelse)

    def _with(self, frame: Frame, node: Node) -> bool:
        _, line, items, body = node
        managers = []
        for expression, target in items:
            manager = self.value(frame, expression)
            entered = self.entered(frame, line, manager)
            managers.append(manager)
            if target is not None:
                self.bind(frame, target, entered)
        with self.loosely():
            ends = self.run_block(frame, body)
        for manager in managers:
            self.magic(frame, line, manager, "__exit__", [UNKNOWN] * 3)
            self.magic(frame, line, manager, "__aexit__", [UNKNOWN] * 3)
        return ends and not managers

    def _try(self, frame: Frame, node: Node) -> bool:
        _, _, body, handlers, orelse, final = node

        def whole() -> bool:
            with self.loosely() if handlers else nullcontext():
                return self.run_block(frame, body) or self.run_block(frame, orelse)

        def handler(row: tuple[Node | None, str, tuple[Node, ...]]) -> Callable[[], bool]:
            def run() -> bool:
                if row[0] is not None:
                    self.quietly(frame, row[0])
                if row[1]:
                    self.bind_name(frame, row[1], UNKNOWN)
                return self.run_block(frame, row[2])

            return run

        missing = handlers and self._imports_missing(frame, body)
        if handlers and not missing and (_falls_back(body, handlers) or self._has_attribute(frame, body, handlers)):
            ends = whole()
        else:
            runs = [handler(row) for row in handlers]
            ends = self._branch(frame, runs if missing else [whole, *runs])
        return self.run_block(frame, final) or ends

    def _has_attribute(self, frame: Frame, body: tuple[Node, ...], handlers: tuple[Any, ...]) -> bool:
        """Tell whether a ``try`` takes one attribute, which is there, and its handlers are for where it is not."""
        node: Node = body[0][3] if len(body) == 1 and body[0][0] == "=" else ("",)
        if node[0] != "attr" or any(row[0] is None or row[0][2] != "AttributeError" for row in handlers):
            return False
        found = self.quietly(frame, node[2])
        return bool(found) and all(self.has(atom, node[3]) for atom in found)

    def _imports_missing(self, frame: Frame, body: tuple[Node, ...]) -> bool:
        """Tell whether the first statement imports what is not there."""
        node = body[0] if body else ("",)
        if node[0] == "import":
            return any(self.finder.find(name).kind == "missing" for name, _ in node[2])
        if node[0] == "from":
            base = self.absolute(frame, node[2], node[3])
            return self.finder.find(base).kind == "missing"
        return False

    def _return(self, frame: Frame, node: Node) -> bool:
        value = self.value(frame, node[2]) if node[2] is not None else NONE
        self.escape(frame, node[1], value, returned=True)
        if frame.gives_to_anybody:
            self.mention(frame, node[1], value, node[2])
        self.leave_loop(frame, node[1], node[2])
        frame.result.append(value)
        self.returns()
        return True

    def _raise(self, frame: Frame, node: Node) -> bool:
        if node[2] is not None:
            frame.raising = True
            self.value(frame, node[2])
            frame.raising = False
        return True

    def _delete(self, frame: Frame, node: Node) -> bool:
        for part in node[2]:
            self.value(frame, part)
            if part[0] == "attr":
                self.unset(self.value(frame, part[2]), part[3])
        return False

    @staticmethod
    def _break(*_: object) -> bool:
        return True

    def _assert(self, frame: Frame, node: Node) -> bool:
        known = self.truth(self.value(frame, node[2]))
        if known is not False:
            self.narrow(frame, node[2], holds=True)
        return known is False

    def _match(self, frame: Frame, node: Node) -> bool:
        self.value(frame, node[2])

        def case(row: tuple[tuple[Node, ...], tuple[str, ...], Node | None, tuple[Node, ...]]) -> Callable[[], bool]:
            def run() -> bool:
                for part in row[0]:
                    self.quietly(frame, part)
                for name in row[1]:
                    self.bind_name(frame, name, UNKNOWN)
                if row[2] is not None:
                    self.value(frame, row[2])
                return self.run_block(frame, row[3])

            return run

        return self._branch(frame, [*map(case, node[3]), lambda: False])


def _breaks(block: object) -> bool:
    """Tell whether there is a ``break`` in some statements."""
    if not isinstance(block, tuple):
        return False
    return (len(block) == 3 and block[0] == "break" and block[2] is True) or any(map(_breaks, block))


def _joined(sides: list[dict[str, Value]]) -> dict[str, Value]:
    found = dict(sides[0])
    for side in sides[1:]:
        for name, value in side.items():
            known = found.get(name)
            found[name] = value if known is None or known == value else join(known, value)
    return found


def _falls_back(body: tuple[Node, ...], handlers: tuple[Any, ...]) -> bool:
    """Tell whether a ``try`` starts with imports and its handlers are for those that fail."""
    named = [row[0][2] if row[0][0] == "tuple" else (row[0],) for row in handlers if row[0]]
    kinds = {part[2] for parts in named for part in parts if part[0] == "name"}
    return bool(body) and body[0][0] in {"import", "from"} and bool(kinds & {"ImportError", "ModuleNotFoundError"})


_RUN: dict[str, Callable[[Statements, Frame, Node], bool]] = {
    "expr": Statements._expr, "=": Statements._assign, "+=": Statements._augmented, ":": Statements._annotated,
    "if": Statements._if, "for": Statements._for, "while": Statements._while, "with": Statements._with,
    "try": Statements._try, "return": Statements._return, "raise": Statements._raise, "break": Statements._break,
    "del": Statements._delete, "assert": Statements._assert, "match": Statements._match,
    "import": Definitions.run_import, "from": Definitions.run_from, "def": Definitions.run_def,
    "class": Definitions.run_class,
}  # fmt: skip
