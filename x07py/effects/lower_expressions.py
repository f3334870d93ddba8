"""Expressions of a summary."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from x07py.files import parsed_expression

if TYPE_CHECKING:
    from x07py.effects.summary import Node

_LONGEST = 400
"""Longer texts and bytes are kept by their type only."""


class Expressions:
    """Turns expressions into tuples; one method a kind of expression that says something about effects."""

    def function(self, name: str, node: Any, body: Any) -> int:
        """Add a function and return its number."""
        raise NotImplementedError

    def expression(self, node: ast.expr) -> Node:
        """Return the summary of an expression."""
        method = getattr(self, f"_x_{type(node).__name__.lower()}", None)
        if method is not None:
            return method(node)  # type: ignore[no-any-return]
        return (
            "list",
            node.lineno,
            tuple(self.expression(x) for x in ast.iter_child_nodes(node) if isinstance(x, ast.expr)),
        )

    def annotation(self, node: ast.expr) -> Node | None:
        """Return what an annotation names, if it is plain: a name, an attribute, a union, an optional."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = parsed_expression(node.value.strip())
            except (SyntaxError, ValueError):
                return None
        if isinstance(node, ast.Constant):
            return "const", 0, node.value if node.value is None else ""
        if isinstance(node, ast.Name):
            return "name", 0, node.id
        if isinstance(node, ast.Attribute):
            base = self.annotation(node.value)
            return ("attr", 0, base, node.attr) if base else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            parts = [self.annotation(node.left), self.annotation(node.right)]
            return ("or", 0, tuple(parts)) if all(parts) else None
        if isinstance(node, ast.Subscript):
            return self._generic(node)
        return None

    def _generic(self, node: ast.Subscript) -> Node | None:
        base = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        inner = self.annotation(node.slice)
        if base == "Optional" and inner:
            return "or", 0, (inner, ("const", 0, None))
        if base == "Annotated" and isinstance(node.slice, ast.Tuple) and node.slice.elts:
            return self.annotation(node.slice.elts[0])
        if base in {"dict", "Dict"} and not _holds_data(node.slice):
            return None
        if base in _CONTAINERS:
            return "name", 0, _CONTAINERS[base]
        return None

    def _x_constant(self, node: ast.Constant) -> Node:
        value = node.value
        if isinstance(value, str | bytes) and len(value) > _LONGEST:
            return "kind", node.lineno, type(value).__name__
        if value is Ellipsis or isinstance(value, complex):
            return "kind", node.lineno, "object"
        return "const", node.lineno, value

    def _x_name(self, node: ast.Name) -> Node:
        return "name", node.lineno, node.id

    def _x_attribute(self, node: ast.Attribute) -> Node:
        return "attr", node.lineno, self.expression(node.value), node.attr

    def _x_call(self, node: ast.Call) -> Node:
        if (parts := _listed(node)) is not None and isinstance(node.func, ast.Name):
            return "every", node.lineno, node.func.id, tuple(map(self.expression, parts))
        arguments = tuple(map(self.expression, node.args))
        keywords = tuple((one.arg, self.expression(one.value)) for one in node.keywords)
        return "call", node.lineno, self.expression(node.func), arguments, keywords

    def _x_subscript(self, node: ast.Subscript) -> Node:
        return "item", node.lineno, self.expression(node.value), self.expression(node.slice)

    def _x_slice(self, node: ast.Slice) -> Node:
        parts = tuple(self.expression(one) for one in (node.lower, node.upper, node.step) if one)
        return "slice", node.lineno, parts

    def _x_binop(self, node: ast.BinOp) -> Node:
        return "bin", node.lineno, type(node.op).__name__, self.expression(node.left), self.expression(node.right)

    def _x_unaryop(self, node: ast.UnaryOp) -> Node:
        return "un", node.lineno, type(node.op).__name__, self.expression(node.operand)

    def _x_boolop(self, node: ast.BoolOp) -> Node:
        kind = "and" if isinstance(node.op, ast.And) else "or"
        return kind, node.lineno, tuple(map(self.expression, node.values))

    def _x_compare(self, node: ast.Compare) -> Node:
        operators = tuple(type(one).__name__ for one in node.ops)
        right = [one.elts if isinstance(one, ast.List | ast.Set) else one for one in node.comparators]
        members = [
            one if isinstance(one, ast.expr) else ast.Tuple(one, ast.Load(), lineno=node.lineno) for one in right
        ]
        tests_members = all(isinstance(one, ast.In | ast.NotIn) for one in node.ops)
        compared = members if tests_members else node.comparators
        return "cmp", node.lineno, self.expression(node.left), operators, tuple(map(self.expression, compared))

    def _x_ifexp(self, node: ast.IfExp) -> Node:
        return "choose", node.lineno, *map(self.expression, (node.test, node.body, node.orelse))

    def _x_list(self, node: ast.List) -> Node:
        return "list", node.lineno, tuple(map(self.expression, node.elts))

    def _x_tuple(self, node: ast.Tuple) -> Node:
        return "tuple", node.lineno, tuple(map(self.expression, node.elts))

    def _x_set(self, node: ast.Set) -> Node:
        return "set", node.lineno, tuple(map(self.expression, node.elts))

    def _x_dict(self, node: ast.Dict) -> Node:
        keys = tuple(self.expression(key) if key else None for key in node.keys)
        return "dict", node.lineno, keys, tuple(map(self.expression, node.values))

    def _x_listcomp(self, node: ast.ListComp) -> Node:
        return "comp", node.lineno, "list", (self.expression(node.elt),), self._generators(node.generators)

    def _x_setcomp(self, node: ast.SetComp) -> Node:
        return "comp", node.lineno, "set", (self.expression(node.elt),), self._generators(node.generators)

    def _x_generatorexp(self, node: ast.GeneratorExp) -> Node:
        return "comp", node.lineno, "gen", (self.expression(node.elt),), self._generators(node.generators)

    def _x_dictcomp(self, node: ast.DictComp) -> Node:
        parts = self.expression(node.key), self.expression(node.value)
        return "comp", node.lineno, "dict", parts, self._generators(node.generators)

    def _generators(self, generators: list[ast.comprehension]) -> tuple[Node, ...]:
        return tuple(
            (self.expression(one.target), self.expression(one.iter), tuple(map(self.expression, one.ifs)))
            for one in generators
        )

    def _x_joinedstr(self, node: ast.JoinedStr) -> Node:
        return "text", node.lineno, tuple(map(self.expression, node.values))

    def _x_formattedvalue(self, node: ast.FormattedValue) -> Node:
        parts = [self.expression(node.value), *([self.expression(node.format_spec)] if node.format_spec else [])]
        return "shown", node.lineno, tuple(parts)

    def _x_lambda(self, node: ast.Lambda) -> Node:
        return "lambda", node.lineno, self.function("<lambda>", node, node.body)

    def _x_yield(self, node: ast.Yield) -> Node:
        return "yield", node.lineno, self.expression(node.value) if node.value else None

    def _x_yieldfrom(self, node: ast.YieldFrom) -> Node:
        return "yieldfrom", node.lineno, self.expression(node.value)

    def _x_await(self, node: ast.Await) -> Node:
        return "await", node.lineno, self.expression(node.value)

    def _x_namedexpr(self, node: ast.NamedExpr) -> Node:
        return "walrus", node.lineno, node.target.id, self.expression(node.value)

    def _x_starred(self, node: ast.Starred) -> Node:
        return "star", node.lineno, self.expression(node.value)


def _listed(node: ast.Call) -> list[ast.expr] | None:
    """Return what ``all([...])`` or ``any((...))`` looks through, if it is written out."""
    if not isinstance(node.func, ast.Name) or node.func.id not in {"all", "any"} or len(node.args) != 1:
        return None
    given = node.args[0]
    if not isinstance(given, ast.List | ast.Tuple) or any(isinstance(one, ast.Starred) for one in given.elts):
        return None
    return given.elts


def _holds_data(kinds: ast.expr) -> bool:
    """Tell whether what a dict's annotation says of its keys and values is data, and no class that it names."""
    for one in ast.walk(kinds):
        if isinstance(one, ast.Constant) and one.value is not None:
            return False
        name = one.attr if isinstance(one, ast.Attribute) else one.id if isinstance(one, ast.Name) else ""
        if name and name not in _DATA and name not in _CONTAINERS and name not in {"typing", "t"}:
            return False
    return True


_DATA = {"str", "int", "float", "bool", "bytes", "object", "Any", "Optional", "Union", "None"}
_CONTAINERS = {
    "list": "list", "List": "list", "tuple": "tuple", "Tuple": "tuple", "dict": "dict", "Dict": "dict",
    "set": "set", "Set": "set", "AbstractSet": "set", "MutableSet": "set", "frozenset": "frozenset",
    "FrozenSet": "frozenset",
}  # fmt: skip
"""What annotated containers are, for what effects ask about them."""
