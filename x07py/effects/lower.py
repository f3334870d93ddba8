"""From a module's source to its summary: statements and definitions."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from x07py.effects.lower_expressions import Expressions
from x07py.effects.summary import Class, Function, Summary
from x07py.files import parsed

if TYPE_CHECKING:
    from x07py.effects.summary import Node


_SWITCH = "TYPE_CHECKING"
_TYPING = {"typing", "typing_extensions"}
_SET = re.compile(
    r"""TYPE_CHECKING['"]?\]?[ \t]*+(?P<rest>[:,][^=\n]*+)?+
        (?:=(?!=)(?P<off>(?=[ \t]*(?:False|0|typing\.TYPE_CHECKING)\b))?())?""",
    re.VERBOSE,
)
"""Where the name stands, to the value that it, or a tuple that it begins, is given, if there is one."""
_BOUND = re.compile(
    r"\b(?:as|def|class|for|global)[ \t]+TYPE_CHECKING|^(?>.*?setattr\()(?=.*TYPE_CHECKING)", re.MULTILINE
)


def summarize(text: str) -> Summary:
    """Return the summary of a module.

    Raises:
        SyntaxError, ValueError, RecursionError: the text is not Python.
    """
    tree = parsed(text)
    lowering = Lowering(guarded=_SWITCH in text and not _may_be_set(text))
    body = lowering.block(tree.body)
    return Summary(body, tuple(lowering.functions), tuple(lowering.classes), tuple(lowering.typing))


def _may_be_set(text: str) -> bool:
    """Tell whether the name may be something else than what type checkers take it for."""
    given = (found for found in _SET.finditer(text) if found[3] is not None)
    return bool(_BOUND.search(text)) or any(
        found["off"] is None or (found["rest"] or "").startswith(",") or _SWITCH in (found["rest"] or "")
        for found in given
    )


class Lowering(Expressions):
    """Walks one module's tree once."""

    def __init__(self, *, guarded: bool) -> None:
        """Make one.

        Args:
            guarded: whether ``TYPE_CHECKING`` is false when the module runs, as far as the module itself says.
        """
        self._guarded = guarded
        self._typing_modules: set[str] = set()
        self.functions: list[Function] = []
        self.classes: list[Class] = []
        self.typing: list[Node] = []
        self._scopes: list[str] = []
        self._in_function = False
        self._dispatching: set[str] = set()

    def block(self, statements: list[ast.stmt]) -> tuple[Node, ...]:
        """Return the summary of statements, without those that do nothing."""
        found: list[Node] = []
        for statement in statements:
            method = getattr(self, f"_{type(statement).__name__.lower()}", None)
            node = method(statement) if method else None
            if node is not None:
                found.append(node)
        return tuple(found)

    def _expr(self, node: ast.Expr) -> Node | None:
        if isinstance(node.value, ast.Constant):
            return None
        return "expr", node.lineno, self.expression(node.value)

    def _assign(self, node: ast.Assign) -> Node:
        return "=", node.lineno, tuple(map(self.expression, node.targets)), self.expression(node.value)

    def _augassign(self, node: ast.AugAssign) -> Node:
        return "+=", node.lineno, type(node.op).__name__, self.expression(node.target), self.expression(node.value)

    def _annassign(self, node: ast.AnnAssign) -> Node:
        value = self.expression(node.value) if node.value else None
        return ":", node.lineno, self.expression(node.target), self.annotation(node.annotation), value

    def _if(self, node: ast.If) -> Node | None:
        kind = self._guard(node.test)
        if kind == "typing":
            self.typing += self.block(node.body)
        if kind in {"typing", "main"}:
            rest = self.block(node.orelse)
            return ("if", node.lineno, ("const", node.lineno, False), (), rest) if rest else None
        return "if", node.lineno, self.expression(node.test), self.block(node.body), self.block(node.orelse)

    def _for(self, node: ast.For | ast.AsyncFor) -> Node:
        target, iterable = self.expression(node.target), self.expression(node.iter)
        return "for", node.lineno, target, iterable, self.block(node.body), self.block(node.orelse)

    _asyncfor = _for

    def _while(self, node: ast.While) -> Node:
        return "while", node.lineno, self.expression(node.test), self.block(node.body), self.block(node.orelse)

    def _with(self, node: ast.With | ast.AsyncWith) -> Node:
        items = tuple(
            (self.expression(item.context_expr), self.expression(item.optional_vars) if item.optional_vars else None)
            for item in node.items
        )
        return "with", node.lineno, items, self.block(node.body)

    _asyncwith = _with

    def _try(self, node: ast.Try | ast.TryStar) -> Node:
        handlers = tuple(
            (self.expression(one.type) if one.type else None, one.name or "", self.block(one.body))
            for one in node.handlers
        )
        return "try", node.lineno, self.block(node.body), handlers, self.block(node.orelse), self.block(node.finalbody)

    _trystar = _try

    def _return(self, node: ast.Return) -> Node:
        return "return", node.lineno, self.expression(node.value) if node.value else None

    def _raise(self, node: ast.Raise) -> Node:
        return "raise", node.lineno, self.expression(node.exc) if node.exc else None

    def _break(self, node: ast.Break | ast.Continue) -> Node:
        return "break", node.lineno, isinstance(node, ast.Break)

    _continue = _break

    def _assert(self, node: ast.Assert) -> Node:
        return "assert", node.lineno, self.expression(node.test)

    def _delete(self, node: ast.Delete) -> Node | None:
        parts = tuple(self.expression(one) for one in node.targets if not isinstance(one, ast.Name))
        return ("del", node.lineno, parts) if parts else None

    def _guard(self, test: ast.expr) -> str:
        """Tell whether a condition holds for type checkers only, or for a program's main module only."""
        if isinstance(test, ast.Name) and test.id == _SWITCH:
            return "typing" if self._guarded else ""
        if isinstance(test, ast.Attribute) and test.attr == _SWITCH:
            known = isinstance(test.value, ast.Name) and test.value.id in self._typing_modules
            return "typing" if self._guarded and known else ""
        return "main" if _is_main(test) else ""

    def _import(self, node: ast.Import) -> Node:
        self._typing_modules.update(item.asname or item.name for item in node.names if item.name in _TYPING)
        return "import", node.lineno, tuple((item.name, item.asname or "") for item in node.names)

    def _importfrom(self, node: ast.ImportFrom) -> Node:
        names = tuple((item.name, item.asname or item.name) for item in node.names)
        if any(name == _SWITCH for _, name in names) and (node.level or node.module not in _TYPING):
            self._guarded = False  # somebody else's, who may set it to what they like
        return "from", node.lineno, node.level, node.module or "", names

    def _match(self, node: ast.Match) -> Node:
        cases = tuple(
            (
                tuple(
                    self.expression(part.cls if isinstance(part, ast.MatchClass) else part.value)
                    for part in ast.walk(case.pattern)
                    if isinstance(part, ast.MatchClass | ast.MatchValue)
                ),
                tuple(sorted(_captures(case.pattern))),
                self.expression(case.guard) if case.guard else None,
                self.block(case.body),
            )
            for case in node.cases
        )
        return "match", node.lineno, self.expression(node.subject), cases

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Node:
        decorators = tuple(map(self.expression, node.decorator_list))
        number = self.function(node.name, node, node.body)
        return "def", node.lineno, number, node.name, decorators

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef) -> Node:
        decorators = tuple(map(self.expression, node.decorator_list))
        bases = tuple(map(self.expression, node.bases))
        keywords = tuple((one.arg, self.expression(one.value)) for one in node.keywords)
        inside, self._in_function = self._in_function, False
        self._scopes.append(node.name)
        name, body = ".".join(self._scopes), self.block(node.body)
        self._scopes.pop()
        self._in_function = inside
        self.classes.append(Class(name, node.lineno, bases, keywords, body))
        return "class", node.lineno, len(self.classes) - 1, node.name, decorators

    def _returned(self, value: ast.expr) -> tuple[Node, ...]:
        return (("return", value.lineno, self.expression(value)),)

    def function(
        self, name: str, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, body: list[ast.stmt] | ast.expr
    ) -> int:
        """Add a function and return its number."""
        given = node.args
        positional = [*given.posonlyargs, *given.args]
        everyone = [*positional, *given.kwonlyargs]
        tail = positional[len(positional) - len(given.defaults) :]
        defaults = {one.arg: self.expression(value) for one, value in zip(tail, given.defaults, strict=True)}
        pairs = zip(given.kwonlyargs, given.kw_defaults, strict=True)
        defaults.update((one.arg, self.expression(value)) for one, value in pairs if value is not None)
        kinds = {one.arg: self.annotation(one.annotation) for one in everyone if one.annotation}
        if not isinstance(node, ast.Lambda):
            if node.returns:
                kinds["return"] = self.annotation(node.returns)
            chosen = self._chosen_by(node)
            if positional and chosen is not None:
                kinds.setdefault(positional[0].arg, chosen)
        self._scopes.append(name)
        full = ".".join(self._scopes)
        statements = self.block(body) if isinstance(body, list) else self._returned(body)
        self._scopes.pop()
        names, outer, yields = _bindings(node)
        star, stars = (one.arg if one else "" for one in (given.vararg, given.kwarg))
        parameters = tuple(one.arg for one in everyone)
        flags = "a" * isinstance(node, ast.AsyncFunctionDef) + "g" * yields + "l" * isinstance(node, ast.Lambda)
        self.functions.append(
            Function(
                full, node.lineno, parameters, len(positional), star, stars, defaults,
                {key: kind for key, kind in kinds.items() if kind is not None},
                statements, flags, frozenset(names | {*parameters, star, stars} - {""}), frozenset(outer),
            )
        )  # fmt: skip
        return len(self.functions) - 1

    def _chosen_by(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Node | None:
        """Return the types for which a function of the module that dispatches on its first argument calls this one."""
        for one in node.decorator_list:
            name = one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", None)
            if name == "singledispatch":
                self._dispatching.add(node.name)
        calls = [one for one in node.decorator_list if isinstance(one, ast.Call) and len(one.args) == 1]
        types = [self.annotation(one.args[0]) for one in calls if self._registers(one)]
        return ("or", 0, tuple(types)) if len(types) > 1 and all(types) else types[0] if types else None

    def _registers(self, call: ast.Call) -> bool:
        function, (given,) = call.func, call.args
        return (
            isinstance(function, ast.Attribute)
            and function.attr == "register"
            and getattr(function.value, "id", None) in self._dispatching
            and isinstance(given, ast.Name | ast.Attribute)
        )


def _is_main(test: ast.expr) -> bool:
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__":
        right = test.comparators[0]
        return isinstance(right, ast.Constant) and right.value == "__main__" and isinstance(test.ops[0], ast.Eq)
    return False


def _captures(pattern: ast.pattern) -> set[str]:
    names = {part.name for part in ast.walk(pattern) if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name}
    return names | {part.rest for part in ast.walk(pattern) if isinstance(part, ast.MatchMapping) and part.rest}


def _bindings(function: ast.AST) -> tuple[set[str], set[str], bool]:
    """Return the names that a function binds, those it binds elsewhere, and whether it is a generator."""
    names: set[str] = set()
    outer: set[str] = set()
    yields = False
    body = getattr(function, "body", [])
    rest: list[ast.AST] = list(body) if isinstance(body, list) else [body]
    while rest:
        node = rest.pop()
        kind = type(node)
        if kind is ast.Name:
            if not isinstance(node.ctx, ast.Load):  # type: ignore[attr-defined]
                names.add(node.id)  # type: ignore[attr-defined]
            continue
        if kind in _SCOPES:
            if kind is not ast.Lambda:
                names.add(node.name)  # type: ignore[attr-defined]
            continue
        if kind in {ast.Yield, ast.YieldFrom}:
            yields = True
        elif kind in {ast.Import, ast.ImportFrom}:
            names.update(item.asname or item.name.partition(".")[0] for item in node.names)  # type: ignore[attr-defined]
            continue
        elif kind in {ast.Global, ast.Nonlocal}:
            outer.update(node.names)  # type: ignore[attr-defined]
            continue
        elif kind is ast.ExceptHandler and node.name:  # type: ignore[attr-defined]
            names.add(node.name)  # type: ignore[attr-defined]
        elif kind is ast.MatchAs or kind is ast.MatchStar:
            names.update({node.name} - {None})  # type: ignore[attr-defined]
        elif kind is ast.MatchMapping and node.rest:  # type: ignore[attr-defined]
            names.add(node.rest)  # type: ignore[attr-defined]
        rest += ast.iter_child_nodes(node)
    return names - outer, outer, yields


_SCOPES = {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda}
