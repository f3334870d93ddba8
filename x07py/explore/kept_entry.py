"""What a kept history may have run: the project's own asyncio programs and tests, as a person would start them.

A kept history is a cassette, and a cassette is data. It is looked up here without running anything.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NoReturn

from x07py.errors import UsageError
from x07py.explore.sources import files_of, goes_over_the_wire, tree_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = "explore"
"""Where kept histories are, below the folder of cassettes."""
CALLED_WITH = {"x07_broker": "127.0.0.1:1"}
"""What an explored test may take, and what it is called with."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def check_entry(root: Path, entry: str, call: Mapping[str, str], *, over_the_wire: bool = False) -> None:
    """Refuse an entry that is none of the project's programs and tests, or is called with something else.

    Args:
        root: the project's folder.
        entry: ``module``, ``module:function``, ``file.py`` or ``file.py:function``.
        call: keyword arguments of the function.
        over_the_wire: whether it is run as a process of its own.

    Raises:
        UsageError: ``X07EXPLORE_ENTRY``.
    """
    place, _, function = entry.partition(":")
    if not call.items() <= CALLED_WITH.items():
        _refuse(entry, root, f"it is called with {', '.join(sorted(call))}")
    if over_the_wire and not goes_over_the_wire(root, entry):
        _refuse(entry, root, "it is no program of this project with a client of its own")
    if function:
        check_function(root, entry)
        return
    if over_the_wire:
        return
    for file in files_of(root, place):
        tree = tree_of(root, file)
        if tree is not None and ("main" in _defined(tree) | _taken(tree) or _runs_asyncio(tree)):
            return
    _refuse(entry, root, "it is no asyncio program of this project")


def check_function(root: Path, name: str) -> None:
    """Refuse a function that no module of the project defines.

    Args:
        root: the project's folder.
        name: ``module:function`` or ``file.py:function``.

    Raises:
        UsageError: ``X07EXPLORE_ENTRY``.
    """
    place, _, function = name.partition(":")
    for file in files_of(root, place):
        tree = tree_of(root, file)
        if tree is not None and function in _defined(tree):
            return
    _refuse(name, root, "no module of this project defines it")


def _defined(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, _DEFINITIONS)}


def _taken(tree: ast.Module) -> set[str]:
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {one.asname or one.name for node in imports for one in node.names}


def _runs_asyncio(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in {"run", "Runner"} for node in ast.walk(tree)) and any(
        isinstance(node, ast.Import | ast.ImportFrom)
        and "asyncio" in {getattr(node, "module", None), *(one.name for one in node.names)}
        for node in ast.walk(tree)
    )


def _refuse(entry: str, root: Path, why: str) -> NoReturn:
    raise UsageError(
        "X07EXPLORE_ENTRY",
        f"the kept history names {entry}: {why}",
        where=str(root),
        hint="a kept history runs programs and tests of its own project alone; x07 explore makes it anew",
    )
