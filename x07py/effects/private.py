"""Functions of a module that only the module itself calls: they are judged by these calls, and not with any arguments.

A function is that if its name starts with an underscore, nothing decorates it, and the module names it only where it
calls it. One that is handed on, kept in a table or decorated may be called by anybody, with anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.effects.summary import Node, Summary

_BY_NAME = {
    "globals", "locals", "vars", "eval", "exec", "__import__", "import_module", "__dict__", "modules", "__globals__",
}  # fmt: skip
"""What can find a function by its name as a text."""


def called_only(summary: Summary) -> frozenset[str]:
    """Return the names of the functions that a module's code can only call.

    Methods are those whose name stands nowhere in the module but in calls of an object's own methods: whose method
    another call means is not always known.
    """
    named: set[str] = set()
    seen: set[str] = set()
    free: set[int] = set()
    for node in _nodes(summary):
        kind = node[0]
        if kind == "call":
            called = node[2]
            name = called[2] if called[0] == "name" else called[3] if called[0] == "attr" else ""
            seen.add(name)
            if called[0] == "attr" and not _is_own(called[2]):
                named.add(name)
        elif kind == "name":
            named.add(node[2])
        elif kind == "attr":
            named.add(node[3])
        elif kind == "def" and _is_private(node[3]) and not node[4]:
            free.add(node[2])
    if (named | seen) & _BY_NAME:
        return frozenset()
    names = [summary.functions[one].name for one in free]
    return frozenset(name for name in names if name.rpartition(".")[2] not in named)


def replaced(summary: Summary) -> list[int]:
    """Return the numbers of decorated functions whose name a later function of the module takes, as ``_`` is used."""
    rows = [node for node in summary.body if node[0] == "def"]
    last = {node[3]: node[2] for node in rows}
    return [node[2] for node in rows if node[4] and last[node[3]] != node[2]]


def _is_own(receiver: Node) -> bool:
    """Tell whether a method's receiver is an object of its class, or the class, so that its calls are all followed."""
    kind = receiver[0]
    if kind == "call":
        return bool(receiver[2][::2] == ("name", "super"))
    return kind == "name" and receiver[2] in {"self", "cls"}


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _nodes(summary: Summary) -> Iterator[Node]:
    """Yield the statements and expressions of a module; of what is called only the receiver."""
    waiting: list[Any] = [summary.body]
    waiting += [part for row in summary.functions for part in (row.body, *row.defaults.values())]
    waiting += [part for row in summary.classes for part in (row.bases, row.keywords, row.body)]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, tuple) or not node or node[0] == "const":
            continue
        if isinstance(node[0], str) and len(node) > 2 and isinstance(node[1], int):
            yield node
            if node[0] == "call":
                waiting += [node[2][2] if node[2][0] == "attr" else () if node[2][0] == "name" else node[2], *node[3:]]
                continue
        waiting += node
