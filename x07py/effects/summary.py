"""The summary of a module: plain tuples that `marshal` keeps, with what effects do not need left out.

A summary has no names of modules in it that depend on where the file stands, so equal files share one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

Node: TypeAlias = tuple[Any, ...]
"""One statement or expression: its kind, its line, its parts."""

VERSION = 4
"""Of the summaries' form; part of the cache's key."""


class Function(NamedTuple):
    """One function or lambda.

    Args:
        name: qualified name inside the module.
        line: 1-based.
        params: names of positional parameters, then of keyword-only ones.
        positional: how many of them are positional.
        star: name of ``*args``, or empty.
        stars: name of ``**kwargs``, or empty.
        defaults: by parameter.
        kinds: annotations by parameter, and of the result under ``return``.
        body: its statements.
        flags: letters: ``a`` async, ``g`` generator, ``l`` lambda.
        locals: names that it binds.
        outer: names that it takes from an enclosing function or the module to bind them.
    """

    name: str
    line: int
    params: tuple[str, ...]
    positional: int
    star: str
    stars: str
    defaults: dict[str, Node]
    kinds: dict[str, Node]
    body: tuple[Node, ...]
    flags: str
    locals: frozenset[str]
    outer: frozenset[str]


def takes(function: Function, given: int, named: Collection[str]) -> bool:
    """Tell whether a call with such arguments can be one of a function, or raises TypeError before the function runs.

    Args:
        function: what may be called.
        given: how many arguments stand in order, the object of a method among them.
        named: names of the others; ``*`` says that there may be more of either kind.
    """
    if given > function.positional and not function.star:
        return False
    if not function.stars and not all(name in function.params or name == "*" for name in named):
        return False
    missing = (name for name in function.params[given:] if name not in function.defaults and name not in named)
    return "*" in named or not any(missing)


class Class(NamedTuple):
    """One class: its name inside the module, bases, keywords and body."""

    name: str
    line: int
    bases: tuple[Node, ...]
    keywords: tuple[tuple[str | None, Node], ...]
    body: tuple[Node, ...]


class Summary(NamedTuple):
    """One module: what its body runs, and the functions and classes that it defines, by number."""

    body: tuple[Node, ...]
    functions: tuple[Function, ...]
    classes: tuple[Class, ...]
    typing: tuple[Node, ...]


def plain(summary: Summary) -> Any:
    """Return a summary as `marshal` can write it."""
    return (
        summary.body,
        [tuple(row) for row in summary.functions],
        [tuple(row) for row in summary.classes],
        summary.typing,
    )


def from_plain(value: Any) -> Summary:
    """Return the summary that `plain` was given."""
    body, functions, classes, typing = value
    return Summary(body, tuple(Function(*row) for row in functions), tuple(Class(*row) for row in classes), typing)


def keeps_argument(function: Function, *, pairs: bool) -> bool:
    """Tell whether each result of a function is its argument, or a tuple that has it, as a key has to tell all apart.

    Args:
        function: takes one argument.
        pairs: whether the argument is an item of a dict, of which the first part is enough.
    """
    if len(function.params) != 1 or function.star or function.stars or "g" in function.flags:
        return False
    (name,) = function.params
    results: list[Any] = []
    waiting: list[Any] = list(function.body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, tuple) or not node:
            continue
        if node[0] == "return":
            results.append(node[2])
        elif node[0] in {"=", "+=", "for", "walrus", ":", "with"}:
            return False
        waiting += node
    return bool(results) and all(_keeps(one, name, pairs=pairs) for one in results)


def _keeps(node: Any, name: str, *, pairs: bool) -> bool:
    if node is None:
        return False
    if node[0] == "tuple":
        return any(_keeps(part, name, pairs=pairs) for part in node[2])
    first = pairs and node[0] == "item" and node[2][::2] == ("name", name) and node[3][::2] == ("const", 0)
    return bool(first or node[::2] == ("name", name))
