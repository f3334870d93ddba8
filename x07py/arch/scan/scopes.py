"""Scopes of contracts in code: which policy a recording is made under, and which budget holds a function."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from x07py.arch.scan.syntax import Reader, constant_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.arch.model import Scope

Functions = dict[str, tuple[str, int]]
"""By full name of a function the budget that its whole body is in, or an empty string; and its offset."""

_WORD = re.compile(r"\b(?:budget|session)\b")
_OPENERS = {
    "x07py.budget": ("budget", "profile"),
    "x07py.budgets.budget": ("budget", "profile"),
    "x07py.rr.session": ("policy", "policy"),
    "x07py.rr.open.session": ("policy", "policy"),
}
"""What opens a scope: its kind, and the argument that names the contract."""


def python_scopes(text: str, package: str) -> tuple[Scope, ...]:
    """Return the scopes that a Python module opens with `x07py.budget` and `x07py.rr.session`, in no special order.

    A session that names no policy takes it from the environment, and is none.

    Raises:
        SyntaxError, ValueError, RecursionError: the file is not Python.
    """
    if not _WORD.search(text):
        return ()
    reader = Reader(text, package, deep=True)
    found: list[Scope] = []
    for call in reader.called.values():
        opened = _opened(reader, call)
        if opened is not None:
            found.append((*opened, "", reader.offset(call)))
    return tuple(found)


def python_functions(text: str, module_id: str, package: str) -> Functions:
    """Return the functions and methods that a Python module defines at its top and in classes there.

    Raises:
        SyntaxError, ValueError, RecursionError: the file is not Python.
    """
    reader = Reader(text, package, deep=True)
    return dict(_functions(reader, reader.tree.body, module_id))


def _functions(reader: Reader, body: Iterable[ast.stmt], above: str) -> Iterable[tuple[str, tuple[str, int]]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(reader, node.body, f"{above}.{node.name}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{above}.{node.name}", (_budget_of(reader, node), reader.offset(node))


def _budget_of(reader: Reader, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return the budget that a decorator names, or a `with` that is all of the body but its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    holders: list[ast.expr] = list(function.decorator_list)
    if len(body) == 1 and isinstance(body[0], ast.With):
        holders += [item.context_expr for item in body[0].items]
    for holder in holders:
        opened = _opened(reader, holder) if isinstance(holder, ast.Call) else None
        if opened is not None and opened[0] == "budget":
            return opened[1]
    return ""


def _opened(reader: Reader, call: ast.Call) -> tuple[str, str] | None:
    """Return the kind of the scope that a call opens, and the contract that it names (empty if only a run can tell)."""
    known = _OPENERS.get(reader.dotted(call.func) or "")
    if known is None:
        return None
    kind, argument = known
    given = [word.value for word in call.keywords if word.arg == argument]
    if kind == "budget":
        given += call.args[:1]
    if not given or (isinstance(given[0], ast.Constant) and given[0].value is None):
        return None
    return kind, constant_text(given[0]) or ""
