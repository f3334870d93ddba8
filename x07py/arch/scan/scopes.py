"""Scopes of contracts in Python: which policy a recording is made under, and which budget holds a function.

Scopes are lexical, as the reference reads them: what a function does that is called from inside a scope does not count.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import TYPE_CHECKING

from x07py.arch.scan.syntax import Reader, constant_text

if TYPE_CHECKING:
    from x07py.arch.model import Scope

Functions = dict[str, tuple[str, int]]
"""By full name of a function the budget that its whole body is in, or an empty string; and its offset."""

ANY_POLICY = "*"
"""Stands for the policy of a session that names none: the command line's, or the project's only one."""
OPEN_DRIVER = "open_driver"
"""The operation that takes the policy around it: a driver keeps the session that it was opened in."""

_WORD = re.compile(r"\b(?:budget|session|open_driver)\b")
_NAMES = {
    "x07py.budget": "budget",
    "x07py.budgets.budget": "budget",
    "x07py.rr.session": "session",
    "x07py.rr.open.session": "session",
    "x07py.open_driver": OPEN_DRIVER,
    "x07py.drivers.open_driver": OPEN_DRIVER,
    "x07py.drivers.open.open_driver": OPEN_DRIVER,
}
NAMES_OF_OPEN_DRIVER = tuple(name for name, what in _NAMES.items() if what == OPEN_DRIVER)
_METHODS = frozenset(("publish", "publish_many", "consume", "ack", "nack", "commit", "seek", "pause", "resume", "lag"))
OF_DRIVER = ":"
"""Stands between the kind of a driver and the method that is called; the driver knows what that is recorded as."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_scopes(text: str, package: str) -> tuple[Scope, ...]:
    """Return the scopes that a Python module opens, and what it does with drivers, in no special order.

    Raises:
        SyntaxError, ValueError, RecursionError: the file is not Python.
    """
    return tuple(_visited(text, package).scopes) if _WORD.search(text) else ()


def python_functions(text: str, module_id: str, package: str) -> Functions:
    """Return the functions and methods that a Python module defines at its top and in classes there.

    Raises:
        SyntaxError, ValueError, RecursionError: the file is not Python.
    """
    return {f"{module_id}.{name}": row for name, row in _visited(text, package).functions.items()}


def _visited(text: str, package: str) -> _Visitor:
    visitor = _Visitor(Reader(text, package, deep=False))
    visitor.visit(visitor.reader.tree)
    return visitor


class _Visitor(ast.NodeVisitor):
    """Walks a module with the policy around each place, and the drivers that names stand for."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.scopes: list[Scope] = []
        self.functions: Functions = {}
        self._policy = ""
        self._drivers: dict[str, tuple[str, str]] = {}
        self._inside: list[str] = []
        self._constants = text_constants(reader.tree)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        before = self._policy, dict(self._drivers)
        for item in node.items:
            self.visit(item.context_expr)
            if session := self._call_of("session", item.context_expr):
                self._policy = self._session_policy(session)
            if isinstance(item.optional_vars, ast.Name):
                self._bind(item.optional_vars.id, item.context_expr)
        for statement in node.body:
            self.visit(statement)
        self._policy, self._drivers = before

    visit_AsyncWith = visit_With  # noqa: N815 (the name that ast calls)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            for part in ast.walk(node.value):
                self._bind(node.targets[0].id, part)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._inside.append(node.name)
        self.generic_visit(node)
        self._inside.pop()

    def visit_FunctionDef(self, node: _Function) -> None:
        before = self._policy, dict(self._drivers)
        for decorator in node.decorator_list:
            self.visit(decorator)
            session = self._call_of("session", decorator)
            if session and isinstance(node, ast.FunctionDef):
                self._policy = self._session_policy(session)
        name = ".".join([*self._inside, node.name])
        if "()" not in self._inside:
            self.functions[name] = self._whole_budget(node), self.reader.offset(node)
        self._inside.append("()")
        for part in (node.args, *node.body):
            self.visit(part)
        self._inside.pop()
        self._policy, self._drivers = before

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 (the name that ast calls)

    def visit_Call(self, node: ast.Call) -> None:
        meaning = self._means(node)
        offset = self.reader.offset(node)
        if meaning == "budget":
            self.scopes.append(("budget", self._text(argument(node, 0, "profile")), "", offset))
        elif meaning == "session":
            policy = self._session_policy(node)
            if policy != ANY_POLICY:
                self.scopes.append(("policy", policy, "", offset))
        elif meaning == OPEN_DRIVER:
            self.scopes.append(("op", self._policy, OPEN_DRIVER, offset))
            self.scopes.append(("driver", self._text(argument(node, 0, "kind")), "", offset))
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            kind, policy = self._drivers.get(node.func.value.id, ("", ""))
            op = self._operation(kind, node.func.attr, node) if policy else ""
            if op:
                self.scopes.append(("op", policy, op, offset))
        self.generic_visit(node)

    def _means(self, node: ast.Call) -> str | None:
        """Return which of x07py's functions a call is of."""
        return _NAMES.get(self.reader.dotted(node.func) or "")

    def _call_of(self, name: str, node: ast.AST) -> ast.Call | None:
        """Return the expression if it is a call of that function of x07py."""
        return node if isinstance(node, ast.Call) and self._means(node) == name else None

    def _text(self, node: ast.AST | None) -> str:
        """Return a constant text, written there or given once to a name of the module; empty if only a run can tell."""
        if isinstance(node, ast.Name):
            return self._constants.get(node.id, "")
        return (constant_text(node) if node else None) or ""

    def _session_policy(self, node: ast.Call) -> str:
        """Return the policy of a session: its id, `ANY_POLICY`, or an empty string if only a run can tell."""
        if any(keyword.arg is None for keyword in node.keywords):
            return ""
        value = argument(node, None, "policy")
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            return ANY_POLICY
        return self._text(value)

    def _bind(self, name: str, node: ast.AST) -> None:
        opening = self._call_of(OPEN_DRIVER, node)
        if opening:
            kind = self._text(argument(opening, 0, "kind"))
            if kind:
                self._drivers[name] = kind, self._policy

    def _operation(self, kind: str, method: str, node: ast.Call) -> str:
        """Return kind and method of a call of a driver; empty if it is no operation."""
        name = method if method in _METHODS else ""
        if method == "control":
            name = self._text(argument(node, 0, "op"))
        return f"{kind}{OF_DRIVER}{name}" if name else ""

    def _whole_budget(self, node: _Function) -> str:
        """Return the budget that holds all of a function; a decorator of a coroutine ends before it starts."""
        for decorator in node.decorator_list:
            budget = self._call_of("budget", decorator)
            if budget and isinstance(node, ast.FunctionDef):
                return self._text(argument(budget, 0, "profile"))
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        if len(body) == 1 and isinstance(body[0], ast.With):
            budget = self._call_of("budget", body[0].items[0].context_expr)
            return self._text(argument(budget, 0, "profile")) if budget else ""
        return ""


def argument(node: ast.Call, place: int | None, name: str) -> ast.expr | None:
    """Return an argument of a call, by its place or its name."""
    if place is not None and len(node.args) > place:
        return node.args[place]
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


def text_constants(tree: ast.Module) -> dict[str, str]:
    """Return the names of a module that are given a text, and nothing else anywhere."""
    given = [
        (target.id, text)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and (text := constant_text(node.value)) is not None
    ]
    if not given:
        return {}
    bound = Counter(_bound_names(tree))
    return {name: text for name, text in given if bound[name] == 1}


def _bound_names(tree: ast.Module) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.append(node.id)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
    return names
